package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/lab"
	"github.com/ratecheck/ratecheck/scenarios"
	"github.com/ratecheck/ratecheck/sim/provider"
	"github.com/ratecheck/ratecheck/target"
)

// labWindow is how long the windows of a release are that is started for a run,
// where nobody says: a run takes about five of them.
const labWindow = 5 * time.Second

// forLab completes the flags of a run for which a release is started. newest is
// turned into a version: the line that reproduces a result must not mean another
// release some day.
func (f *runFlags) forLab(windowGiven bool) error {
	if !windowGiven {
		f.window = labWindow
	}
	version, err := lab.Resolve(f.litellm)
	if err != nil {
		return exitWith(exitUsage, err)
	}
	f.litellm = version
	return nil
}

// checkLab refuses what does not go with a release that is started for the run.
func (f *runFlags) checkLab(url string) error {
	if f.simulate != "" {
		return f.checkSimulated(url)
	}
	if f.litellm == "" {
		if given := f.lab.given(); len(given) > 0 {
			return usageError("%s is for a release that is started or simulated for the run: add --litellm VERSION or --simulate VERSION", given[0])
		}
		return nil
	}
	if url != "" || f.fault != "" || f.keyTemplate != "" || f.providerURL != "" {
		return usageError("--litellm starts the target itself; leave out the URL, --key-template, --provider and --fault")
	}
	_, err := f.lab.options(f.model, f.window)
	return err
}

// loopbackAnyPort is where our provider listens where nobody says.
const loopbackAnyPort = "127.0.0.1:0"

// labWorld is a real release that is started for the run, with our provider
// behind it.
func (a *app) labWorld(ctx context.Context, f runFlags, chosen []scenarios.Scenario) (*world, error) {
	o, err := f.lab.options(f.model, f.window)
	if err != nil {
		return nil, err
	}
	// The run's clock begins when LiteLLM answers, and our provider's with it; its
	// address must be known before.
	listener, err := net.Listen("tcp", cmp.Or(f.providerListen, loopbackAnyPort))
	if err != nil {
		return nil, usageError("starting our provider: %w", err)
	}
	o.Upstream = upstreamOf(listener.Addr())
	running, err := a.startLab(ctx, f.litellm, o)
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	c := clock.System{}
	p := provider.New(c, c.Now())
	p.AllowDirectives()
	var serving atomic.Pointer[provider.Provider]
	serving.Store(p)
	stopProvider := serveOn(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serving.Load().ServeHTTP(w, r) }), shutdownPatience, usualPace())
	f.keyTemplate, f.providerListen, f.yes = lab.KeyTemplate, "", true // ours is behind it
	if onlyOwned(chosen) {
		f.keyTemplate = lab.OwnersTemplate
	}
	base, err := parseBase("LiteLLM's URL", running.URL())
	if err == nil {
		err = warmUp(ctx, base, f.model)
	}
	var w *world
	if err == nil {
		w, err = a.realWorld(ctx, f, running.URL(), chosen)
	}
	if err != nil {
		stopProvider()
		return nil, errors.Join(err, running.stop())
	}
	if template, ok := w.runner.Target.Keys.(*target.Template); ok && !template.NamesOwners() {
		w.runner.Target.Keys = target.Unowned{KeyMaker: template, Why: "owners are asked in a run of their own (--only 'scopes/*'): beside all other keys they are too many for some releases in memory"}
	}
	// The run's ledger begins with the run, so its provider is another one.
	p = provider.New(w.runner.Clock, w.runner.Epoch)
	serving.Store(p)
	w.runner.Target.Provider = ourProvider{p}
	w.close = func() {
		if err := running.stop(); err != nil {
			_, _ = fmt.Fprintln(a.stderr, "ratecheck: "+err.Error())
		}
		stopProvider()
	}
	var died error
	w.broken = func() error { return died }
	w.play = func(ctx context.Context, play func(context.Context) error) error {
		watched, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() {
			err := running.Wait(watched)
			if watched.Err() != nil {
				err = nil
			}
			ended <- err
			cancel() // nothing can be told of a target that is gone
		}()
		err := play(watched)
		cancel()
		if cause := <-ended; cause != nil {
			died = exitWith(exitUnreachable, fmt.Errorf("LiteLLM ended while the run went on; what was recorded until then is in the report: %w", cause))
		}
		return err
	}
	return w, nil
}

// onlyOwned says whether all of these need keys that belong to somebody. A real
// release has such keys in no other run: owners have counters too, and in memory
// some releases go unlimited when they have seen some 100 keys.
func onlyOwned(chosen []scenarios.Scenario) bool {
	return !slices.ContainsFunc(chosen, func(s scenarios.Scenario) bool { return !s.Owned })
}
