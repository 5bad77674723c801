package main

import (
	"slices"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/sim/sound"
)

// TestPartsOfTheCheckAccuseNothingSound: who asks how requests are counted, and
// not how tokens are, does not know that a bucket of tokens cannot refill.
func TestPartsOfTheCheckAccuseNothingSound(t *testing.T) {
	for _, name := range []string{"log-beside-bucket", "whole-seconds-beside-clock"} {
		limiter, known := sound.Find(name)
		if !known {
			t.Fatalf("there is no %s", name)
		}
		for _, id := range []string{"headers/remaining-true", "drift/*", "tokens/streams-counted", "tokens/basis", "refund/*"} {
			t.Run(name+" "+id, func(t *testing.T) {
				t.Parallel()
				for seed := 1; seed <= seedsOf(2); seed++ {
					window := [2]time.Duration{time.Minute, 5 * time.Second}[seed%2]
					h := playWith(t, runFlags{seed: uint64(seed), window: window, model: "m", only: []string{id, "requests/limit-kept"}}, limiter.Apply)
					tokensAsked := slices.ContainsFunc(h.Run.Planned, func(p history.Plan) bool { return slices.Contains(p.Asks, "tokens/limit-kept") })
					if got := wrong(reports.New(h, "", "")); len(got) > 0 || tokensAsked {
						t.Errorf("seed %d, window %s: accused of %v; tokens asked %t", seed, window, got, tokensAsked)
					}
				}
			})
		}
	}
}
