package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/lab"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/sim/provider"
)

// labFlags say how a real release is started.
type labFlags struct {
	redis             bool
	workers, replicas int
	env, general      []string
}

func (f *labFlags) addTo(flags *pflag.FlagSet) {
	flags.BoolVar(&f.redis, "redis", false, "put a Redis beside LiteLLM, so that limits are counted there")
	flags.IntVar(&f.workers, "workers", 1, "processes of LiteLLM that share its port; in memory each counts for itself")
	flags.IntVar(&f.replicas, "replicas", 1, "LiteLLMs behind a balancer; in memory each counts for itself")
	flags.StringArrayVar(&f.env, "env", nil, "add `NAME=VALUE` to LiteLLM's environment (may be repeated)")
	flags.StringArrayVar(&f.general, "general", nil, "add `NAME=VALUE` to LiteLLM's general_settings (may be repeated)")
}

// options are the lab's, but for the folder and the upstream.
func (f *labFlags) options(model string, window time.Duration) (lab.Options, error) {
	o := lab.Options{Models: []string{model}, Redis: f.redis, Window: window, Workers: f.workers, Replicas: f.replicas}
	if f.workers < 1 || f.replicas < 1 {
		return o, usageError("--workers %d and --replicas %d: at least one of each", f.workers, f.replicas)
	}
	var err error
	if o.Env, err = pairs("--env", f.env); err != nil {
		return o, err
	}
	if o.General, err = pairs("--general", f.general); err != nil {
		return o, err
	}
	checked := o
	checked.Dir, checked.Upstream = ".", "http://127.0.0.1:1/v1" // both are chosen at the start
	if err := checked.Check(); err != nil {
		return o, exitWith(exitUsage, err)
	}
	return o, nil
}

// given lists the flags as a command line has them.
func (f *labFlags) given() []string {
	var parts []string
	if f.redis {
		parts = append(parts, "--redis")
	}
	if f.workers > 1 {
		parts = append(parts, "--workers "+strconv.Itoa(f.workers))
	}
	if f.replicas > 1 {
		parts = append(parts, "--replicas "+strconv.Itoa(f.replicas))
	}
	for _, kv := range f.env {
		parts = append(parts, "--env "+quote(kv))
	}
	for _, kv := range f.general {
		parts = append(parts, "--general "+quote(kv))
	}
	return parts
}

// pairs reads NAME=VALUE, each name once.
func pairs(flag string, list []string) (map[string]string, error) {
	m := map[string]string{}
	for _, kv := range list {
		name, value, found := strings.Cut(kv, "=")
		if _, twice := m[name]; !found || name == "" || twice {
			return nil, usageError("%s %q: write it as NAME=VALUE, each name once", flag, kv)
		}
		m[name] = value
	}
	return m, nil
}

// labDir is where releases are installed: in the folder that RATECHECK_LAB
// names, or in the user's cache.
func (a *app) labDir() (string, error) {
	if dir := a.getenv("RATECHECK_LAB"); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", usageError("finding the cache directory: %w; name a folder in RATECHECK_LAB", err)
	}
	return filepath.Join(cache, "ratecheck-lab"), nil
}

// labRun is a release that runs.
type labRun struct {
	*lab.Instance
	folder string
}

// startLab installs a release where it is not there yet, starts it before the
// upstream, and waits until it answers. What earlier ones left is named first.
func (a *app) startLab(ctx context.Context, version string, o lab.Options) (*labRun, error) {
	dir, err := a.labDir()
	if err != nil {
		return nil, err
	}
	if err := a.nameLeftovers(dir); err != nil {
		return nil, err
	}
	release, err := lab.Install(ctx, dir, version, a.stderr)
	if err != nil {
		return nil, labError(ctx, err)
	}
	if o.Dir, err = lab.WorkFolder(dir); err != nil {
		return nil, exitWith(exitUsage, err)
	}
	_, _ = fmt.Fprintf(a.stderr, "starting LiteLLM %s\n", version)
	instance, err := release.Start(ctx, o)
	switch {
	case ctx.Err() != nil:
		return nil, labError(ctx, errors.Join(err, instance.Stop(), os.RemoveAll(o.Dir)))
	case err != nil:
		// The error holds the end of the log; the folder goes at the next start.
		return nil, labError(ctx, fmt.Errorf("%w\n(its files are in %s until the next start; another --port, fewer --env and --general, or another release may help)", err, o.Dir))
	}
	return &labRun{Instance: instance, folder: o.Dir}, nil
}

