package window

// firstUseRefusals: a refusal at t is lawful if its cost did not fit beside
// what the window in force had admitted. That window opened at some o in R (see
// firstUse) with t-W < o <= t, and holds nothing that ended before o or began
// after t: use(t) <= sum{From <= t} - sum{To < o}. The earliest such o gives
// the most. Only openings are kept from which the history can go on lawfully.
// If no window can be in force, all of the limit was free.
//
// Where the admissions are unlawful, R is taken without the limit, (0) and (1)
// only; where the sweep gave up, every instant may be an opening. Both only
// allow more.
//
// Complete if decisions are instants and E = 0: R then holds one opening per
// window. With E > 0 each refusal may pick openings of its own.
func (cs *lawCase) firstUseRefusals() Finding {
	until := -never
	for _, to := range cs.refused.to {
		until = max(until, to)
	}
	limit := cs.limit
	if !cs.admissions(FixedFirstUse).Lawful {
		limit = horizon
	}
	f := newFirstUse(cs.admitted, limit, cs.window, cs.early)
	openings := []opening{{first: -2 * horizon, last: never}}
	if _, decided := f.run(until); decided {
		openings = f.lawful()
	}
	return cs.judge(f.rises(openings), func() gauge { return f.gauge(openings) })
}

// lawful keeps the openings from which some chain reaches an end where nothing
// is left to forbid, or leads beyond what the sweep knows.
func (f *firstUse) lawful() []opening {
	kept := make([]bool, len(f.openings))
	var later []int // the openings kept so far, the latest first
	first := 0      // in later: the earliest of those that the present one may reach
	for i := len(f.openings) - 1; i >= 0; i-- {
		o := &f.openings[i]
		from := o.first + f.shortest
		for first+1 < len(later) && f.openings[later[first+1]].last >= from {
			first++
		}
		ahead := false
		if first < len(later) {
			next := &f.openings[later[first]]
			ahead = next.last >= from && next.first <= o.reach
		}
		if ahead || o.reach >= f.known {
			kept[i] = true
			later = append(later, i)
		}
	}
	list := make([]opening, 0, len(later))
	for i, k := range kept {
		if k {
			o := f.openings[i]
			// The next one follows after shortest, and not after reach.
			o.last = min(o.last, o.reach-f.shortest)
			list = append(list, o)
		}
	}
	return list
}

// rises are where the use can rise: where an attempt begins, and where a
// window can first open.
func (f *firstUse) rises(openings []opening) []int64 {
	list := make([]int64, 0, len(f.from)+len(openings))
	next := 0
	for _, t := range f.from {
		for ; next < len(openings) && openings[next].first < t; next++ {
			list = append(list, openings[next].first)
		}
		list = append(list, t)
	}
	for ; next < len(openings); next++ {
		list = append(list, openings[next].first)
	}
	return list
}

func (f *firstUse) gauge(openings []opening) gauge {
	at, begun, ended := 0, 0, 0
	return func(t int64) int64 {
		since := t - f.window + 1
		for at < len(openings) && openings[at].last < since {
			at++
		}
		if at == len(openings) || openings[at].first > t {
			return 0
		}
		since = max(since, openings[at].first)
		begun = least(f.from, t+1, begun)
		ended = least(f.end, since, ended)
		return f.begun[begun] - f.ended[ended]
	}
}
