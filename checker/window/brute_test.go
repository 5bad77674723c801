package window

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func placements(events []Event) []placed {
	ps := make([]placed, len(events))
	for i, e := range events {
		ps[i] = placed{int64(e.From), e.Cost, e.Admitted}
	}
	return ps
}

// With decisions at known instants every class agrees with its definition, in
// both directions.
func TestInstantsAgreeWithTheDefinitions(t *testing.T) {
	for _, c := range Classes() {
		t.Run(c.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r := Rule{Limit: rapid.Int64Range(0, 5).Draw(t, "limit"), Window: time.Duration(rapid.IntRange(2, 9).Draw(t, "window"))}
				if c == FixedFirstUse {
					r.Early = time.Duration(rapid.IntRange(0, 2).Draw(t, "early"))
					r.Early = min(r.Early, r.Window-1)
				}
				events := drawEvents(t, 14, rapid.SampledFrom([]int64{8, 20, 40}).Draw(t, "horizon"), 0, rapid.SampledFrom([]int64{1, 3}).Draw(t, "dear"))
				ps := placements(events)
				lawful := allows(c, r, ps, true, false, true)
				if f := r.Admissions(c, events); f.Lawful != lawful {
					t.Fatalf("lawful %v, got %+v\nrule %+v\n%+v", lawful, f, r, events)
				}
				hold := allows(c, r, ps, lawful, true, true)
				f := r.Refusals(c, events)
				// Where windows may turn early, or may open at an attempt of no
				// cost, each refusal may choose its own windows: then only an
				// accusation is sure.
				sure := c != FixedFirstUse || r.Early == 0 && !slices.ContainsFunc(events, func(e Event) bool { return e.Admitted && e.Cost == 0 })
				if f.Lawful != hold && (sure || !f.Lawful) {
					t.Fatalf("refusals hold %v, got %+v\nrule %+v\n%+v", hold, f, r, events)
				}
			})
		})
	}
}

// Who is accused has no lawful placement at all. Refusals are judged with the
// admissions unless these are accused, else alone.
func TestAccusedHasNoLawfulPlacement(t *testing.T) {
	for _, c := range Classes() {
		t.Run(c.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r := Rule{Limit: rapid.Int64Range(0, 3).Draw(t, "limit"), Window: time.Duration(rapid.IntRange(2, 5).Draw(t, "window"))}
				if c == FixedFirstUse {
					r.Early = time.Duration(rapid.IntRange(0, 1).Draw(t, "early"))
				}
				events := drawEvents(t, 6, rapid.SampledFrom([]int64{3, 8, 14}).Draw(t, "horizon"), 3, 2)
				if f := r.Admissions(c, events); !f.Lawful {
					if anyPlacement(events, func(ps []placed) bool { return allows(c, r, ps, true, false, false) }) {
						t.Fatalf("admissions accused: %+v\nrule %+v\n%+v", f, r, events)
					}
					if f.Excess <= 0 || len(f.IDs) == 0 {
						t.Fatalf("an accusation that shows nothing: %+v", f)
					}
				}
				f := r.Refusals(c, events)
				if f.Lawful {
					return
				}
				with := r.Admissions(c, events).Lawful
				if anyPlacement(events, func(ps []placed) bool { return allows(c, r, ps, with, true, false) }) {
					t.Fatalf("refusals accused (with admissions: %v): %+v\nrule %+v\n%+v", with, f, r, events)
				}
			})
		})
	}
}

// oneWindow is exact, whatever the spans.
func TestOneWindowAgreesWithAllPlacements(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(0, 4).Draw(t, "limit")
		events := drawEvents(t, 5, 5, 3, 3)
		want := anyPlacement(events, func(ps []placed) bool {
			return usedAt(ps, 0, 1<<40) <= limit && refusalsHold(ps, limit, func(t int64) int64 { return usedAt(ps, 0, t) })
		})
		if f := oneWindow(limit, events); f.Lawful != want {
			t.Fatalf("want lawful %v, got %+v\nlimit %d\n%+v", want, f, limit, events)
		}
	})
}
