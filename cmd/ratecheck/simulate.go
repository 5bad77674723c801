package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/lab"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/scenarios"
	"github.com/ratecheck/ratecheck/sim/litellm"
	"github.com/ratecheck/ratecheck/target"
)

// modelSettings are those of the model that stands for the target; f.simulate
// must not be empty.
func (f *runFlags) modelSettings() (litellm.Settings, error) {
	release, err := litellm.Find(f.simulate)
	if err != nil {
		return litellm.Settings{}, usageError("--simulate: %w", err)
	}
	if f.window%time.Second != 0 {
		return litellm.Settings{}, usageError("--window %s: LiteLLM's windows are whole seconds", f.window)
	}
	env, err := pairs("--env", f.lab.env)
	if err != nil {
		return litellm.Settings{}, err
	}
	s, err := litellm.Settings{Release: release, Redis: f.lab.redis, Window: f.window}.WithEnvironment(env)
	if err != nil {
		return s, usageError("--env: %w", err)
	}
	return s, nil
}

// modelledVersion is the release that a name stands for: the newest reviewed one
// for newest, else the name itself. Whether there is a model of it is found out
// with its settings.
func modelledVersion(name string) (string, error) {
	if name != lab.NewestName {
		return name, nil
	}
	version, err := lab.Resolve(name)
	if err != nil {
		return "", exitWith(exitUsage, err)
	}
	return version, nil
}

// checkSimulated refuses flags that do not go with a model.
func (f *runFlags) checkSimulated(url string) error {
	switch {
	case url != "":
		return usageError("--simulate puts a model in the place of a target; leave out the URL")
	case f.fault != "":
		return usageError("--fault breaks the embedded reference; leave out --simulate")
	case f.litellm != "":
		return usageError("--litellm starts the release itself and --simulate its model; leave either out")
	case f.lab.workers > 1 || f.lab.replicas > 1 || len(f.lab.general) > 0:
		return usageError("a model is one process without general settings; leave out --workers, --replicas and --general")
	}
	_, err := f.modelSettings()
	return err
}

// simulatedWorld is a model of a release with our provider on virtual time. Owners
// are asked as of a release that is started: some releases in memory have a bound.
func simulatedWorld(f runFlags, chosen []scenarios.Scenario) (*world, error) {
	settings, err := f.modelSettings()
	if err != nil {
		return nil, err
	}
	store := "memory"
	if f.lab.redis {
		store = "Redis"
	}
	name := fmt.Sprintf("model of LiteLLM %s with %s", settings.Release.Version, store)
	if len(f.lab.env) > 0 {
		name += " and " + strings.Join(slices.Sorted(slices.Values(f.lab.env)), ", ")
	}
	f.keyTemplate = lab.KeyTemplate
	if onlyOwned(chosen) {
		f.keyTemplate = lab.OwnersTemplate
	}
	template, err := target.ParseTemplate(f.keyTemplate)
	if err != nil {
		return nil, exitWith(reports.ExitError, err)
	}
	settings.Owned = template
	w, err := embeddedWith(f, name, settings.Apply(nil))
	if err != nil {
		return nil, err
	}
	w.runner.Target.Keys = ownedAlone(template)
	return w, nil
}
