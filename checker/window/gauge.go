package window

import "math"

// gauge tells the most that can have been in use at instant t, over all
// placements. It is asked for instants that never decrease, so that it can go
// forward with cursors.
type gauge func(t int64) int64

// peaks hold the gauge at the instants at which it can rise, ascending.
// Between two of them it only falls, so the most it shows in a span is what it
// shows at the span's start or at a rise within the span.
type peaks struct {
	at   []int64
	tree []int64 // a tree of maxima over the values; leaves are the second half
}

func newPeaks(at []int64, g gauge) *peaks {
	n := len(at)
	p := &peaks{at: at, tree: make([]int64, 2*n)}
	for i, t := range at {
		p.tree[n+i] = g(t)
	}
	for i := n - 1; i > 0; i-- {
		p.tree[i] = max(p.tree[2*i], p.tree[2*i+1])
	}
	return p
}

// most is the largest value with an index in [lo, hi).
func (p *peaks) most(lo, hi int) int64 {
	m := int64(math.MinInt64)
	for lo, hi = lo+len(p.at), hi+len(p.at); lo < hi; lo, hi = lo/2, hi/2 {
		if lo&1 == 1 {
			m = max(m, p.tree[lo])
			lo++
		}
		if hi&1 == 1 {
			hi--
			m = max(m, p.tree[hi])
		}
	}
	return m
}

// uses calls f for each refused attempt, in order of From, with the most that
// can have been in use within its span. rises are the instants at which the
// gauge can rise. fresh makes a gauge that starts anew.
func uses(refused *spans, rises []int64, fresh func() gauge, f func(p int, use int64)) {
	peaks, g, lo, hi := newPeaks(rises, fresh()), fresh(), 0, 0
	for p, from := range refused.from {
		lo = least(rises, from+1, lo)
		hi = least(rises, refused.to[p]+1, hi)
		f(p, max(g(from), peaks.most(lo, hi)))
	}
}

// judge is the finding on the refusals of a class whose use at one instant the
// gauge bounds. A refusal is false if its cost fitted beside the most that can
// have been in use at any instant of its span.
func (cs *lawCase) judge(rises []int64, fresh func() gauge) Finding {
	worst := worstRefusal{room: -1}
	uses(&cs.refused, rises, fresh, func(p int, use int64) {
		worst.weigh(&cs.refused, p, cs.limit-use)
	})
	return worst.finding(&cs.refused, cs.events)
}
