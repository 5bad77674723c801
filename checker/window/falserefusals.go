package window

import (
	"math/bits"
	"time"
)

// Spent is an attempt that was admitted, or whose outcome is unknown. From is
// when it was sent, To when it had ended: the answer complete and the charge
// made, if there was one. In between it may count up to Cap, which is at least
// Cost (or is taken to be); from To on it counts Cost. The Caps of all must add
// up to less than 2^62.
type Spent struct {
	From, To  time.Duration
	Cost, Cap int64
}

// Refused is a refused attempt, decided within [From, To]. Cost is the most it
// may have been counted at.
type Refused struct {
	ID       int
	From, To time.Duration
	Cost     int64
}

// FalseRefusals finds the refusals that are false whatever the class, one
// finding for each, in order of From. IDs is the attempt, Excess the room left;
// Class says nothing.
//
// What a Spent decided at d counts for at instant t, in any class, is at most:
// nothing before From; its Cap until To; its Cost until To+W; then a share that
// falls linearly to nothing at To+2W. For a fixed window and a log: nothing
// counts for longer than W after its charge. For a counter: what was charged in
// the former window, at s, still counts for 1-f <= 2-(t-s)/W, since the window
// of t began within W of s. For a bucket that keeps its limit: what is missing
// at t is at most L at t-W, which W refills, so it is at most what was charged
// since. The charge lies at To or earlier, and the bound only falls with time,
// so To serves for it. A refusal is false if its cost fitted beside the sum of
// these, rounded up, at every instant of its span; the sum rises only where a
// Spent begins.
func (r Rule) FalseRefusals(spent []Spent, refused []Refused) []Finding {
	limit, window, _ := r.terms()
	b := newBallast(spent, window)
	events := make([]Event, len(refused))
	for i, f := range refused {
		events[i] = Event{ID: f.ID, From: f.From, To: f.To, Cost: f.Cost}
	}
	ref := pick(events, false)
	var list []Finding
	uses(&ref, b.from, b.gauge, func(p int, use int64) {
		if room := limit - use; room >= ref.cost[p] {
			list = append(list, Finding{
				Excess: room, IDs: []int{events[ref.src[p]].ID},
				From: time.Duration(ref.from[p]), To: time.Duration(ref.to[p]),
			})
		}
	})
	return list
}

// ballast is the sum of the bounds, as running sums over both orders.
type ballast struct {
	window   int64
	from, to []int64 // each ascending
	caps     []int64 // by From
	over     []int64 // Cap less Cost, by To
	costs    []int64 // by To
	moments  []wide  // Cost times To since the first To, by To
}

func newBallast(spent []Spent, window int64) *ballast {
	n := len(spent)
	from, to := make([]int64, n), make([]int64, n)
	for i, s := range spent {
		from[i], to[i] = instant(min(s.From, s.To)), instant(max(s.From, s.To))
	}
	b := &ballast{
		window: window, from: make([]int64, n), to: make([]int64, n),
		caps: make([]int64, n+1), over: make([]int64, n+1), costs: make([]int64, n+1), moments: make([]wide, n+1),
	}
	for i, at := range sortInstants(from) {
		s := spent[at]
		b.from[i] = from[at]
		b.caps[i+1] = b.caps[i] + cost(max(s.Cap, s.Cost), n)
	}
	for j, at := range sortInstants(to) {
		s := spent[at]
		c := cost(s.Cost, n)
		b.to[j] = to[at]
		b.over[j+1] = b.over[j] + cost(max(s.Cap, s.Cost), n) - c
		b.costs[j+1] = b.costs[j] + c
		b.moments[j+1] = b.moments[j].plus(product(c, uint64(to[at]-b.to[0])))
	}
	return b
}

func (b *ballast) gauge() gauge {
	begun, ended, whole, gone := 0, 0, 0, 0
	return func(t int64) int64 {
		begun = least(b.from, t+1, begun)
		ended = least(b.to, t, ended)
		whole = least(b.to, t-b.window, whole)
		gone = least(b.to, t-2*b.window+1, gone)
		use := b.caps[begun] - b.over[ended] - b.costs[whole]
		if gone < whole {
			// sum of Cost * (To+2W-t) / W: each factor lies within (0, W), and
			// To counts from the first.
			left := b.moments[whole].minus(b.moments[gone])
			since := t - 2*b.window - b.to[0]
			cost := b.costs[whole] - b.costs[gone]
			if since >= 0 {
				left = left.minus(product(cost, uint64(since)))
			} else {
				left = left.plus(product(cost, uint64(-since)))
			}
			use += left.overUp(uint64(b.window))
		}
		return use
	}
}

// wide is an unsigned number of 128 bits: costs times nanoseconds outgrow 64.
type wide struct{ hi, lo uint64 }

func product(cost int64, ns uint64) wide {
	hi, lo := bits.Mul64(uint64(cost), ns)
	return wide{hi, lo}
}

func (a wide) plus(b wide) wide {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, _ := bits.Add64(a.hi, b.hi, carry)
	return wide{hi, lo}
}

func (a wide) minus(b wide) wide {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return wide{hi, lo}
}

// overUp is a/by, rounded up. The quotient must fit 63 bits.
func (a wide) overUp(by uint64) int64 {
	quo, rem := bits.Div64(a.hi, a.lo, by)
	if rem > 0 {
		quo++
	}
	return int64(quo)
}
