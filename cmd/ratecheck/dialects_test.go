package main

import (
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/sim/sound"
)

// TestNoDialectIsAccused: a limiter that is right is accused of nothing, in
// whatever words it tells it and however late it charges.
func TestNoDialectIsAccused(t *testing.T) {
	for _, limiter := range sound.Dialects() {
		t.Run(limiter.Name, func(t *testing.T) {
			t.Parallel()
			for seed := 1; seed <= seedsOf(4); seed++ {
				window := [2]time.Duration{time.Minute, 5 * time.Second}[seed%2]
				r := judgedWith(t, uint64(seed), window, limiter)
				for _, result := range r.Results {
					declared := limiter.CheckThenCharge && result.Requirement == "tokens/limit-kept-concurrent" && result.Verdict == checker.Warn
					wrong := result.Verdict == checker.Fail || result.Verdict == checker.Warn || result.Verdict == checker.Error
					if wrong && !declared {
						t.Errorf("seed %d, window %s: %s %s: %s; expected %s; observed %s", seed, window,
							result.Verdict, result.Requirement, result.Message, result.Expected, result.Observed)
					}
				}
			}
		})
	}
}
