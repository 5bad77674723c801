package window

// The fixed window from first use.
//
// Let o(1) < o(2) < ... be the instants at which windows opened and e(k) when
// window k was over: o(k)+W-E <= e(k) <= min(o(k)+W, o(k+1)). The placement is
// not known, so the sweep computes, from left to right, a set R of instants
// that holds every possible opening. An instant o is possible next after a
// possible o' if
//
//	(0) some attempt's span holds o, and o >= o'+W-E;
//	(1) every attempt that began at o'+W or later could have waited for o, or
//	    it would have opened the window: o <= G(o'), the least To of those;
//	(2) what lies between e, when the window before o' was over, and o was all
//	    decided in the one window of o' and fits it:
//	    sum{From >= e, To < o} <= L;
//	(3) what had to be decided before o could be: sum{To < o} <= Y(o') + L,
//	    Y(o') being the most that can have been decided before o'.
//
// Each holds in every lawful history, so an empty R accuses soundly. (1) to
// (3) say o <= u(o'), and u never falls as o' grows: G has fewer attempts to
// heed, and the latest e, min(o, o'+W), and the largest Y, min(Y(o')+L,
// sum{From < e}), both grow with o and with the o' before it. So of all
// openings that can precede o the latest is the best in every respect, and one
// sweep with monotone cursors finds R. Lawful means some opening is reached
// after which nothing is left to forbid.
//
// Complete for spans that are single instants: R is then the set of attempts
// that can open a window, and (1) and (2) are the whole rule (also with E > 0).
// What straddles an edge may be split between both windows by (3), so a cost
// over 1 that fits neither goes unaccused, as does a straddler that would have
// to open a window and be in the former one at once.
//
// An attempt of cost 0 may open a window or not: limiters differ.

// opening is a run of possible openings, [first, last], that share what
// follows.
type opening struct {
	first, last int64
	since       int64 // e: the window before was over by here
	done        int64 // Y
	base        int64 // done is sum{From < base} + windows*L
	windows     int64
	next        int64 // G
	reach       int64 // u: the latest possible next opening
}

// firstUse is the sweep. All its cursors only move forward.
type firstUse struct {
	*series
	limit, window, shortest int64
	forced                  []int64 // forced[p]: least To of the attempts with a cost from position p on
	openings                []opening
	known                   int64 // all openings before this instant are known

	gone, full, late, owed int
	load                   int64 // cost of the attempts from gone on that are among the first full by To
	heldFrom, heldTo       int64 // the stretch of instants that some span holds, and
	heldNext               int   // the first attempt after it
}

const (
	// forgiven is the done of an opening whose excess has been recorded.
	forgiven = horizon << 1
	// A sweep takes fewer than three openings an attempt where spans are up to
	// a window long. One that takes more than this many (spans that never end,
	// over very many windows) says nothing, which bounds time and memory.
	openingsPerAttempt, openingsAtLeast = 8, 4096
)

func newFirstUse(s *series, limit, window, early int64) *firstUse {
	n := len(s.from)
	f := &firstUse{
		series: s, limit: limit, window: window, shortest: window - early,
		forced: make([]int64, n+1), heldFrom: -never, heldTo: -never,
	}
	f.forced[n] = never
	for p := n - 1; p >= 0; p-- {
		f.forced[p] = f.forced[p+1]
		if s.cost[p] > 0 {
			f.forced[p] = min(f.forced[p], s.to[p])
		}
	}
	return f
}

// overfull is a window, or several in a row, that hold more than they may.
type overfull struct{ from, before, bound, excess int64 }

// run sweeps until the history is known to be lawful and the openings up to
// until are known. decided is false if it gave up. Where nothing lawful is
// left, it notes the overfull window, forgives it and goes on, so that the
// worst window is the one that is told.
func (f *firstUse) run(until int64) (worst overfull, decided bool) {
	if len(f.from) == 0 || f.forced[0] == never {
		return worst, true // nothing, or nothing that costs
	}
	most := openingsPerAttempt*len(f.from) + openingsAtLeast
	start := opening{last: -2 * horizon, done: -f.limit}
	f.extend(start, f.from[0], min(f.forced[0], f.from[0]+f.shortest-1), -1)
	lawful := false
	for at := 0; ; at++ {
		if at == len(f.openings) {
			if lawful {
				f.known = never
				return worst, true
			}
			worst = f.blame(worst)
			var over bool
			if at, over = f.forgive(); over {
				return worst, true
			}
		}
		o := f.openings[at]
		lawful = lawful || o.reach == never
		from := max(o.first+f.shortest, f.openings[len(f.openings)-1].last+1)
		if f.known = from; lawful && o.first > until {
			return worst, true
		}
		f.extend(o, from, o.reach, at)
		if len(f.openings) > most {
			return worst, false
		}
	}
}

