package main

import (
	"slices"
	"strings"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/scenarios"
)

// matches says whether id matches a pattern in which * stands for any text.
func matches(pattern, id string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == id
	}
	rest, ok := strings.CutPrefix(id, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// selectScenarios keeps what --only and --skip select. A pattern that matches
// nothing is an error: it would silently test nothing.
func selectScenarios(f runFlags) ([]scenarios.Scenario, error) {
	only, skip := f.only, f.skip
	var ids []string
	for _, r := range checker.Catalogue() {
		ids = append(ids, r.ID)
	}
	for flag, patterns := range map[string][]string{"--only": only, "--skip": skip} {
		for _, p := range patterns {
			if !slices.ContainsFunc(ids, func(id string) bool { return matches(p, id) }) {
				return nil, usageError("%s %q matches no requirement; `ratecheck list` shows them, and * stands for any text", flag, p)
			}
		}
	}
	matchesAny := func(patterns []string, id string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, id) })
	}
	wanted := func(id string) bool {
		return (len(only) == 0 || matchesAny(only, id)) && !matchesAny(skip, id)
	}
	all := scenarios.Catalogue()
	if f.manyKeys {
		all = append(all, scenarios.OptIns()...)
	}
	chosen := scenarios.ForRequirements(all, wanted)
	if optIns := scenarios.ForRequirements(scenarios.OptIns(), wanted); len(chosen) == 0 && len(optIns) > 0 {
		return nil, usageError("%s is asked only where %s is given", optIns[0].Asks[0], optIns[0].OptIn)
	}
	if len(chosen) == 0 {
		return nil, usageError("--only and --skip together leave nothing to test")
	}
	return chosen, nil
}
