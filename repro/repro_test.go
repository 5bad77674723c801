package repro

import (
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/sim/litellm"
)

const testWindow = 5 * time.Second

// found is what a repro finds on a world.
func found(t *testing.T, r Repro, w *World, err error) Finding {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Play(t.Context(), w, r.Limits, false)
	if err != nil {
		t.Fatal(err)
	}
	return r.Judge(p)
}

// TestEachReproShowsOnItsReleases and on no others, in memory and with Redis,
// wherever in a second the story begins.
func TestEachReproShowsOnItsReleases(t *testing.T) {
	for _, r := range Catalogue() {
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			for _, version := range litellm.Releases() {
				for _, redis := range []bool{false, true} {
					for seed := range uint64(3) {
						setup := Setup{Version: version, Redis: redis, Env: r.Setup.Env}
						w, err := ModelOf(setup, testWindow, seed+1)
						got := found(t, r, w, err)
						if want := wantOf(r, setup); got.Outcome != want {
							t.Errorf("%s with %s, seed %d: %s, want %s: %s", version, setup.Store(), seed+1, got.Outcome, want, got.What)
						}
					}
				}
			}
		})
	}
}

func wantOf(r Repro, s Setup) Outcome {
	if r.ShownBy(s) {
		return Reproduced
	}
	return NotReproduced
}

// TestNoReproShowsOnTheReference in any window.
func TestNoReproShowsOnTheReference(t *testing.T) {
	for _, r := range Catalogue() {
		for _, window := range []time.Duration{testWindow, time.Minute} {
			for seed := range uint64(5) {
				w, err := Reference(window, seed+1)
				if got := found(t, r, w, err); got.Outcome != NotReproduced {
					t.Errorf("%s, window %s, seed %d: %s: %s", r.ID, window, seed+1, got.Outcome, got.What)
				}
			}
		}
	}
}

// TestControlsHold: what a repro names as not showing it does not, and what it
// names as showing it does.
func TestControlsHold(t *testing.T) {
	for _, r := range Catalogue() {
		for _, c := range r.Controls {
			w, err := ModelOf(c.Setup, testWindow, 1)
			if err != nil {
				t.Fatal(err)
			}
			limits := r.Limits
			if c.Limits != nil {
				limits = *c.Limits
			}
			p, err := r.Play(t.Context(), w, limits, false)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Judge(p); (got.Outcome == Reproduced) != c.Shows {
				t.Errorf("%s, %s: %s, want shown %t: %s", r.ID, c.Name, got.Outcome, c.Shows, got.What)
			}
		}
	}
}
