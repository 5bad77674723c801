package main

import (
	"slices"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/sim/sound"
)

// TestIdentityNamesTheClass: of each sound limiter the class that it is of is
// among those that are named, for requests and for tokens, in every seed; and
// where it can be told apart from all others it is named alone.
func TestIdentityNamesTheClass(t *testing.T) {
	for name, want := range map[string]struct {
		class       string
		alone       bool
		granularity string
		charging    string
	}{
		"fixed-clock":         {class: "fixed window on the clock", charging: checker.ReserveAndSettle},
		"fixed-whole-seconds": {class: "fixed window from first use", alone: true, granularity: "windows turn up to a second early, as on whole seconds", charging: checker.ReserveAndSettle},
		"sliding-log":         {class: "sliding log", alone: true, charging: checker.ReserveAndSettle},
		"sliding-counter":     {class: "sliding counter", charging: checker.ReserveAndSettle},
		"token-bucket":        {class: "token bucket", alone: true, charging: checker.ReserveAndSettle},
		"gcra":                {class: "token bucket", alone: true, charging: checker.ReserveAndSettle},
		"check-then-charge":   {class: "fixed window from first use", alone: true, granularity: "finer than whole seconds", charging: checker.CheckThenCharge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limiter, known := sound.Find(name)
			if !known {
				t.Fatal("there is no such limiter")
			}
			for seed := uint64(1); seed <= uint64(seedsOf(5)); seed++ {
				for _, window := range []time.Duration{time.Minute, 5 * time.Second} {
					id := judgedWith(t, seed, window, limiter).Target.Identity
					t.Logf("seed %d, window %s: %+v", seed, window, id)
					if !slices.Contains(id.Requests.Classes, want.class) || want.alone && len(id.Requests.Classes) > 1 {
						t.Errorf("seed %d, window %s: requests are counted as %q, want %s (alone: %t)", seed, window, id.Requests.Classes, want.class, want.alone)
					}
					if !slices.Contains(id.Tokens.Classes, want.class) {
						t.Errorf("seed %d, window %s: tokens are counted as %q, want %s among them", seed, window, id.Tokens.Classes, want.class)
					}
					if id.Requests.Granularity != want.granularity || id.Tokens.Charging != want.charging {
						t.Errorf("seed %d, window %s: granularity %q, charging %q; want %q, %q", seed, window, id.Requests.Granularity, id.Tokens.Charging, want.granularity, want.charging)
					}
				}
			}
		})
	}
}
