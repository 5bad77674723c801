package window

import (
	"slices"
	"time"

	"pgregory.net/rapid"
)

// The definitions of the classes, applied to one placement by trying
// everything. Windows and instants are small numbers.

// placed is an event with the instant of its decision.
type placed struct {
	at, cost int64
	admitted bool
}

// usedAt is what a window that opened at o, or a span that began there, has
// admitted by t. At one instant, admissions may come before a refusal.
func usedAt(ps []placed, o, t int64) int64 {
	used := int64(0)
	for _, p := range ps {
		if p.admitted && p.at >= o && p.at <= t {
			used += p.cost
		}
	}
	return used
}

// refusalsHold says whether every refusal lacks room, given the most that can
// have been in use when it was decided.
func refusalsHold(ps []placed, limit int64, use func(t int64) int64) bool {
	for _, p := range ps {
		if !p.admitted && use(p.at)+p.cost <= limit {
			return false
		}
	}
	return true
}

// window1 is a window [open, over).
type window1 struct{ open, over int64 }

// chains tries every way in which windows from first use can have opened, and
// calls f with each until it returns true. Attempts of cost 0 may open a window
// or not. The window turns up to early sooner.
func chains(ps []placed, window, early int64, f func([]window1) bool) bool {
	sorted := slices.Clone(ps)
	slices.SortFunc(sorted, func(a, b placed) int { return int(a.at - b.at) })
	var next func(i int, ws []window1) bool
	next = func(i int, ws []window1) bool {
		over := int64(-1 << 40)
		if len(ws) > 0 {
			over = ws[len(ws)-1].over
		}
		for i < len(sorted) && (!sorted[i].admitted || sorted[i].at < over) {
			i++
		}
		if i == len(sorted) {
			return f(ws)
		}
		at := sorted[i].at
		for end := at + window - early; end <= at+window; end++ {
			if next(i+1, append(slices.Clip(ws), window1{at, end})) {
				return true
			}
		}
		return sorted[i].cost == 0 && next(i+1, ws)
	}
	return next(0, nil)
}

// allows says whether a placement is lawful under the class: its admissions if
// admissions is set, its refusals if refusals is. For sliding counters, slack is
// the rounding: weighted counts may be off by up to one unit if it is set.
func allows(c Class, r Rule, ps []placed, admissions, refusals, slack bool) bool {
	limit, window := r.Limit, int64(r.Window)
	switch c {
	case FixedFirstUse:
		return chains(ps, window, int64(r.Early), func(ws []window1) bool {
			for _, w := range ws {
				if admissions && usedAt(ps, w.open, w.over-1) > limit {
					return false
				}
			}
			return !refusals || refusalsHold(ps, limit, func(t int64) int64 {
				for _, w := range ws {
					if w.open <= t && t < w.over {
						return usedAt(ps, w.open, t)
					}
				}
				return 0
			})
		})
	case FixedClock, SlidingCounter:
		for phase := int64(0); phase < window; phase++ {
			if phaseAllows(c, limit, window, phase, ps, admissions, refusals, slack) {
				return true
			}
		}
		return false
	case SlidingLog:
		use := func(t int64) int64 { return usedAt(ps, t-window+1, t) }
		for _, p := range ps {
			if admissions && p.admitted && use(p.at) > limit {
				return false
			}
		}
		return !refusals || refusalsHold(ps, limit, use)
	}
	// The most that can be missing at t, times the window, of what was
	// admitted from some instant before it, or at t itself.
	missing := func(t int64) (before, now int64) {
		before = -1
		for _, p := range ps {
			if p.admitted && p.at < t {
				before = max(before, usedAt(ps, p.at, t)*window-(t-p.at)*limit)
			}
		}
		return before, usedAt(ps, t, t) * window
	}
	for _, p := range ps {
		if before, now := missing(p.at); admissions && p.admitted && max(before, now) > limit*window {
			return false
		}
	}
	return !refusals || refusalsHold(ps, limit, func(t int64) int64 {
		before, now := missing(t)
		if slack && before >= 0 {
			before++ // a level that was refilled may be off by a rounding
		}
		return (max(before, now, 0) + window - 1) / window
	})
}

func phaseAllows(c Class, limit, window, phase int64, ps []placed, admissions, refusals, slack bool) bool {
	use := func(t, up int64) int64 {
		into := (t - phase + 1<<20*window) % window
		open := t - into
		used := usedAt(ps, open, t)
		if c == SlidingCounter {
			former := usedAt(ps, open-window, open-1)
			left := window - into
			switch {
			case up > 0 && slack:
				used += (former*min(left+counterSlack, window) + window - 1) / window
			case up > 0:
				used += former * left / window // a refusal with less is false
			case slack:
				used += former * max(left-counterSlack, 0) / window
			default:
				used += (former*left + window - 1) / window
			}
		}
		return used
	}
	for _, p := range ps {
		if admissions && p.admitted && use(p.at, 0) > limit {
			return false
		}
	}
	return !refusals || refusalsHold(ps, limit, func(t int64) int64 { return use(t, 1) })
}

// anyPlacement tries every placement of the events in their spans.
func anyPlacement(events []Event, f func([]placed) bool) bool {
	ps := make([]placed, len(events))
	var place func(i int) bool
	place = func(i int) bool {
		if i == len(events) {
			return f(ps)
		}
		e := events[i]
		for at := e.From; at <= e.To; at++ {
			ps[i] = placed{int64(at), e.Cost, e.Admitted}
			if place(i + 1) {
				return true
			}
		}
		return false
	}
	return place(0)
}

// drawEvents draws a small history that no limiter made, of spans up to wide.
func drawEvents(t *rapid.T, n int, horizon, wide, dear int64) []Event {
	d := newDice(t)
	events := make([]Event, d(1, int64(n)))
	least := d(0, 1)
	for i := range events {
		from := d(0, horizon)
		events[i] = Event{
			ID: i, From: time.Duration(from), To: time.Duration(from + d(0, wide)),
			Cost: d(least, max(dear, least)), Admitted: d(0, 3) > 0,
		}
	}
	return events
}