// extend adds the openings within [from, to] that follow prev, which is number
// at, as long as no later opening is a better one to follow.
func (f *firstUse) extend(prev opening, from, to int64, at int) {
	n := len(f.from)
	over := prev.last + f.window
	for o := from; ; {
		if at+1 < len(f.openings) && at >= 0 {
			to = min(to, f.openings[at+1].first+f.shortest-1)
		}
		for f.heldTo < o {
			if !f.hold() {
				return
			}
		}
		if o = max(o, f.heldFrom); o > to {
			return
		}
		since := min(o, over)
		f.leave(since)
		for f.late < n && f.from[f.late] < o+f.window {
			f.late++
		}
		last := min(to, f.heldTo, o+f.shortest-1)
		if f.gone < n && f.from[f.gone] < over {
			last = min(last, f.from[f.gone])
		}
		if f.late < n {
			last = min(last, f.from[f.late]-f.window)
		}
		next := opening{
			first: o, last: last, since: since,
			done: prev.done + f.limit, base: prev.base, windows: prev.windows + 1, next: f.forced[f.late],
		}
		if f.begun[f.gone] <= next.done {
			next.done, next.base, next.windows = f.begun[f.gone], since, 0
		}
		next.reach = f.reach(next)
		f.add(next, at)
		o = last + 1
	}
}

// hold moves on to the next stretch of instants that lie in some span.
func (f *firstUse) hold() bool {
	n := len(f.from)
	if f.heldNext == n {
		return false
	}
	f.heldFrom, f.heldTo = f.from[f.heldNext], f.to[f.heldNext]
	for f.heldNext++; f.heldNext < n && f.from[f.heldNext] <= f.heldTo+1; f.heldNext++ {
		f.heldTo = max(f.heldTo, f.to[f.heldNext])
	}
	return true
}

// leave drops the attempts that began before since, and lets full stand at the
// first attempt by To with which the rest breaks the limit.
func (f *firstUse) leave(since int64) {
	n := len(f.from)
	for f.gone < n && f.from[f.gone] < since {
		if int(f.rank[f.gone]) < f.full {
			f.load -= f.cost[f.gone]
		}
		f.gone++
	}
	for ; f.full < n; f.full++ {
		if p := int(f.byTo[f.full]); p >= f.gone {
			if f.load+f.cost[p] > f.limit {
				return
			}
			f.load += f.cost[p]
		}
	}
}

// reach is u: the least of what (1), (2) and (3) allow.
func (f *firstUse) reach(o opening) int64 {
	n, reach := len(f.from), o.next
	if f.full < n {
		reach = min(reach, f.end[f.full])
	}
	for f.owed < n && f.ended[f.owed+1] <= o.done+f.limit {
		f.owed++
	}
	if f.owed < n {
		reach = min(reach, f.end[f.owed])
	}
	return reach
}

// add appends o, or widens the last opening by it where nothing that follows
// can tell them apart. at is the number of the opening that o follows.
func (f *firstUse) add(o opening, at int) {
	if k := len(f.openings) - 1; k > at && k >= 0 {
		p := &f.openings[k]
		crowded := k > len(f.from)+openingsAtLeast
		// A later Y is a larger one: to take it for the whole run is charitable.
		same := p.reach == o.reach && (p.done == o.done || crowded)
		if same && p.last+1 == o.first && o.last-p.first < f.shortest {
			o.first = p.first
			*p = o
			return
		}
	}
	f.openings = append(f.openings, o)
}

// blame returns the worse of worst and what stops the last opening, the most
// charitable of all: no next one was possible before first+shortest, and what
// ended before that is too much.
func (f *firstUse) blame(worst overfull) overfull {
	o := f.openings[len(f.openings)-1]
	before := o.first + f.shortest
	for _, w := range []overfull{
		{from: o.since, before: before, bound: f.limit},
		{from: o.base, before: before, bound: (o.windows + 1) * f.limit},
	} {
		for p := least(f.from, w.from, f.gone); p < len(f.from) && f.from[p] < before; p++ {
			if f.to[p] < before {
				w.excess += f.cost[p]
			}
		}
		if w.excess -= w.bound; w.excess > worst.excess {
			worst = w
		}
	}
	return worst
}

// forgive lets the last round of openings go on as if what they admitted were
// within the limit. It returns the first of them, and whether nothing follows.
func (f *firstUse) forgive() (at int, over bool) {
	at = len(f.openings) - 1
	for least := f.openings[at].first - f.shortest; ; at-- {
		o := &f.openings[at]
		o.reach, o.done = o.next, forgiven
		over = over || o.next == never
		if at == 0 || f.openings[at-1].first <= least {
			return at, over
		}
	}
}

func (cs *lawCase) firstUseAdmissions() Finding {
	f := newFirstUse(cs.admitted, cs.limit, cs.window, cs.early)
	worst, _ := f.run(-never)
	if worst.excess <= 0 {
		return Finding{Lawful: true}
	}
	return f.overrun(cs.events, f.within(worst.from, worst.before), worst.bound)
}
