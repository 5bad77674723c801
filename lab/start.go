package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

const (
	// readyWithin bounds a start. LiteLLM takes about ten seconds on two idle
	// cores, several times that on its first start, when Python compiles it, and
	// more where other work goes on.
	readyWithin = 3 * time.Minute
	// readyPoll is how often a start looks whether the process answers.
	readyPoll = 100 * time.Millisecond
	// answerWithin bounds one such look.
	answerWithin = 2 * time.Second
	// portTries is how often a start is tried with fresh ports when another
	// process takes a port between its choice and its use.
	portTries = 3
	// answerBytes is as much of an answer as is read: the name of an instance
	// stands well within it.
	answerBytes = 4096
	// instanceLock is the file in a working folder that its program holds locked.
	instanceLock = "instance.lock"
	// whoBearer is what custom_auth.py answers with the instance's name.
	whoBearer = "lab-who"
)

// Instance is a LiteLLM that runs, or several replicas of it, and its Redis.
type Instance struct {
	url       string
	dir       string
	redis     *process   // nil without Redis
	replicas  []*process // LiteLLM, as often as was asked for
	balancer  *balancer  // nil before a single replica
	unlock    func() error
	release   context.CancelFunc // of the watch over Start's context; nil until it is watched
	stopping  chan struct{}
	once      sync.Once
	stopError error
}

// Start starts the release and waits until it answers. When ctx is cancelled,
// during the start or later, all that was started is ended; Stop then waits for
// it. It fails when Options are not right, when redis-server is asked for and
// not there, when a port is taken, and when LiteLLM ends or does not answer
// within three minutes; then nothing is left behind, and the error holds the end
// of the log. What can be mended on this machine is a *SetupError.
func (r *Release) Start(ctx context.Context, o Options) (*Instance, error) {
	if errPlatform != nil {
		return nil, &SetupError{errPlatform}
	}
	if err := checkVersion(r.Version); err != nil {
		return nil, &SetupError{err}
	}
	o, err := o.complete()
	if err != nil {
		return nil, &SetupError{err}
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("lab: making the working folder %s: %w; give one that can be written to", o.Dir, err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("lab: making the working folder %s: %w; give one that can be written to", o.Dir, err)
	}
	unlock, err := lock(ctx, filepath.Join(o.Dir, instanceLock), false)
	if err != nil {
		return nil, &SetupError{fmt.Errorf("%w: give each instance a working folder of its own", err)}
	}
	for try := 1; ; try++ {
		i := &Instance{dir: o.Dir, unlock: unlock, stopping: make(chan struct{})}
		err := i.start(ctx, r, o)
		if err == nil {
			watched, release := context.WithCancel(ctx)
			i.release = release
			context.AfterFunc(watched, func() { _ = i.Stop() })
			return i, nil
		}
		if errors.Is(err, errPortTaken) && try < portTries && ctx.Err() == nil {
			if stopErr := i.stopProcesses(); stopErr == nil {
				continue
			}
		}
		return nil, errors.Join(err, i.Stop())
	}
}

// start starts Redis and LiteLLM; what was started stands in i also when it
// fails.
func (i *Instance) start(ctx context.Context, r *Release, o Options) error {
	ports, err := choosePorts(o.Port, 2+o.Replicas)
	if err != nil {
		return err
	}
	redisPort := 0
	if o.Redis {
		redisPort = ports[1]
		if i.redis, err = startRedis(ctx, o.Dir, redisPort); err != nil {
			return err
		}
	}
	config := filepath.Join(o.Dir, "config.yaml")
	if err := os.WriteFile(config, []byte(renderConfig(o, redisPort)), 0o600); err != nil {
		return fmt.Errorf("lab: writing the configuration of LiteLLM: %w; give a working folder that can be written to", err)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "custom_auth.py"), []byte(customAuth), 0o600); err != nil {
		return fmt.Errorf("lab: writing the configuration of LiteLLM: %w; give a working folder that can be written to", err)
	}
	i.url = "http://" + address(ports[0])
	name, urls := rand.Text(), []string{i.url}
	if o.Replicas > 1 {
		urls = nil
		for _, port := range ports[2:] {
			urls = append(urls, "http://"+address(port))
		}
		if i.balancer, err = startBalancer(ports[0], urls); err != nil {
			return err
		}
	}
	env := childEnv(os.Environ(), r.Dir, o, name)
	for n, url := range urls {
		p, err := r.litellm(o, config, strings.TrimPrefix(url, "http://"), n, env).start()
		if err != nil {
			return fmt.Errorf("%w: install the release again", err)
		}
		i.replicas = append(i.replicas, p)
	}
	for n, url := range urls {
		if err := i.replicas[n].awaitReady(ctx, readyWithin, func(ctx context.Context) bool { return isOurs(ctx, url, name) }); err != nil {
			return err
		}
	}
	return nil
}

