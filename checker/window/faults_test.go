package window

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// quiet moves the events so that they end two windows before at.
func quiet(events []Event, at time.Duration, r Rule) []Event {
	last := time.Duration(0)
	for _, e := range events {
		last = max(last, e.To)
	}
	for i := range events {
		events[i].From += at - last - 3*r.Window
		events[i].To += at - last - 3*r.Window
	}
	return events
}

// A limiter that, in the midst of lawful traffic, lets k more than the limit
// pass at once is accused under its class, with k in excess, and by no more
// attempts than it takes.
func TestOverAdmissionIsFound(t *testing.T) {
	for _, c := range Classes() {
		t.Run(c.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r := drawRule(t)
				r.Window = max(r.Window, 60)
				const at = 1 << 50
				events := quiet(drawHistory(t, c, r, 40), at, r)
				k := int(rapid.Int64Range(1, 5).Draw(t, "k"))
				extra := burst(at, int(r.Limit)+k)
				wide := time.Duration(0)
				if c != FixedClock && c != SlidingCounter {
					// Their edge may lie within such a span, and what follows
					// would have another phase.
					wide = time.Duration(rapid.Int64Range(0, int64(r.Window)/20).Draw(t, "wide"))
					after := quiet(drawHistory(t, c, r, 10), at+30*r.Window, r)
					for i := range after {
						after[i].ID += 100
					}
					events = append(events, after...)
				}
				for i := range extra {
					extra[i].ID = 1000 + i
					extra[i].From -= wide
				}
				f := r.Admissions(c, append(events, extra...))
				if f.Lawful {
					t.Fatalf("not accused: rule %+v, %d over", r, k)
				}
				// Over a span a bucket refills.
				if wide == 0 && f.Excess != int64(k) || f.Excess < 1 {
					t.Fatalf("excess %d, want %d: %+v", f.Excess, k, f)
				}
				if c == SlidingCounter {
					return // at the phase told, other traffic may be as much over
				}
				if len(f.IDs) != int(r.Limit)+1 {
					t.Fatalf("names %d attempts, %d show it", len(f.IDs), r.Limit+1)
				}
				for _, id := range f.IDs {
					if id < 1000 {
						t.Fatalf("names %d, of lawful traffic: %+v", id, f)
					}
				}
			})
		})
	}
}

// A window that turns early by more than is tolerated lets a second limit
// through. All classes but the bucket (which gives what it has refilled) and
// the clock (which may have its edge there) find it at one turn; the clock
// finds it when it turns early all the time.
func TestWindowTurnedEarlyIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRule(t)
		r.Window = max(r.Window, 60)
		soon := r.Window - r.Early - time.Duration(rapid.Int64Range(int64(r.Window)/60, int64(r.Window)/10).Draw(t, "early"))
		two := history(burst(0, int(r.Limit)), burst(soon, int(r.Limit)))
		if f := r.Admissions(FixedFirstUse, two); f.Lawful || f.Excess != r.Limit {
			t.Fatalf("rule %+v, turned after %v: %+v", r, soon, f)
		}
		if f := r.Admissions(SlidingLog, two); f.Lawful || f.Excess != r.Limit {
			t.Fatalf("rule %+v, turned after %v: %+v", r, soon, f)
		}
		// After this many turns their sum is more than a window.
		turns := int(r.Window/(r.Window-soon)) + 2
		all := history(every(soon, turns, int(r.Limit)))
		for _, c := range Classes() {
			if f := r.Admissions(c, all); f.Lawful {
				t.Fatalf("%v: rule %+v, %d turns after %v", c, r, turns, soon)
			}
		}
		if f := r.Kept(all); f.Lawful {
			t.Fatalf("kept: rule %+v, %d turns after %v", r, turns, soon)
		}
	})
}

// A limiter that refuses once although there was room is accused under its
// class, and the room is told.
func TestFalseRefusalIsFound(t *testing.T) {
	for _, c := range Classes() {
		t.Run(c.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r := drawRule(t)
				r.Window = max(r.Window, 60)
				const at = 1 << 50
				events := quiet(drawHistory(t, c, r, 40), at, r)
				used := int(rapid.Int64Range(0, r.Limit-1).Draw(t, "used"))
				extra := append(burst(at, used), refusal(at, r.Limit-int64(used))...)
				for i := range extra {
					extra[i].ID = 1000 + i
				}
				f := r.Refusals(c, append(events, extra...))
				if f.Lawful || len(f.IDs) != 1 {
					t.Fatalf("not accused: rule %+v, used %d: %+v", r, used, f)
				}
				// Where phases count, it is told at the phase with the fewest or
				// least false refusals, of which another may be the worst.
				phased := c == FixedClock || c == SlidingCounter
				if phased && f.IDs[0] != 1000+used && f.Excess > 0 {
					return
				}
				if f.IDs[0] != 1000+used || f.Excess != r.Limit-int64(used) {
					t.Fatalf("got %+v, want attempt %d, room %d", f, 1000+used, r.Limit-int64(used))
				}
			})
		})
	}
}
