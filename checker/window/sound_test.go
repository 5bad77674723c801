package window

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A limiter that keeps its class is never accused under it, wherever its
// decisions lay within the spans.
func TestSoundLimitersAreNotAccused(t *testing.T) {
	for _, c := range Classes() {
		t.Run(c.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r := drawRule(t)
				events := drawHistory(t, c, r, 60)
				if f := r.Admissions(c, events); !f.Lawful || f.Class != c {
					t.Fatalf("admissions accused: %+v\nrule %+v\n%+v", f, r, events)
				}
				if f := r.Refusals(c, events); !f.Lawful || f.Class != c {
					t.Fatalf("refusals accused: %+v\nrule %+v\n%+v", f, r, events)
				}
				if f := r.Kept(events); !f.Lawful {
					t.Fatalf("not kept: %+v\nrule %+v\n%+v", f, r, events)
				}
			})
		})
	}
}

// No refusal of a sound limiter is false for every class, whatever the class
// and however it counts tokens: charged at the decision, reserved at the cap
// and settled before the attempt ends, or charged when it ends.
func TestSoundLimitersRefuseNothingFalsely(t *testing.T) {
	for _, c := range Classes() {
		t.Run(c.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r := drawRule(t)
				d, wide := newDice(t), drawWidth(t, r)
				l := newLimiter(t, d, c, r)
				var spent []Spent
				var refused []Refused
				for i, a := range arrivals(d, r, 60) {
					from, to := blur(d, a.at, wide)
					if l.admit(a.at, a.cost) {
						spent = append(spent, Spent{From: from, To: to, Cost: a.cost, Cap: a.cost + d(-1, 3)})
					} else {
						refused = append(refused, Refused{ID: i, From: from, To: to, Cost: a.cost})
					}
				}
				if found := r.FalseRefusals(spent, refused); len(found) > 0 {
					t.Fatalf("%v\nrule %+v\nspent %+v\nrefused %+v", found, r, spent, refused)
				}
			})
		})
	}
}

func TestSettlingLimitersRefuseNothingFalsely(t *testing.T) {
	for _, reserves := range []bool{true, false} {
		name := "charged at the end"
		if reserves {
			name = "reserved and settled"
		}
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { checkSettling(t, reserves) })
		})
	}
}

// checkSettling runs a fixed window from first use, or a log, whose charge
// changes from what was reserved to the cost at some instant before To.
func checkSettling(t *rapid.T, reserves bool) {
	r, d := drawRule(t), newDice(t)
	log := rapid.Bool().Draw(t, "log")
	window := int64(r.Window)
	type booking struct{ opened, at, settled, reserved, cost int64 }
	var books []booking
	opened := int64(-1)
	var spent []Spent
	var refused []Refused
	for i, a := range arrivals(d, r, 50) {
		ceiling := a.cost
		if reserves {
			ceiling += d(0, 4)
		}
		if opened < 0 || a.at >= opened+window {
			opened = a.at
		}
		used := int64(0)
		for _, b := range books {
			var counts bool
			switch {
			case reserves && log:
				counts = b.at > a.at-window
			case reserves: // settled in the window of the reservation
				counts = b.opened == opened
			case log:
				counts = b.settled > a.at-window && b.settled <= a.at
			default: // charged to the window in force
				counts = b.settled >= opened && b.settled <= a.at
			}
			if counts && b.settled > a.at {
				used += b.reserved
			} else if counts {
				used += b.cost
			}
		}
		ask := ceiling
		if !reserves {
			ask = 1 // check, then charge
		}
		from, _ := blur(d, a.at, window/10)
		settled := a.at + d(0, 2*window)
		to := time.Duration(settled + d(0, window))
		if used+ask > r.Limit {
			refused = append(refused, Refused{ID: i, From: from, To: time.Duration(a.at), Cost: ask})
			continue
		}
		books = append(books, booking{opened: opened, at: a.at, settled: settled, reserved: ceiling, cost: a.cost})
		spent = append(spent, Spent{From: from, To: to, Cost: a.cost, Cap: ceiling})
	}
	if found := r.FalseRefusals(spent, refused); len(found) > 0 {
		t.Fatalf("%v\nrule %+v\nspent %+v\nrefused %+v", found, r, spent, refused)
	}
}
