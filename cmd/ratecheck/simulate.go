package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/lab"
	"github.com/ratecheck/ratecheck/sim/litellm"
)

// simulateFlags say which model of a release stands for the target.
type simulateFlags struct {
	simulate string
	redis    bool
	env      map[string]string
}

// settings are those of the model; f.simulate must not be empty.
func (f simulateFlags) settings(window time.Duration) (litellm.Settings, error) {
	release, err := litellm.Find(f.simulate)
	if err != nil {
		return litellm.Settings{}, usageError("--simulate: %w", err)
	}
	if window%time.Second != 0 {
		return litellm.Settings{}, usageError("--window %s: LiteLLM's windows are whole seconds", window)
	}
	s, err := litellm.Settings{Release: release, Redis: f.redis, Window: window}.WithEnvironment(f.env)
	if err != nil {
		return s, usageError("--env: %w", err)
	}
	return s, nil
}

// check refuses flags that do not fit together.
func (f simulateFlags) check(url, fault string) error {
	switch {
	case f.simulate == "" && f.redis:
		return usageError("--redis is for a simulated release; add --simulate VERSION")
	case f.simulate == "" && len(f.env) > 0:
		return usageError("--env is for a simulated release; add --simulate VERSION")
	case f.simulate != "" && url != "":
		return usageError("--simulate puts a model in the place of a target; leave out the URL")
	case f.simulate != "" && fault != "":
		return usageError("--fault breaks the embedded reference; leave out --simulate")
	}
	return nil
}

// arguments are the flags as they were given.
func (f simulateFlags) arguments() []string {
	if f.simulate == "" {
		return nil
	}
	list := []string{"--simulate " + quote(f.simulate)}
	if f.redis {
		list = append(list, "--redis")
	}
	for _, name := range slices.Sorted(maps.Keys(f.env)) {
		list = append(list, "--env "+quote(name+"="+f.env[name]))
	}
	return list
}

// simulatedWorld is a model of a release with our provider on virtual time.
func simulatedWorld(f runFlags) (*world, error) {
	settings, err := f.settings(f.window)
	if err != nil {
		return nil, err
	}
	f.keyTemplate = lab.KeyTemplate
	store := "memory"
	if f.redis {
		store = "Redis"
	}
	name := fmt.Sprintf("model of LiteLLM %s with %s", settings.Release.Version, store)
	if len(f.env) > 0 {
		var set []string
		for _, variable := range slices.Sorted(maps.Keys(f.env)) {
			set = append(set, variable+"="+f.env[variable])
		}
		name += " and " + strings.Join(set, ", ")
	}
	return embeddedWith(f, name, settings.Apply(nil))
}
