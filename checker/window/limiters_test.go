package window

import (
	"math/rand/v2"
	"time"

	"pgregory.net/rapid"
)

// A limiter decides at instants that never decrease, and charges what it
// admits. Each of these keeps its class to the letter.
type limiter interface {
	admit(at, cost int64) bool
}

type firstUseLimiter struct {
	limit, window int64
	early         func() int64 // by how much the next window turns early
	over, used    int64
	open          bool
}

func (l *firstUseLimiter) admit(at, cost int64) bool {
	fresh := !l.open || at >= l.over
	if fresh && cost > l.limit || !fresh && l.used+cost > l.limit {
		return false
	}
	if fresh {
		l.open, l.used, l.over = true, 0, at+l.window-l.early()
	}
	l.used += cost
	return true
}

type clockLimiter struct {
	limit, window, phase int64
	number, used         int64
}

func (l *clockLimiter) admit(at, cost int64) bool {
	k := (at - l.phase + 1<<20*l.window) / l.window
	if k != l.number {
		l.number, l.used = k, 0
	}
	if l.used+cost > l.limit {
		return false
	}
	l.used += cost
	return true
}

type charge struct{ at, cost int64 }

type logLimiter struct {
	limit, window int64
	log           []charge
}

func (l *logLimiter) admit(at, cost int64) bool {
	used := int64(0)
	for _, c := range l.log {
		if c.at > at-l.window {
			used += c.cost
		}
	}
	if used+cost > l.limit {
		return false
	}
	l.log = append(l.log, charge{at, cost})
	return true
}

type counterLimiter struct {
	limit, window, phase int64
	rounding             int // -1: weighted counts are cut off, 0: exact, 1: rounded up
	number               int64
	former, used         int64
}

func (l *counterLimiter) admit(at, cost int64) bool {
	k := (at - l.phase + 1<<20*l.window) / l.window
	switch {
	case k == l.number+1:
		l.former, l.used = l.used, 0
	case k != l.number:
		l.former, l.used = 0, 0
	}
	l.number = k
	left := l.window - (at-l.phase+1<<20*l.window)%l.window
	scaled := l.former * left // the weighted count times the window
	switch l.rounding {
	case -1:
		scaled = scaled / l.window * l.window
	case 1:
		scaled = (scaled + l.window - 1) / l.window * l.window
	}
	if scaled+(l.used+cost)*l.window > l.limit*l.window {
		return false
	}
	l.used += cost
	return true
}

type bucketLimiter struct {
	limit, window int64
	missing, last int64 // missing is scaled by the window
}

func (l *bucketLimiter) admit(at, cost int64) bool {
	l.missing = max(l.missing-(at-l.last)*l.limit, 0)
	l.last = at
	if l.missing+cost*l.window > l.limit*l.window {
		return false
	}
	l.missing += cost * l.window
	return true
}

// newLimiter draws a limiter of the class: phase, rounding, and how early each
// window turns.
func newLimiter(t *rapid.T, d dice, c Class, r Rule) limiter {
	limit, window := r.Limit, int64(r.Window)
	phase := d(0, window-1)
	switch c {
	case FixedFirstUse:
		return &firstUseLimiter{limit: limit, window: window, early: func() int64 {
			return d(0, int64(r.Early))
		}}
	case FixedClock:
		return &clockLimiter{limit: limit, window: window, phase: phase}
	case SlidingLog:
		return &logLimiter{limit: limit, window: window}
	case SlidingCounter:
		return &counterLimiter{limit: limit, window: window, phase: phase, rounding: rapid.IntRange(-1, 1).Draw(t, "rounding")}
	}
	return &bucketLimiter{limit: limit, window: window}
}

// dice draws a number from lo to hi. rapid's own numbers are mostly small and
// shrink well; even ones find what hides in the middle. Half the runs have each.
type dice func(lo, hi int64) int64

func newDice(t *rapid.T) dice {
	if rapid.Bool().Draw(t, "even") {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		return func(lo, hi int64) int64 { return lo + rng.Int64N(hi-lo+1) }
	}
	return func(lo, hi int64) int64 { return rapid.Int64Range(lo, hi).Draw(t, "") }
}

// arrivals draws instants and costs: bursts, steady streams and idle runs.
func arrivals(d dice, r Rule, most int) []charge {
	window := int64(r.Window)
	at := d(0, window)
	dear := []int64{1, 1, 2, r.Limit + 2}[d(0, 3)]
	list := make([]charge, d(1, int64(most)))
	for i := range list {
		switch d(0, 9) {
		case 0:
			at += d(0, 2*window+2)
		case 1, 2:
			at += d(0, window/2)
		case 3, 4, 5:
			at += d(0, window/8)
		}
		least := int64(1)
		if dear > 2 {
			least = 0
		}
		list[i] = charge{at, d(least, max(dear, least))}
	}
	return list
}

// blur draws the span in which the tester knows a decision to lie.
func blur(d dice, at, wide int64) (from, to time.Duration) {
	return time.Duration(at - d(0, wide)), time.Duration(at + d(0, wide))
}

func drawRule(t *rapid.T) Rule {
	r := Rule{Limit: rapid.Int64Range(1, 9).Draw(t, "limit")}
	r.Window = time.Duration(rapid.SampledFrom([]int64{4, 10, 60, 1000, 60e9}).Draw(t, "window"))
	if rapid.Bool().Draw(t, "turns early") {
		r.Early = r.Window / 5
	}
	return r
}

// widths of spans, from instants to more than a window.
func drawWidth(t *rapid.T, r Rule) int64 {
	w := int64(r.Window)
	return rapid.SampledFrom([]int64{0, 1, w / 20, w / 4, w, 3 * w}).Draw(t, "width")
}

// drawHistory runs a limiter of the class and returns what a tester sees, in
// no order.
func drawHistory(t *rapid.T, c Class, r Rule, most int) []Event {
	d, wide := newDice(t), drawWidth(t, r)
	l := newLimiter(t, d, c, r)
	var events []Event
	for i, a := range arrivals(d, r, most) {
		e := Event{ID: i, Cost: a.cost, Admitted: l.admit(a.at, a.cost)}
		e.From, e.To = blur(d, a.at, wide)
		events = append(events, e)
	}
	return rapid.Permutation(events).Draw(t, "order")
}