// litellm is the nth replica, at a host and port.
func (r *Release) litellm(o Options, config, at string, n int, env []string) command {
	host, port, _ := strings.Cut(at, ":")
	c := command{
		name: "LiteLLM " + r.Version,
		argv: []string{filepath.Join(r.Dir, "bin", "litellm"), "--config", config, "--host", host, "--port", port, "--telemetry", "False"},
		env:  env, dir: o.Dir, log: filepath.Join(o.Dir, "litellm.log"),
	}
	if o.Workers > 1 {
		c.argv = append(c.argv, "--num_workers", strconv.Itoa(o.Workers))
	}
	if o.Replicas > 1 {
		c.name += fmt.Sprintf(", replica %d", n+1)
		c.log = filepath.Join(o.Dir, fmt.Sprintf("litellm-%d.log", n+1))
	}
	return c
}

// awaitReady waits until ready, or the process ends, or within has passed.
func (p *process) awaitReady(ctx context.Context, within time.Duration, ready func(context.Context) bool) error {
	bounded, cancel := clock.WithTimeout(ctx, clock.System{}, within)
	defer cancel()
	for {
		if p.hasExited() {
			return portTaken(p.failure("starting"), p.log)
		}
		if ready(bounded) && !p.hasExited() {
			return nil
		}
		if err := (clock.System{}).Sleep(bounded, readyPoll); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("lab: starting %s: %w", p.name, context.Cause(ctx))
			}
			return fmt.Errorf("lab: %s did not answer within %v; the end of its log %s:\n%s", p.name, within, p.log, logTail(p.log))
		}
	}
}

// isOurs reports whether the proxy at url answers and is the one that was
// started under that name: had another process taken the port, its health would
// say nothing.
func isOurs(ctx context.Context, url, name string) bool {
	if status, _ := get(ctx, url+"/health/liveliness", ""); status != http.StatusOK {
		return false
	}
	status, body := get(ctx, url+"/v1/models", whoBearer)
	return status == http.StatusUnauthorized && strings.Contains(body, name)
}

// get asks once, over a connection of its own and by no proxy. Status 0 is no
// answer.
func get(ctx context.Context, url, bearer string) (status int, body string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, ""
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: answerWithin}
	resp, err := client.Do(req)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, answerBytes))
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(b)
}

// URL is where LiteLLM listens, or the balancer before its replicas, without a
// path: http://127.0.0.1:PORT.
func (i *Instance) URL() string { return i.url }

// Wait waits until the instance was stopped, and returns nil; or until LiteLLM
// or its Redis ended by itself, and returns why, with the end of its log, after
// the other was ended too; or until ctx is cancelled, and returns its error
// while the instance runs on.
func (i *Instance) Wait(ctx context.Context) error {
	first := make(chan *process, len(i.processes()))
	for _, p := range i.processes() {
		go func() {
			select {
			case <-p.exited:
				first <- p
			case <-ctx.Done():
			}
		}()
	}
	var ended *process
	select {
	case <-i.stopping:
	case ended = <-first:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-i.stopping: // it ended because it was told to
		return i.Stop()
	default:
		return errors.Join(ended.failure("running"), i.Stop())
	}
}

// Stop ends LiteLLM and its Redis, each with its process group, by SIGTERM and
// after five seconds by SIGKILL, and waits for them. It may be called often, by
// several, and on nil; it ends nothing that Start did not start.
func (i *Instance) Stop() error {
	if i == nil {
		return nil
	}
	i.once.Do(func() {
		close(i.stopping)
		if i.release != nil {
			i.release()
		}
		i.stopError = errors.Join(i.stopProcesses(), i.unlock())
	})
	return i.stopError
}

// stopProcesses ends LiteLLM before its Redis.
func (i *Instance) stopProcesses() error {
	i.balancer.close()
	var errs []error
	for _, p := range i.processes() {
		errs = append(errs, p.end(stopGrace))
	}
	return errors.Join(errs...)
}

// processes are LiteLLM, and the Redis that it would miss last.
func (i *Instance) processes() []*process {
	all := i.replicas[:len(i.replicas):len(i.replicas)]
	if i.redis != nil {
		all = append(all, i.redis)
	}
	return all
}