// labError gives an error of the lab its exit code: 3 where this machine or the
// command line can be mended, 4 where the release cannot be had or reached.
func labError(ctx context.Context, err error) error {
	var setup *lab.SetupError
	switch {
	case ctx.Err() != nil:
		return exitWith(reports.ExitInterrupted, err)
	case errors.As(err, &setup):
		return exitWith(exitUsage, err)
	default:
		return exitWith(exitUnreachable, err)
	}
}

// stop ends all that was started, and removes the working folder.
func (l *labRun) stop() error {
	if err := l.Stop(); err != nil {
		return exitWith(reports.ExitError, err)
	}
	if err := os.RemoveAll(l.folder); err != nil {
		return exitWith(reports.ExitError, fmt.Errorf("removing the working folder: %w", err))
	}
	return nil
}

// nameLeftovers says what labs whose program was killed left running. It ends
// nothing: it did not start it. LiteLLM's workers do not end on SIGTERM when
// their parent is gone.
func (a *app) nameLeftovers(dir string) error {
	left, err := lab.Leftovers(dir)
	for _, l := range left {
		_, _ = fmt.Fprintf(a.stderr, "left by an earlier lab that was killed: process %d (%s); end it with: kill -9 %d\n", l.PID, l.Command, l.PID)
	}
	if err != nil {
		return exitWith(exitUsage, err)
	}
	return nil
}

func (a *app) labCommand() *cobra.Command {
	var f labFlags
	var window time.Duration
	var port int
	var providerListen, model string
	cmd := &cobra.Command{
		Use:   "lab VERSION",
		Short: "Start a real LiteLLM release on this machine, with our provider behind it",
		Long: `lab installs a LiteLLM release from PyPI into a virtual environment of its own,
starts it without a database, with our mock provider behind it, and runs until it
is interrupted. Keys carry their limits. VERSION is a release such as 1.82.3, or
newest: the newest one that was reviewed (` + newestReviewed() + `). Reviewed releases come with
exactly the packages that were reviewed with them, where these can be had.

It needs Python 3.9 or later, and for --redis redis-server. Releases that were
reported compromised are refused. Releases go into the user's cache directory, or
into the folder that RATECHECK_LAB names: about 600 MB each.`,
		Example: `  ratecheck lab 1.82.3
  ratecheck lab newest --redis --window 5s --env LITELLM_TPM_TOKEN_RESERVATION_ENABLED=false`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := lab.Resolve(args[0])
			if err != nil {
				return exitWith(exitUsage, err)
			}
			o, err := f.options(model, window)
			if err != nil {
				return err
			}
			o.Port = port
			return a.lab(cmd.Context(), version, providerListen, o)
		},
	}
	flags := cmd.Flags()
	f.addTo(flags)
	flags.DurationVar(&window, "window", lab.DefaultWindow, "length of the windows, in whole seconds")
	flags.IntVar(&port, "port", 0, "where LiteLLM listens on 127.0.0.1 (default a free one)")
	flags.StringVar(&providerListen, "provider-listen", "127.0.0.1:0", "serve our provider at `ADDR`")
	flags.StringVar(&model, "model", lab.DefaultModel, "model that LiteLLM serves")
	return cmd
}

func newestReviewed() string {
	all := lab.Reviewed()
	return all[len(all)-1]
}

// lab runs a release until it is interrupted.
func (a *app) lab(ctx context.Context, version, providerListen string, o lab.Options) error {
	c := clock.System{}
	p := provider.New(c, c.Now())
	p.AllowDirectives()
	stopProvider, at, err := listenAndServe(providerListen, p, shutdownPatience)
	if err != nil {
		return exitWith(exitUsage, fmt.Errorf("starting our provider: %w", err))
	}
	defer stopProvider()
	o.Upstream = upstreamOf(at)
	running, err := a.startLab(ctx, version, o)
	if err != nil {
		return err
	}
	f := runFlags{model: o.Models[0], keyTemplate: lab.KeyTemplate, providerURL: "http://" + at.String(), window: o.Window}
	_, err = fmt.Fprintf(a.stdout, "LiteLLM %s at %s, mock provider at http://%s, window %s\nkeys look like %s\ncheck it with\n  %s\n",
		version, running.URL(), at, o.Window, lab.KeyTemplate, f.command(running.URL()))
	if err == nil {
		err = running.Wait(ctx)
	}
	stopErr := running.stop()
	if ctx.Err() != nil || err == nil {
		return stopErr
	}
	return exitWith(exitUnreachable, errors.Join(err, stopErr))
}

// upstreamOf is the base URL of our provider at an address.
func upstreamOf(at net.Addr) string { return "http://" + at.String() + "/v1" }
