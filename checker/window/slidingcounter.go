package window

import (
	"math"
	"slices"
)

// counterSlack is how far, in nanoseconds, the phase of a sliding counter may be
// off what is computed with. Phases are real numbers and counters compute with
// floating point: a nanosecond covers both. Beyond it, the weighted count of the
// former window may be rounded down to whole units at an admission and up at a
// refusal, as limiters do, so a counter may be off by less than one unit, and by
// none where the former window was empty.
const counterSlack = 1

// The sliding counter.
//
// At a phase, take the attempts that lie wholly within window k and whose To is
// at most y. The last of them was decided at some t <= y, when the count of its
// window held them all, and what the former window wholly holds, P, weighed
// 1-f(t) >= 1-f(y). So P(1-f(y)) + their sum > L accuses the phase.
//
// For all phases in [lo, hi] at once: what lies wholly within a window at both lo
// and hi does so in between, and weighs at least as at lo. The excess of a
// stretch so computed is a lower bound for each phase in it, and it does not
// fall as a stretch is halved: the least excess over all phases is found by
// always halving the stretch whose bound is least. Between two turns (see grid)
// the earliest phase is the most charitable, so 2n single phases suffice.
//
// Accuses only if the bound of every stretch left is above 0. Complete for
// instants, up to the rounding, if not stopped by counterSteps; what straddles
// an edge counts in neither window.
type counterSearch struct {
	*grid
	limit    int64
	s        *series
	from, to []mark  // in order of To
	cost     []int64 // likewise
	phases   []int64
	load     []int64 // scratch, by place
	count    []int64 // scratch, by place

	refusals *counterRefusals // nil: the admissions are judged
}

// counterSteps bounds the attempts looked at over all stretches. When it is
// spent, the bounds known by then decide. It suffices for every phase of a
// history of 3,000 attempts. Once every stretch left is known to be unlawful,
// what remains is to tell the nearest: nearestSteps are enough for that.
const counterSteps, nearestSteps = 1 << 26, 1 << 21

// stretch is the phases from number first up to, and without, number last, all
// within [lo, hi]; excess is the bound for them.
type stretch struct {
	first, last int
	lo, hi      int64
	excess      int64
}

func newCounterSearch(cs *lawCase, g *grid) *counterSearch {
	s := cs.admitted
	c := &counterSearch{
		grid: g, limit: cs.limit, s: s, cost: make([]int64, len(s.end)), to: g.marks(s.end),
		from: make([]mark, len(s.end)), load: make([]int64, len(g.numbers)), count: make([]int64, len(g.numbers)),
	}
	byFrom := g.marks(s.from)
	for j, p := range s.byTo {
		c.from[j], c.cost[j] = byFrom[p], s.cost[p]
	}
	c.phases = turns(g.window, c.from, c.to)
	return c
}

// excess bounds from below what is over the limit at every phase in [lo, hi]. at
// is the attempt, in order of To, at which the count is highest.
func (c *counterSearch) excess(lo, hi int64) (worst int64, at int) {
	clear(c.load)
	clear(c.count)
	for j := range c.cost {
		if k := c.from[j].in(hi); k == c.to[j].in(lo) {
			c.load[k] += c.cost[j]
		}
	}
	worst = math.MinInt64
	for j, m := range c.to {
		k := m.in(lo)
		if c.from[j].in(hi) != k {
			continue
		}
		c.count[k] += c.cost[j]
		former := c.load[k-1]
		if c.count[k]+former-c.limit <= worst {
			continue
		}
		if over := c.count[k] + c.weighed(former, m, k, lo) - c.limit; over > worst {
			worst, at = over, j
		}
	}
	return worst, at
}

// weighed is what the former window's cost counts for at the mark, which lies in
// window k, at phase lo.
func (c *counterSearch) weighed(former int64, m mark, k int32, lo int64) int64 {
	passed := m.rest - lo + int64(m.place-k)*c.window
	return share(former, max(c.window-passed-counterSlack, 0), c.window)
}

// search returns the stretch with the least bound, as far as the steps go, or
// one whose bound is not above 0.
func (c *counterSearch) search() stretch {
	cost := len(c.cost) + len(c.numbers) + 1
	if c.refusals != nil {
		cost += len(c.refusals.from)
	}
	end := len(c.phases)
	open := heap{c.bound(0, end, 0, c.window-1)}
	for steps := cost; ; {
		best := open.pop()
		if c.single(best) || steps > counterSteps || best.excess > 0 && steps > nearestSteps {
			return best
		}
		for _, half := range c.halves(best) {
			open.push(half)
			steps += cost
		}
	}
}

