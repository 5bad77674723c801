package main

import (
	"slices"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/scenarios"
)

// selectScenarios keeps what --only and --skip select. A pattern that matches
// nothing is an error: it would silently test nothing.
func selectScenarios(only, skip []string) ([]scenarios.Scenario, error) {
	var ids []string
	for _, r := range checker.Catalogue() {
		ids = append(ids, r.ID)
	}
	for flag, patterns := range map[string][]string{"--only": only, "--skip": skip} {
		for _, p := range patterns {
			if !slices.ContainsFunc(ids, func(id string) bool { return checker.MatchesID(p, id) }) {
				return nil, usageError("%s %q matches no requirement; `ratecheck list` shows them, and * stands for any text", flag, p)
			}
		}
	}
	matchesAny := func(patterns []string, id string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return checker.MatchesID(p, id) })
	}
	chosen := scenarios.ForRequirements(scenarios.Catalogue(), func(id string) bool {
		return (len(only) == 0 || matchesAny(only, id)) && !matchesAny(skip, id)
	})
	if len(chosen) == 0 {
		return nil, usageError("--only and --skip together leave nothing to test")
	}
	return chosen, nil
}
