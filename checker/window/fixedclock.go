package window

// The fixed window on the clock.
//
// At a phase, whatever the placement, a window holds what lies wholly within
// it; if that is more than L, the phase is unlawful. It changes only where an
// attempt's From or To passes an edge, so one pass over the 2n turns, in order
// of phase, that keeps each window's load and the sum of what is over L, finds
// all phases without excess, in O(n log n).
//
// At such a phase what straddles edges must still find room. As in firstUse
// (3), the most that can have been decided before edge k+1 is Y(k+1) =
// min(Y(k)+L, sum{From before the edge}), and what ended before it must have
// been: sum{To before the edge} <= Y(k+1). A phase where nothing straddles
// needs no such check.
//
// The history is accused only if every phase fails. Complete for instants, and
// for costs of 1 whose spans begin and end in the same order.
type clockSweep struct {
	*grid
	limit    int64
	s        *series
	from, to []mark  // by position
	a, b     []int32 // places of From and To at the present phase

	load, begun, ended []int64 // by place: cost wholly within, cost by From, by To
	excess             int64   // the sum of what loads are over the limit
	straddle           int64   // cost of what lies in no one window
}

// clockSteps bounds the work on phases at which something straddles an edge; a
// phase that is not looked at counts as lawful.
const clockSteps = 1 << 24

func newClockSweep(cs *lawCase, g *grid) *clockSweep {
	s := cs.admitted
	w := &clockSweep{
		grid: g, limit: cs.limit, s: s, from: g.marks(s.from), to: g.marks(s.to),
		load: make([]int64, len(g.numbers)), begun: make([]int64, len(g.numbers)), ended: make([]int64, len(g.numbers)),
		a: make([]int32, len(s.from)), b: make([]int32, len(s.from)),
	}
	for p, c := range s.cost {
		w.a[p], w.b[p] = w.from[p].place, w.to[p].place
		w.begun[w.a[p]] += c
		w.ended[w.b[p]] += c
		w.count(p, c)
	}
	return w
}

// count adds the attempt's cost (or takes it away, if c is negative) where it
// stands.
func (w *clockSweep) count(p int, c int64) {
	if w.a[p] != w.b[p] {
		w.straddle += c
		return
	}
	l := &w.load[w.a[p]]
	w.excess -= max(*l-w.limit, 0)
	*l += c
	w.excess += max(*l-w.limit, 0)
}

// turn is a change at a phase: an attempt's From or To passes into the former
// window, or a refusal's stretch of lawful phases begins or ends.
const (
	turnFrom = iota
	turnTo
	turnOpen
	turnShut
	turnKinds
)

// apply makes one admitted attempt's endpoint pass into the former window.
func (w *clockSweep) apply(p, kind int) {
	c := w.s.cost[p]
	w.count(p, -c)
	if kind == turnFrom {
		w.begun[w.a[p]] -= c
		w.a[p]--
		w.begun[w.a[p]] += c
	} else {
		w.ended[w.b[p]] -= c
		w.b[p]--
		w.ended[w.b[p]] += c
	}
	w.count(p, c)
}

// fits says whether what straddles the edges finds room at the present phase;
// if not, from which place on how many windows hold too much.
func (w *clockSweep) fits() (place, before int, windows int64, ok bool) {
	y, begun, ended, slack := int64(0), int64(0), int64(0), 0
	for k := range w.numbers {
		begun += w.begun[k]
		ended += w.ended[k]
		if y += w.limit; y >= begun {
			y = begun
		}
		if y < ended {
			return slack, k, w.numbers[k] - w.numbers[slack] + 1, false
		}
		// Windows without a place admit what still waits.
		if free := w.apart(k) - 1; free > 0 && y < begun {
			if w.limit > 0 && free >= (begun-y+w.limit-1)/w.limit {
				y = begun
			} else {
				y += free * w.limit
			}
		}
		if y == begun {
			slack = k + 1
		}
	}
	return 0, 0, 0, true
}

// sweep visits all phases from 0 up, one for each stretch between turns, until
// visit says stop. extra are further turns, with their key in the same form.
func (w *clockSweep) sweep(extra []keyed, other func(at int32, kind int), visit func(phase int64) (stop bool)) {
	ks := make([]keyed, 0, 2*len(w.from)+len(extra))
	for p := range w.from {
		if r := w.from[p].rest + 1; r < w.window {
			ks = append(ks, keyed{uint64(r)*turnKinds + turnFrom, int32(p)})
		}
		if r := w.to[p].rest + 1; r < w.window {
			ks = append(ks, keyed{uint64(r)*turnKinds + turnTo, int32(p)})
		}
	}
	ks = sortKeyed(append(ks, extra...))
	for i, phase := 0, int64(0); ; {
		for ; i < len(ks) && ks[i].key/turnKinds == uint64(phase); i++ {
			if kind := int(ks[i].key % turnKinds); kind <= turnTo {
				w.apply(int(ks[i].at), kind)
			} else {
				other(ks[i].at, kind)
			}
		}
		if visit(phase) || i == len(ks) {
			return
		}
		phase = int64(ks[i].key / turnKinds)
	}
}

func (cs *lawCase) clockAdmissions() Finding {
	s := cs.admitted
	if len(s.from) == 0 {
		return Finding{Lawful: true}
	}
	g := newGrid(cs.window, s.from, s.to)
	w := newClockSweep(cs, g)
	lawful, steps, best, bestExcess := false, 0, int64(0), never
	w.sweep(nil, nil, func(phase int64) bool {
		if w.excess < bestExcess {
			best, bestExcess = phase, w.excess
		}
		if w.excess == 0 {
			if lawful = w.straddle == 0 || steps > clockSteps; !lawful {
				_, _, _, lawful = w.fits()
				steps += len(g.numbers)
			}
		}
		return lawful
	})
	if lawful {
		return Finding{Lawful: true}
	}
	return cs.clockOverrun(g, best)
}

// clockOverrun tells the worst window at a phase that is unlawful.
func (cs *lawCase) clockOverrun(g *grid, phase int64) Finding {
	s := cs.admitted
	w := newClockSweep(cs, g)
	for p := range w.from {
		if w.from[p].in(phase) != w.a[p] {
			w.apply(p, turnFrom)
		}
		if w.to[p].in(phase) != w.b[p] {
			w.apply(p, turnTo)
		}
	}
	worst := 0
	for k, l := range w.load {
		if l > w.load[worst] {
			worst = k
		}
	}
	first, last, windows := worst, worst, int64(1)
	if w.load[worst] <= cs.limit {
		first, last, windows, _ = w.fits()
	}
	edge := func(k int) int64 { return phase + g.numbers[k]*g.window }
	return s.overrun(cs.events, s.within(edge(first), edge(last)+g.window), windows*cs.limit)
}
