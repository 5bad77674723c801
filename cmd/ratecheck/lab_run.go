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

// warmRun is a release that runs, is warmed up, and has a provider of ours behind
// it.
type warmRun struct {
	*labRun
	serving      *atomic.Pointer[provider.Provider]
	stopProvider func()
}

// startWarm starts a release with our provider behind it, which listens at an
// address (empty is any port), and warms it up.
func (a *app) startWarm(ctx context.Context, version string, o lab.Options, providerListen string) (*warmRun, error) {
	// The run's clock begins when LiteLLM answers, and our provider's with it; its
	// address must be known before.
	listener, err := net.Listen("tcp", cmp.Or(providerListen, loopbackAnyPort))
	if err != nil {
		return nil, usageError("starting our provider: %w", err)
	}
	o.Upstream = upstreamOf(listener.Addr())
	started, err := a.startLab(ctx, version, o)
	if err != nil {
		_ = listener.Close()
		return nil, err
	}
	running := &warmRun{labRun: started, serving: &atomic.Pointer[provider.Provider]{}}
	c := clock.System{}
	running.provider(c, c.Now())
	running.stopProvider = serveOn(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.serving.Load().ServeHTTP(w, r)
	}), shutdownPatience, usualPace())
	base, err := parseBase("LiteLLM's URL", running.URL())
	if err == nil {
		err = warmUp(ctx, base, o.Models[0])
	}
	if err != nil {
		return nil, errors.Join(err, running.stop())
	}
	return running, nil
}

// provider puts another provider behind the release, whose ledger begins with the
// run.
func (w *warmRun) provider(c clock.Clock, epoch time.Time) *provider.Provider {
	p := provider.New(c, epoch)
	p.AllowDirectives()
	w.serving.Store(p)
	return p
}

// stop ends the release and then the provider.
func (w *warmRun) stop() error {
	err := w.labRun.stop()
	w.stopProvider()
	return err
}

// labWorld is a real release that is started for the run, with our provider
// behind it.
func (a *app) labWorld(ctx context.Context, f runFlags, chosen []scenarios.Scenario) (*world, error) {
	o, err := f.lab.options(f.model, f.window)
	if err != nil {
		return nil, err
	}
	running, err := a.startWarm(ctx, f.litellm, o, f.providerListen)
	if err != nil {
		return nil, err
	}
	f.keyTemplate, f.providerListen, f.yes = lab.KeyTemplate, "", true // ours is behind it
	if onlyOwned(chosen) {
		f.keyTemplate = lab.OwnersTemplate
	}
	w, err := a.realWorld(ctx, f, running.URL(), chosen)
	if err != nil {
		return nil, errors.Join(err, running.stop())
	}
	if template, ok := w.runner.Target.Keys.(*target.Template); ok {
		w.runner.Target.Keys = ownedAlone(template)
	}
	w.runner.Target.Provider = ourProvider{running.provider(w.runner.Clock, w.runner.Epoch)}
	w.close = func() {
		if err := running.stop(); err != nil {
			_, _ = fmt.Fprintln(a.stderr, "ratecheck: "+err.Error())
		}
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

// ownedAlone are the keys of a release by a template: where it has no place for
// owners, they are asked in another run.
func ownedAlone(template *target.Template) target.KeyMaker {
	if template.NamesOwners() {
		return template
	}
	return target.Unowned{KeyMaker: template, Why: "owners are asked in a run of their own (--only 'scopes/*'): beside all other keys they are too many for some releases in memory"}
}

// onlyOwned says whether all of these need keys that belong to somebody. A real
// release has such keys in no other run: owners have counters too, and in memory
// some releases go unlimited when they have seen some 100 keys.
func onlyOwned(chosen []scenarios.Scenario) bool {
	return !slices.ContainsFunc(chosen, func(s scenarios.Scenario) bool { return !s.Owned })
}
