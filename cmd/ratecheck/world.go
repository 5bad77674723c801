package main

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	neturl "net/url"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/scenarios"
	"github.com/ratecheck/ratecheck/sim"
	"github.com/ratecheck/ratecheck/sim/faults"
	"github.com/ratecheck/ratecheck/sim/provider"
	"github.com/ratecheck/ratecheck/target"
)

// defaultTemplate is how keys of the reference are made where nobody says
// otherwise.
const defaultTemplate = "sk-ratecheck-{nonce}[-rpm{rpm}][-tpm{tpm}][-mpr{max_parallel}]"

// templateKeys lets a proxy read the limits of a key from the key.
type templateKeys struct{ template *target.Template }

func (k templateKeys) Lookup(bearer string) (reference.Policy, bool) {
	limits, ok := k.template.Match(bearer)
	if !ok {
		return reference.Policy{}, false
	}
	return reference.NewPolicy(limits.Requests, limits.Tokens, limits.Parallel), true
}

// ownedKeys makes keys by a template, and those that belong to somebody by the
// management API.
type ownedKeys struct {
	*target.Template
	managed *target.ManagedKeys
}

func (k ownedKeys) MakeOwned(ctx context.Context, nonce string, limits history.Limits, owners []history.Owner) (target.OwnedKey, error) {
	return k.managed.MakeOwned(ctx, nonce, limits, owners)
}

// ourProvider is our provider in this process.
type ourProvider struct{ *provider.Provider }

func (p ourProvider) Register(_ context.Context, nonce string, s history.Script) error {
	p.Provider.Register(nonce, s)
	return nil
}

func (p ourProvider) Calls(_ context.Context, from int) ([]history.Call, int, error) {
	calls, inFlight := p.Finished(from)
	return calls, inFlight, nil
}

func (a *app) openWorld(ctx context.Context, f runFlags, url string, chosen []scenarios.Scenario) (*world, error) {
	switch {
	case f.litellm != "":
		return a.labWorld(ctx, f, chosen)
	case f.simulate != "":
		return simulatedWorld(f, chosen)
	case url == "":
		return embeddedWorld(f)
	}
	return a.realWorld(ctx, f, url, chosen)
}

// embeddedWorld is the reference with our provider on virtual time, broken
// where a fault is asked for.
func embeddedWorld(f runFlags) (*world, error) {
	if f.fault == "" {
		return embeddedWith(f, "embedded reference", nil)
	}
	fault, known := faults.Find(f.fault)
	if !known {
		return nil, usageError("--fault %q is not known; `ratecheck list --faults` shows them", f.fault)
	}
	return embeddedWith(f, "embedded reference with the fault "+fault.Name, fault.Apply)
}

// embeddedWith is an embedded world some of whose parts are changed.
func embeddedWith(f runFlags, name string, change func(*sim.Parts)) (*world, error) {
	template, err := target.ParseTemplate(cmp.Or(f.keyTemplate, defaultTemplate))
	if err != nil {
		return nil, exitWith(reports.ExitError, err)
	}
	w, err := sim.NewWorld(f.seed, f.window, templateKeys{template}, f.model, change)
	if err != nil {
		return nil, exitWith(reports.ExitError, err)
	}
	var keys target.KeyMaker = template
	if f.simulate == "" {
		// Its registry lives as long as the run, so nobody need delete them.
		keys = ownedKeys{template, target.NewManagedKeys(target.Management{
			URL: w.URL, Transport: w.Network, Clock: w.Clock, AdminKey: target.Secret(w.AdminKey), Model: f.model, Lifetime: 24 * time.Hour,
		})}
	}
	const stream = 0x72756e6964 // keeps the run's id apart from other draws of the same seed
	return &world{
		name: name,
		runner: scenarios.Runner{
			Clock: w.Clock, Epoch: w.Epoch, Seed: f.seed, RunID: runID(rand.New(rand.NewPCG(f.seed, stream))),
			Target: target.Target{
				URL: w.URL, Transport: w.Network, Model: f.model, Window: f.window, TokenClass: f.tokenClass,
				Keys: keys, Provider: ourProvider{w.Provider},
			},
		},
		play: func(ctx context.Context, play func(context.Context) error) error {
			var played error
			broken := w.Clock.Run(ctx, func() { played = play(ctx) })
			return errors.Join(broken, played)
		},
		close: func() {}, broken: func() error { return nil },
	}, nil
}

