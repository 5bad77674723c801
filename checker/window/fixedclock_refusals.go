package window

// clockRefusals: take a refusal at t in a window that began at x. It is lawful
// if its cost did not fit beside what [x, t] admitted, at most
// sum{From <= t} - sum{To < x}: the earlier x, the more. So there is a latest X
// up to which the refusal is lawful, and its lawful edges are x in (t-W, X],
// one stretch of phases. For a span [f, t], X is taken at t and the stretch
// begins after f-W: more than the sum of its instants. The history is accused
// if no phase lies in the stretch of every refusal and is without excess (see
// clockSweep). O(n log n), and complete for instants.
//
// The finding is made at the phase with the fewest false refusals.
func (cs *lawCase) clockRefusals() Finding {
	s, refused := cs.admitted, &cs.refused
	g := newGrid(cs.window, s.from, s.to)
	w := newClockSweep(cs, g)
	lawful := cs.admissions(FixedClock).Lawful
	missed := 0 // refusals in whose stretch the phase does not lie
	var turns []keyed
	begun, ended := 0, 0
	for p, from := range refused.from {
		to, first := refused.to[p], from-cs.window+1
		begun = least(s.from, to+1, begun)
		latest := first - 1
		if need := s.begun[begun] + refused.cost[p] - cs.limit; need > 0 {
			ended = least(s.ended, need, ended)
			latest = to
			if ended <= len(s.end) {
				latest = min(to, s.end[max(ended-1, 0)])
			}
		}
		length := latest - first + 1
		switch {
		case length >= cs.window:
		case length <= 0:
			missed++
		default:
			missed++
			open := first - g.number(first)*cs.window
			shut := open + length
			turns = append(turns, keyed{uint64(open)*turnKinds + turnOpen, int32(p)})
			if shut >= cs.window {
				missed--
				shut -= cs.window
			}
			turns = append(turns, keyed{uint64(shut)*turnKinds + turnShut, int32(p)})
		}
	}
	best, fewest := int64(0), len(refused.from)+1
	w.sweep(turns, func(_ int32, kind int) {
		if kind == turnOpen {
			missed--
		} else {
			missed++
		}
	}, func(phase int64) bool {
		if missed < fewest && (w.excess == 0 || !lawful) {
			best, fewest = phase, missed
		}
		return fewest == 0
	})
	// Where the admissions are lawful, some phase was without excess: fewest
	// was set. With no refusal missed nobody is accused.
	if fewest == 0 || fewest > len(refused.from) {
		return Finding{Lawful: true}
	}
	return cs.clockFalseRefusal(g, best)
}

// clockFalseRefusal tells the worst false refusal at a phase: the room in each
// window that its span touches.
func (cs *lawCase) clockFalseRefusal(g *grid, phase int64) Finding {
	s, refused := cs.admitted, &cs.refused
	worst := worstRefusal{room: -1}
	begun, ended := 0, 0
	for p, from := range refused.from {
		to, use := refused.to[p], int64(0)
		first, last := g.number(from-phase), g.number(to-phase)
		if last-first > 1 {
			// It touches three windows or more: they are taken as one.
			last = first
		}
		for k := first; k <= last; k++ {
			edge := phase + k*cs.window
			end := to
			if k < last {
				end = edge + cs.window - 1
			}
			begun = least(s.from, end+1, begun)
			ended = least(s.end, edge, ended)
			use = max(use, s.begun[begun]-s.ended[ended])
		}
		worst.weigh(refused, p, cs.limit-use)
	}
	return worst.finding(refused, cs.events)
}
