package main

import (
	"slices"
	"strings"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/scenarios"
)

// selectScenarios keeps what --only, --skip and --endpoints select; no endpoints
// are all. A pattern that matches nothing is an error: it would silently test
// nothing.
func selectScenarios(f runFlags) ([]scenarios.Scenario, error) {
	all := scenarios.CatalogueWith(scenarios.Options{Windows: f.windows})
	for _, name := range f.endpoints {
		if !history.IsEndpoint(name) {
			return nil, usageError("--endpoints %q is not known; there are %s", name, strings.Join(history.Endpoints(), ", "))
		}
	}
	if len(f.endpoints) > 0 {
		all = scenarios.ForEndpoints(all, f.endpoints)
	}
	var ids []string
	for _, r := range checker.Catalogue() {
		ids = append(ids, r.ID)
	}
	for flag, patterns := range map[string][]string{"--only": f.only, "--skip": f.skip} {
		for _, p := range patterns {
			if !slices.ContainsFunc(ids, func(id string) bool { return checker.MatchesID(p, id) }) {
				return nil, usageError("%s %q matches no requirement; `ratecheck list` shows them, and * stands for any text", flag, p)
			}
		}
	}
	matchesAny := func(patterns []string, id string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return checker.MatchesID(p, id) })
	}
	chosen := scenarios.ForRequirements(all, func(id string) bool {
		return (len(f.only) == 0 || matchesAny(f.only, id)) && !matchesAny(f.skip, id)
	})
	if len(chosen) == 0 {
		return nil, usageError("--only, --skip and --endpoints together leave nothing to test")
	}
	return chosen, nil
}
