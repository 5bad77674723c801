package window

// counterRefusals judge refusals beside a counterSearch.
//
// At a phase, a refusal at t in window k is lawful if its cost did not fit beside
// the count: at most what could have been admitted in window k by t, and, at its
// weight, what could have been admitted in window k-1. For all phases in [lo, hi]
// an edge is taken early where that lets more count, and late where that lets
// more have begun or the former window weigh more. An attempt that may have been
// in either window counts in both. The history is accused if at every phase at
// which the admissions are lawful (if there is one) some refusal is false.
//
// Complete for instants, up to the rounding and to phaseGrain.
type counterRefusals struct {
	*spans
	first, last []mark  // of From and To
	begun       []int64 // admitted cost that began by To
	admitted    bool    // only phases at which the admissions are lawful count

	ended, open []int64 // scratch, by place: cost that ended, or began, before the window
}

// phaseGrain is into how many parts of a window phases are told apart where no
// turn tells them apart: the weight of a former window of 65,536 units is then
// known to one unit.
const phaseGrain = 1 << 16

func (cs *lawCase) counterRefusals() Finding {
	s, refused := cs.admitted, &cs.refused
	c := newCounterSearch(cs, newGrid(cs.window, s.from, s.to, refused.from, refused.to))
	r := &counterRefusals{
		spans: refused, first: c.marks(refused.from), last: c.marks(refused.to),
		begun: make([]int64, len(refused.from)), admitted: cs.admissions(SlidingCounter).Lawful,
		ended: make([]int64, len(c.numbers)+1), open: make([]int64, len(c.numbers)+1),
	}
	at := 0
	for p, to := range refused.to {
		at = least(s.from, to+1, at)
		r.begun[p] = s.begun[at]
	}
	c.refusals, c.phases = r, turns(c.window, c.from, c.to, r.first, r.last)
	best := c.search()
	if best.excess <= 0 || best.excess == never {
		return Finding{Lawful: true}
	}
	_, worst := c.falseRoom(best.lo, best.hi)
	return worst.finding(refused, cs.events)
}

// falseRoom bounds from below, for every phase in [lo, hi], by how much more
// than its cost less one some refusal had room: more than 0 if it is false.
func (c *counterSearch) falseRoom(lo, hi int64) (over int64, worst worstRefusal) {
	r := c.refusals
	clear(r.ended)
	clear(r.open)
	for j, cost := range c.cost {
		r.ended[c.to[j].in(lo)+1] += cost
		r.open[c.from[j].in(hi)+1] += cost
	}
	for k := 1; k < len(r.ended); k++ {
		r.ended[k] += r.ended[k-1]
		r.open[k] += r.open[k-1]
	}
	over, worst = -never, worstRefusal{room: -1}
	for p, cost := range r.cost {
		room := c.limit - c.use(p, lo, hi)
		over = max(over, room-cost+1)
		worst.weigh(r.spans, p, room)
	}
	return over, worst
}

// use is the most that can have been counted at refusal p.
func (c *counterSearch) use(p int, lo, hi int64) int64 {
	r := c.refusals
	from := r.first[p]
	first, last := from.in(hi), r.last[p].in(lo)
	if last-first > 1 {
		// It may touch three windows or more: they are taken as one.
		return r.begun[p] - r.ended[first-1]
	}
	most := int64(0)
	for k := first; k <= last; k++ {
		left := c.window
		if k == first {
			left -= from.rest - hi + int64(from.place-k)*c.window
		}
		former := r.open[k] - r.ended[k-1]
		present := min(r.begun[p], r.open[k+1]) - r.ended[k]
		most = max(most, present+shareUp(former, min(left+counterSlack, c.window), c.window))
	}
	return most
}