// runID draws four characters, a letter first.
func runID(r *rand.Rand) string {
	const letters, all = "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz0123456789"
	id := []byte{letters[r.IntN(len(letters))]}
	for range 3 {
		id = append(id, all[r.IntN(len(all))])
	}
	return string(id)
}

// freshRunID is an id that no run before had: the keys of a run on a target
// that lives on must be new.
func freshRunID() (string, error) {
	var seed [16]byte
	if _, err := crand.Read(seed[:]); err != nil {
		return "", fmt.Errorf("drawing the run's id: %w", err)
	}
	var a, b uint64
	for i := range 8 {
		a, b = a<<8|uint64(seed[i]), b<<8|uint64(seed[i+8])
	}
	return runID(rand.New(rand.NewPCG(a, b))), nil
}

// realWorld is a target with a URL, on the machine's time.
func (a *app) realWorld(ctx context.Context, f runFlags, raw string, chosen []scenarios.Scenario) (*world, error) {
	base, err := parseBase("the target's URL", raw)
	if err != nil {
		return nil, err
	}
	if f.keyTemplate == "" && f.adminKey == "" {
		return nil, usageError("a target with a URL needs a way to get keys with known limits: --admin-key, where the target has LiteLLM's management API, or --key-template, for example '%s'", defaultTemplate)
	}
	if f.providerListen == "" && f.providerURL == "" && !f.yes {
		return nil, usageError("our provider is not behind the target (--provider-listen, --provider), so its own would be asked, and may cost money; add --yes if that is meant")
	}
	id, err := freshRunID()
	if err != nil {
		return nil, exitWith(reports.ExitError, err)
	}
	c := clock.System{}
	w := &world{
		name: base.Redacted(), close: func() {}, broken: func() error { return nil },
		play: func(ctx context.Context, play func(context.Context) error) error { return play(ctx) },
		runner: scenarios.Runner{
			Clock: c, Epoch: c.Now(), Seed: f.seed, RunID: id,
			Target: target.Target{
				URL: base, Transport: driver.NewTargetTransport(), Model: f.model, Window: f.window,
				TokenClass: f.tokenClass,
			},
		},
	}
	if err := w.getKeys(f, chosen); err != nil {
		return nil, err
	}
	if err := a.printPlan(a.stderr, chosen, f, raw); err != nil {
		return nil, err
	}
	if err := connectProvider(ctx, w, f); err != nil {
		return nil, err
	}
	return w, nil
}

func parseBase(what, raw string) (*neturl.URL, error) {
	u, err := neturl.Parse(raw)
	if err != nil {
		return nil, usageError("%s: %w; write it as http://HOST:PORT, without /v1", what, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, usageError("%s %q is no base URL; write it as http://HOST:PORT, without /v1", what, raw)
	}
	switch {
	case u.User != nil:
		// Reports name the URL, and it is the keys that a target knows people by.
		return nil, usageError("%s %q has a user in it, whom nothing would be sent for; leave that out", what, u.Redacted())
	case strings.TrimSuffix(u.Path, "/") == "/v1", u.RawQuery != "", u.Fragment != "":
		return nil, usageError("%s %q is more than a base URL; write it as http://HOST:PORT, without /v1", what, raw)
	}
	return u, nil
}

// isLoopback says whether a URL is on this machine.
func isLoopback(raw string) bool {
	u, err := neturl.Parse(raw)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// connectProvider starts our provider, or finds the one that runs.
func connectProvider(ctx context.Context, w *world, f runFlags) error {
	r := &w.runner
	switch {
	case f.providerListen != "":
		p := provider.New(r.Clock, r.Epoch)
		stop, _, err := listenAndServe(f.providerListen, p, shutdownPatience)
		if err != nil {
			return exitWith(exitUsage, fmt.Errorf("starting our provider: %w", err))
		}
		w.close = stop
		r.Target.Provider = ourProvider{p}
	case f.providerURL != "":
		base, err := parseBase("--provider", f.providerURL)
		if err != nil {
			return err
		}
		remote := target.NewRemoteProvider(base, driver.NewTransport(), r.Clock, r.Epoch)
		skew, err := remote.Sync(ctx)
		if err != nil {
			return exitWith(exitUnreachable, err)
		}
		w.ledgerSkew = skew
		r.Target.Provider = remote
	}
	return nil
}
