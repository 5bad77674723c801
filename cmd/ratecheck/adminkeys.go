package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ratecheck/ratecheck/scenarios"
	"github.com/ratecheck/ratecheck/target"
)

// adminKeyVariable holds the admin key where no flag does.
const adminKeyVariable = "RATECHECK_ADMIN_KEY"

// A key lives for twice as long as its run is expected to take, and ten minutes:
// a target that is slow must not lose its keys before the run is over, and one
// that a run could not clean up must not keep them.
const (
	lifetimeRuns  = 2
	lifetimeSpare = 10 * time.Minute
)

// getKeys gives the world its way to keys with known limits.
func (w *world) getKeys(f runFlags, chosen []scenarios.Scenario) error {
	t := &w.runner.Target
	if f.adminKey == "" {
		keys, err := f.keys()
		t.Keys = keys
		return err
	}
	keys := target.NewManagedKeys(target.Management{
		URL: t.URL, Transport: t.Transport, Clock: w.runner.Clock, AdminKey: target.Secret(f.adminKey), Model: t.Model,
		Lifetime: lifetimeRuns*scenarios.Total(chosen).Duration(f.window) + lifetimeSpare,
	})
	t.Keys, w.deleteKeys = keys, keys.Delete
	return nil
}

// cleanUp deletes the keys that a run made. What is left expires by itself, so
// that the verdicts stand whether or not it goes well.
func (a *app) cleanUp(ctx context.Context, w *world) {
	if w.deleteKeys == nil {
		return
	}
	if err := w.deleteKeys(ctx); err != nil {
		_, _ = fmt.Fprintln(a.stderr, "ratecheck: "+err.Error())
	}
}
