package window

// The sliding log: at an admission at t, at most L in (t-W, t]. Equivalently:
// any span shorter than W holds at most L.
//
// (1) What lies wholly within [x, x+W) was decided within less than W, so
// sum{From >= x, To < x+W} <= L. One pass over x with both orders.
//
// (2) Number the cost units in the order in which they were decided. Unit s was
// decided no sooner than the s-th unit by From, A(s), and no later than the
// s-th by To, B(s): the s-th smallest of a set grows with its members. Unit s
// and unit s-L lie at least W apart, or L+1 units would lie within less. Hence
// T(s) = max(A(s), T(s-L)+W) is a lower bound for unit s, and T(s) > B(s)
// accuses. This sees what straddles any number of edges.
//
// Complete for instants by (1), and for costs of 1 whose spans begin and end in
// the same order by (2): deciding them in that order, as early as T says, is
// lawful. A larger cost is charged at one instant but may be split by (2).
func (cs *lawCase) logAdmissions() Finding {
	s := cs.admitted
	if from, excess := cs.fullestSpan(); excess > 0 {
		return s.overrun(cs.events, s.within(from, from+cs.window), cs.limit)
	}
	if from, windows, ok := cs.overdue(); ok {
		return s.overrun(cs.events, s.within(from, from+windows*cs.window), windows*cs.limit)
	}
	return Finding{Lawful: true}
}

// fullestSpan finds the [from, from+W) that wholly holds most.
func (cs *lawCase) fullestSpan() (from, excess int64) {
	s, load, ended := cs.admitted, int64(0), 0
	for p, x := range s.from {
		if p > 0 && int(s.rank[p-1]) < ended {
			load -= s.cost[p-1]
		}
		for ; ended < len(s.end) && s.end[ended] < x+cs.window; ended++ {
			if q := int(s.byTo[ended]); q >= p {
				load += s.cost[q]
			}
		}
		if load-cs.limit > excess {
			from, excess = x, load-cs.limit
		}
	}
	return from, excess
}

// stepsPerAttempt and stepsAtLeast bound the steps of T. A history that takes
// more (many windows' worth of units whose spans last for many windows) is not
// accused by (2).
const stepsPerAttempt, stepsAtLeast = 16, 4096

// overdue applies (2): it finds m windows of W from a From on that wholly hold
// more than m*L.
func (cs *lawCase) overdue() (from, windows int64, found bool) {
	s, limit, n := cs.admitted, cs.limit, len(cs.admitted.from)
	total := s.begun[n]
	if limit == 0 || total <= limit {
		return 0, 0, false
	}
	var upTo, value []int64 // T is value[i] up to unit upTo[i]
	most := stepsPerAttempt*n + stepsAtLeast
	a, b, back := 0, 0, 0
	for unit := int64(0); unit < total; {
		for s.begun[a+1] <= unit {
			a++
		}
		for s.ended[b+1] <= unit {
			b++
		}
		t, stop := s.from[a], min(s.begun[a+1], s.ended[b+1])
		if unit >= limit {
			for upTo[back] <= unit-limit {
				back++
			}
			t, stop = max(t, value[back]+cs.window), min(stop, upTo[back]+limit)
		} else {
			stop = min(stop, limit)
		}
		if t > s.end[b] {
			return cs.trace(stop, s.end[b])
		}
		if k := len(upTo) - 1; k >= 0 && value[k] == t {
			upTo[k] = stop
		} else if k > most {
			return 0, 0, false
		} else {
			upTo, value = append(upTo, stop), append(value, t)
		}
		unit = stop
	}
	return 0, 0, false
}

// trace goes back from the unit that was decided by to at the latest, L units
// and W at a time, to the attempt that began so late that it could not be.
func (cs *lawCase) trace(unit, to int64) (from, windows int64, found bool) {
	s := cs.admitted
	for unit > cs.limit {
		unit -= cs.limit
		windows++
		a := least(s.begun, unit, 0) - 1 // the attempt that holds this unit
		if s.from[a]+windows*cs.window > to {
			return s.from[a], windows, true
		}
	}
	return 0, 0, false
}

// logRefusals: a refusal at t is lawful if its cost did not fit beside what
// (t-W, t] holds, which is at most sum{From <= t} - sum{To <= t-W}. Complete for
// instants.
func (cs *lawCase) logRefusals() Finding {
	return cs.judge(cs.admitted.from, func() gauge {
		s, begun, ended := cs.admitted, 0, 0
		return func(t int64) int64 {
			begun = least(s.from, t+1, begun)
			ended = least(s.end, t-cs.window+1, ended)
			return s.begun[begun] - s.ended[ended]
		}
	})
}
