package window

import "math"

// bucketRounding is how many cost units a bucket may be off by rounding: levels
// are kept as floating point numbers, whose errors at 10^9 units are far below
// this, and a cost unit is far above it.
const bucketRounding = 1e-3

// The token bucket: holds L, starts full, refills at r = L/W. Its level never
// falls below empty exactly if every span [x, y] admits at most L + r(y-x):
// the level after y is the least, over x, of L + r(y-x) - admitted in [x, y].
//
// What lies wholly within [x, y] was admitted there, so for all x and y
// sum{From >= x, To <= y} <= L + r(y-x). It suffices to look at x that are a
// From and y that are a To. One pass over the attempts by To, with a tree over
// those by From, whose leaf p holds sum{From >= x(p), To <= y} + r x(p).
//
// Complete for instants. Decisions that all could be early or late are each
// taken where they may lie; that they cannot all lie there at once is seen as
// far as whole spans show it.
func (cs *lawCase) bucketAdmissions() Finding {
	s := cs.admitted
	n := len(s.from)
	if n == 0 {
		return Finding{Lawful: true}
	}
	// Instants are counted from the first, to keep floating point exact.
	rate, start := float64(cs.refill)/float64(cs.window), s.from[0]
	slack := bucketRounding + rate*float64(cs.grain)
	tree := newDebtTree(n)
	var worst struct {
		debt         float64
		first, place int
	}
	for j, p := range s.byTo {
		tree.add(int(p), float64(s.cost[p]), rate*float64(s.from[p]-start))
		debt := tree.max[1] - rate*float64(s.end[j]-start) - float64(cs.limit)
		if debt > worst.debt {
			worst.debt, worst.first, worst.place = debt, tree.where(), j
		}
	}
	if worst.debt <= slack {
		return Finding{Lawful: true}
	}
	x, y := s.from[worst.first], s.end[worst.place]
	refill := int64(rate * float64(y-x))
	f := s.overrun(cs.events, s.within(x, y+1), cs.limit+refill)
	f.Excess = int64(math.Ceil(worst.debt - bucketRounding))
	return f
}

// debtTree is a tree of maxima to which a cost is added for all leaves up to
// one. Leaves count only once they are set.
type debtTree struct {
	size     int
	max, sum []float64 // sum: added to all below this node
}

func newDebtTree(n int) *debtTree {
	size := 1
	for size < n {
		size *= 2
	}
	t := &debtTree{size: size, max: make([]float64, 2*size), sum: make([]float64, 2*size)}
	for i := range t.max {
		t.max[i] = math.Inf(-1)
	}
	return t
}

// add adds cost to the leaves 0 to p and sets leaf p to value more than what
// was added to it.
func (t *debtTree) add(p int, cost, value float64) {
	i := p + t.size
	t.sum[i] += cost
	t.max[i] = t.sum[i] + value
	for ; i > 1; i /= 2 {
		if i&1 == 1 {
			t.sum[i-1] += cost
			t.max[i-1] += cost
		}
		t.max[i/2] = max(t.max[i], t.max[i^1]) + t.sum[i/2]
	}
}

// where is the leaf with the largest value.
func (t *debtTree) where() int {
	i := 1
	for i < t.size {
		i *= 2
		if t.max[i+1] > t.max[i] {
			i++
		}
	}
	return i - t.size
}

// bucketRefusals: a refusal at t is lawful if the level was below its cost. What
// is missing at t is the most, over x, of what [x, t] admitted less its refill.
// It grows if a decision is moved later, so it is at most what all attempts that
// began by t would leave, each decided at its To or at t. Complete for instants.
func (cs *lawCase) bucketRefusals() Finding {
	s := cs.admitted
	rate, start := float64(cs.refill)/float64(cs.window), int64(0)
	if len(s.from) > 0 {
		start = s.from[0]
	}
	// before[j]: the most, over the first j by To, of r*To less what ended earlier.
	before := make([]float64, len(s.end)+1)
	before[0] = math.Inf(-1)
	for j, to := range s.end {
		before[j+1] = max(before[j], rate*float64(to-start)-float64(s.ended[j]))
	}
	return cs.judge(s.from, func() gauge {
		begun, ended := 0, 0
		return func(t int64) int64 {
			begun = least(s.from, t+1, begun)
			ended = least(s.end, t, ended)
			// What was decided at t itself is missing to the unit: no
			// refill, no rounding.
			use := s.begun[begun] - s.ended[ended]
			if ended > 0 {
				missing := float64(s.begun[begun]) - rate*float64(t-start) + before[ended]
				if missing > -bucketRounding {
					use = max(use, int64(math.Ceil(missing+bucketRounding)))
				}
			}
			return use
		}
	})
}