// single says whether a stretch is not to be halved.
func (c *counterSearch) single(s stretch) bool {
	if s.last-s.first > 1 {
		return false
	}
	return c.refusals == nil || s.hi-s.lo <= c.window/phaseGrain
}

func (c *counterSearch) halves(s stretch) [2]stretch {
	if s.last-s.first > 1 {
		mid := (s.first + s.last) / 2
		at := c.phases[mid]
		return [2]stretch{c.bound(s.first, mid, s.lo, at-1), c.bound(mid, s.last, at, s.hi)}
	}
	mid := s.lo + (s.hi-s.lo)/2
	return [2]stretch{c.bound(s.first, s.last, s.lo, mid), c.bound(s.first, s.last, mid+1, s.hi)}
}

func (c *counterSearch) bound(first, last int, lo, hi int64) stretch {
	s := stretch{first: first, last: last, lo: lo, hi: hi}
	if c.refusals == nil {
		// Only the first phase after each turn matters.
		s.excess, _ = c.excess(lo, c.phases[last-1])
		return s
	}
	if c.refusals.admitted {
		if over, _ := c.excess(lo, hi); over > 0 {
			s.excess = never // not a phase of this limiter
			return s
		}
	}
	s.excess, _ = c.falseRoom(lo, hi)
	return s
}

// heap is a binary heap of stretches, the least bound on top.
type heap []stretch

func (h *heap) push(s stretch) {
	*h = append(*h, s)
	for i := len(*h) - 1; i > 0 && (*h)[i].excess < (*h)[(i-1)/2].excess; i = (i - 1) / 2 {
		(*h)[i], (*h)[(i-1)/2] = (*h)[(i-1)/2], (*h)[i]
	}
}

func (h *heap) pop() stretch {
	old := *h
	top, n := old[0], len(old)-1
	old[0] = old[n]
	*h = old[:n]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < n; child++ {
			if old[child].excess < old[least].excess {
				least = child
			}
		}
		if least == i {
			return top
		}
		old[i], old[least] = old[least], old[i]
		i = least
	}
}

func (cs *lawCase) counterAdmissions() Finding {
	s := cs.admitted
	if len(s.end) == 0 {
		return Finding{Lawful: true}
	}
	c := newCounterSearch(cs, newGrid(cs.window, s.from, s.to))
	best := c.search()
	if best.excess <= 0 {
		return Finding{Lawful: true}
	}
	return c.overrun(cs, best)
}

// overrun names the attempts at the worst instant of a stretch: those of its
// window and those of the former one, the ones that weigh most first.
func (c *counterSearch) overrun(cs *lawCase, st stretch) Finding {
	hi := c.phases[st.last-1]
	excess, at := c.excess(st.lo, hi)
	k := c.to[at].in(st.lo)
	type part struct {
		place  int // in order of To
		cost   int64
		former bool
	}
	var parts []part
	for j := range c.cost {
		if b := c.to[j].in(st.lo); b == c.from[j].in(hi) && (b == k && j <= at || b == k-1) {
			parts = append(parts, part{j, c.cost[j], b == k-1})
		}
	}
	weight := float64(c.weighed(horizon, c.to[at], k, st.lo)) / float64(horizon)
	worth := func(p part) float64 {
		if p.former {
			return weight * float64(p.cost)
		}
		return float64(p.cost)
	}
	slices.SortStableFunc(parts, func(a, b part) int {
		if worth(a) > worth(b) {
			return -1
		}
		if worth(a) < worth(b) {
			return 1
		}
		return 0
	})
	var list, all []int32
	for _, p := range parts {
		all = append(all, c.s.byTo[p.place])
	}
	var former, present int64
	for _, p := range parts {
		if list = append(list, c.s.byTo[p.place]); p.former {
			former += p.cost
		} else {
			present += p.cost
		}
		if present+c.weighed(former, c.to[at], k, st.lo) > c.limit {
			break
		}
	}
	slices.Sort(list)
	return c.s.tell(cs.events, all, list, excess)
}
