package main

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/sim"
	"github.com/ratecheck/ratecheck/sim/sound"
)

// soundSeeds is how many interleavings of each sound limiter are tried;
// RATECHECK_SOUND_SEEDS sets another number.
const soundSeeds = 10

// TestNothingSoundIsAccused: a limiter that is right in another way than the
// reference gets no FAIL and no WARN in any seed, on windows of a minute and of
// 5 s in turn.
func TestNothingSoundIsAccused(t *testing.T) {
	seeds := soundSeeds
	if n, err := strconv.Atoi(os.Getenv("RATECHECK_SOUND_SEEDS")); err == nil {
		seeds = n
	}
	for _, limiter := range sound.Catalogue() {
		t.Run(limiter.Name, func(t *testing.T) {
			t.Parallel()
			seeds := seeds
			if limiter.Beside {
				seeds = (seeds + 3) / 4 // the classes are tried by the others
			}
			for seed := 1; seed <= seeds; seed++ {
				window := [2]time.Duration{time.Minute, 5 * time.Second}[seed%2]
				r := judgedWith(t, uint64(seed), window, limiter)
				for _, result := range r.Results {
					declared := limiter.CheckThenCharge && result.Requirement == "tokens/limit-kept-concurrent" && result.Verdict == checker.Warn
					switch {
					case declared:
					case result.Verdict == checker.Fail, result.Verdict == checker.Warn, result.Verdict == checker.Error:
						t.Errorf("seed %d, window %s: %s %s: %s; expected %s; observed %s", seed, window,
							result.Verdict, result.Requirement, result.Message, result.Expected, result.Observed)
					}
				}
			}
		})
	}
}

func judgedWith(t *testing.T, seed uint64, window time.Duration, limiter sound.Limiter) reports.Report {
	t.Helper()
	f := runFlags{seed: seed, window: window, model: "m"}
	if limiter.CheckThenCharge {
		f.tokenClass = history.CheckThenCharge
	}
	h := playWith(t, f, limiter.Apply)
	return reports.New(h, "", "")
}

// playWith plays the whole check on an embedded world and returns its history.
func playWith(t *testing.T, f runFlags, change func(*sim.Parts)) *history.History {
	t.Helper()
	h, err := history.Read(bytes.NewReader(recordedWith(t, f, change)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// recordedWith is the history of playWith as it is written.
func recordedWith(t *testing.T, f runFlags, change func(*sim.Parts)) []byte {
	t.Helper()
	w, err := embeddedWith(f, "", change)
	if err != nil {
		t.Fatal(err)
	}
	var recorded bytes.Buffer
	w.runner.History = history.NewWriter(&recorded)
	chosen, err := selectScenarios(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.play(t.Context(), func(ctx context.Context) error {
		return w.runner.Run(ctx, chosen, history.Run{})
	}); err != nil {
		t.Fatal(err)
	}
	return recorded.Bytes()
}
