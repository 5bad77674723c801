package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

const (
	// stopGrace is how long a process may take to end on SIGTERM. An idle
	// LiteLLM takes under a second; one that holds streams would wait for them.
	stopGrace = 5 * time.Second
	// killWait is how long the kernel may take over a SIGKILL. It is at once but
	// for processes that wait on a disk.
	killWait = 5 * time.Second
	// groupPoll is how often the end of a process group is looked for.
	groupPoll = 10 * time.Millisecond
	// tailBytes and tailLines bound what an error repeats of a log: a Python
	// traceback with its last frames.
	tailBytes = 4096
	tailLines = 20
)

// command is a process to be started.
type command struct {
	name string // in errors
	argv []string
	env  []string
	dir  string
	log  string // file for what it prints; rewritten
	out  string // file for its standard output where that is not for the log
}

// process is a child in a process group of its own.
type process struct {
	command
	cmd  *exec.Cmd
	pgid int
	// exited is closed when the child has ended. It is not reaped before end:
	// until then its id cannot be given to anybody else, so that a signal to
	// the group reaches what was started here or nothing.
	exited chan struct{}
	once   sync.Once
	err    error
}

// start starts c. The caller must end it.
func (c command) start() (*process, error) {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lab: %s: log: %w", c.name, err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = c.env, c.dir, log, log
	if c.out != "" {
		out, err := os.OpenFile(c.out, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lab: %s: output: %w", c.name, err)
		}
		defer func() { _ = out.Close() }()
		cmd.Stdout = out
	}
	cmd.SysProcAttr = ownGroup()
	p := &process{command: c, cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux takes the end of the thread that started a child for the end
		// of its parent, so that thread is kept until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			awaitExit(cmd.Process.Pid)
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("lab: starting %s: %w", c.name, err)
	}
	p.pgid = cmd.Process.Pid
	return p, nil
}

// end ends the child and its group, by SIGTERM and then SIGKILL, and waits. It
// may be called often and by several; only the first call does anything.
func (p *process) end(grace time.Duration) error {
	p.once.Do(func() { p.err = p.endOnce(grace) })
	return p.err
}

func (p *process) endOnce(grace time.Duration) error {
	terminateGroup(p.pgid)
	p.waitExit(grace)
	// Also where the child is gone: it may have left others in its group.
	killGroup(p.pgid)
	if !p.waitExit(killWait) {
		return fmt.Errorf("lab: %s (process %d) did not end within %v of SIGKILL: see what it waits for with ps", p.name, p.pgid, killWait)
	}
	// An exit status is no error: the process was told to end.
	var status *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &status) {
		return fmt.Errorf("lab: %s: %w", p.name, err)
	}
	clk := clock.System{}
	for deadline := clk.Now().Add(killWait); groupLives(p.pgid); {
		if clk.Now().After(deadline) {
			return fmt.Errorf("lab: %s: process group %d still lives %v after SIGKILL: see ps -g %d", p.name, p.pgid, killWait, p.pgid)
		}
		if err := clk.Sleep(context.Background(), groupPoll); err != nil {
			return err
		}
	}
	return nil
}

// waitExit reports whether the child ended within d.
func (p *process) waitExit(d time.Duration) bool {
	ctx, cancel := clock.WithTimeout(context.Background(), clock.System{}, d)
	defer cancel()
	select {
	case <-p.exited:
		return true
	case <-ctx.Done():
		return false
	}
}

// hasExited reports whether the child has ended.
func (p *process) hasExited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// failure is the error of a child that ended by itself: how, and the end of its
// log.
func (p *process) failure(doing string) error {
	if err := p.end(0); err != nil {
		return err
	}
	return fmt.Errorf("lab: %s: %s ended (%v); the end of its log %s:\n%s", doing, p.name, p.cmd.ProcessState, p.log, logTail(p.log))
}

// run runs c to its end, or until ctx is cancelled.
func (c command) run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("lab: %s: %w", c.name, err)
	}
	p, err := c.start()
	if err != nil {
		return err
	}
	select {
	case <-p.exited:
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("lab: %s: %w", c.name, context.Cause(ctx)), p.end(stopGrace))
	}
	if err := p.end(0); err != nil {
		return err
	}
	if !p.cmd.ProcessState.Success() {
		return p.failure(strings.Join(c.argv, " "))
	}
	return nil
}

// bearerLike is what looks like a key. Proxies repeat keys in what they log.
var bearerLike = regexp.MustCompile(`\bsk-[A-Za-z0-9_=.,-]+`)

// logTail is the end of a log, without keys.
func logTail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Sprintf("(the log cannot be read: %v)", err)
	}
	defer func() { _ = f.Close() }()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, err = f.Seek(max(0, size-tailBytes), io.SeekStart)
		if err != nil {
			return fmt.Sprintf("(the log cannot be read: %v)", err)
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, tailBytes))
	if err != nil {
		return fmt.Sprintf("(the log cannot be read: %v)", err)
	}
	text := strings.TrimSpace(strings.ToValidUTF8(string(b), ""))
	if text == "" {
		return "(the log is empty)"
	}
	lines := strings.Split(text, "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return bearerLike.ReplaceAllString(strings.Join(lines, "\n"), "sk-***")
}
