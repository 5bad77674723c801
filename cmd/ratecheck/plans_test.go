package main

import (
	"testing"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/scenarios"
)

// TestPlansAreBounds: a run sends no more than its plan says.
func TestPlansAreBounds(t *testing.T) {
	for _, fault := range []string{"", "no-rate-headers", "one-request-too-many"} {
		dir := t.TempDir()
		args := []string{"--out", dir}
		if fault != "" {
			args = append(args, "--fault", fault)
		}
		judged(t, args...)
		h, err := readHistoryFile(dir + "/" + historyFile)
		if err != nil {
			t.Fatal(err)
		}
		attempts, keys, tokens := map[string]int{}, map[string]int{}, map[string]int64{}
		for _, k := range h.Keys {
			keys[k.Scenario]++
		}
		scenarioOf := map[string]string{}
		for _, a := range h.Attempts {
			attempts[a.Scenario]++
			scenarioOf[a.Nonce] = a.Scenario
		}
		for _, c := range h.Calls {
			tokens[scenarioOf[c.Nonce]] += c.Usage.Total
		}
		for _, s := range scenarios.Catalogue() {
			if attempts[s.Name] > s.Plan.Requests || keys[s.Name] > s.Plan.Keys || tokens[s.Name] > s.Plan.Tokens {
				t.Errorf("%s with fault %q: sent %d requests, %d keys, %d tokens; planned are %+v", s.Name, fault, attempts[s.Name], keys[s.Name], tokens[s.Name], s.Plan)
			}
			for _, end := range h.Ends {
				if end.Scenario == s.Name && end.At > s.Plan.Duration(h.Run.Window) {
					t.Errorf("%s with fault %q: took %s, planned are %s", s.Name, fault, end.At, s.Plan.Duration(h.Run.Window))
				}
			}
		}
	}
}

// TestNoTwoKeysAreLimitedAlike outside of the scenario on isolation, so that a
// limiter that mixes up keys of equal limits is caught there alone.
func TestNoTwoKeysAreLimitedAlike(t *testing.T) {
	dir := t.TempDir()
	judged(t, "--out", dir)
	h, err := readHistoryFile(dir + "/" + historyFile)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[3]int64]string{}
	for _, k := range h.Keys {
		if k.Scenario == "isolation-keys" || k.Limits == (history.Limits{}) {
			continue
		}
		signature := [3]int64{-1, -1, -1}
		for i, limit := range []*int64{k.Limits.Requests, k.Limits.Tokens, k.Limits.Parallel} {
			if limit != nil {
				signature[i] = *limit
			}
		}
		if other, taken := seen[signature]; taken {
			t.Errorf("%s of %s has the limits of %s", k.Alias, k.Scenario, other)
		}
		seen[signature] = k.Alias + " of " + k.Scenario
	}
}
