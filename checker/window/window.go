// Package window holds the arithmetic of rate limit windows: pure functions
// that say whether what was admitted and refused on one key by one counter
// (a limit per window) is lawful for a class of limiter.
//
// What is known of a decision is the span within which it was taken. A history
// is accused only if no placement of the decisions within their spans (and, for
// limiters that follow a clock, no phase of it) makes it lawful: every function
// here is sound. How complete each is stands at its rule. Instants are whole
// nanoseconds.
package window

import "time"

// Event is one attempt as a counter sees it. The limiter decided at some
// unknown instant within [From, To], both offsets from the start of the run
// (if To is the earlier of the two, they are taken the other way round).
// Admitted: Cost was charged at that instant. Refused: nothing was charged.
// Cost is 0 or more; the costs of one history must add up to less than 2^62
// (no single one is taken to be more than its share of that).
type Event struct {
	ID       int
	From, To time.Duration
	Cost     int64
	Admitted bool
}

// Class is a way of counting.
type Class int

// The classes, with what each promises for a limit L per window W.
const (
	// FixedFirstUse: a window opens at the first admitted decision after the
	// former one is over and covers W; at most L in each.
	FixedFirstUse Class = iota
	// FixedClock: windows follow each other without a gap, in step with a
	// clock of unknown phase; at most L in each.
	FixedClock
	// SlidingLog: at an admission at t, at most L in (t-W, t].
	SlidingLog
	// SlidingCounter: windows on a clock of unknown phase; at an admission
	// with the fraction f of its window passed, (1-f) of what the former
	// window admitted and all of what this one did are at most L.
	SlidingCounter
	// Bucket: holds L, starts full, refills at L/W; never below empty.
	Bucket
)

// String names the class as reports do.
func (c Class) String() string {
	switch c {
	case FixedFirstUse:
		return "fixed window from first use"
	case FixedClock:
		return "fixed window on the clock"
	case SlidingLog:
		return "sliding log"
	case SlidingCounter:
		return "sliding counter"
	case Bucket:
		return "token bucket"
	}
	return "unknown class"
}

// Classes lists all classes.
func Classes() []Class {
	return []Class{FixedFirstUse, FixedClock, SlidingLog, SlidingCounter, Bucket}
}

// Rule is what was promised: at most Limit cost units per Window.
type Rule struct {
	// Limit is 0 or more; less is taken as 0.
	Limit int64
	// Window is more than 0; less is taken as one nanosecond.
	Window time.Duration
	// Early is how much sooner than Window a fixed window from first use may
	// turn: 0, or up to 1s for a limiter whose windows turn only on whole
	// seconds.
	Early time.Duration
	// Grain is how much sooner than it should a bucket may refill: 0, or what a
	// limiter's clock may be behind.
	Grain time.Duration
	// Late is the most that may have been admitted and not been charged yet at
	// another admission; less than 0 is taken as 0. It may be admitted beyond the
	// limit at any time, and is no part of it: a bucket refills by Limit. Refusals
	// are judged without it.
	Late int64
}

// Finding is the answer for one class: lawful, or by how much not and which
// attempts show it.
type Finding struct {
	Class  Class
	Lawful bool
	// Excess is, for admissions, how many cost units too many were admitted
	// in [From, To], in the worst window of the most charitable reading; for
	// refusals, the room that was left at the worst false one.
	Excess int64
	// IDs is the smallest set of attempts that shows it, in order of time:
	// for admissions the fewest whose costs break the limit, for refusals
	// the worst false one.
	IDs      []int
	From, To time.Duration
}

// Admissions judges what was admitted, under one class. It accuses only if no
// placement of the decisions within their spans, and no phase, is lawful. A
// class that is not listed in Classes accuses nobody.
func (r Rule) Admissions(c Class, events []Event) Finding {
	return newCase(r, events).admissions(c)
}

// Refusals judges the refusals under one class, given the admissions: a
// refusal is unlawful if for every placement there was room for its cost. For
// the classes with a phase, all refusals and admissions must agree on one.
// Where the admissions themselves are unlawful, the refusals are judged as if
// the limiter had merely failed to refuse those.
func (r Rule) Refusals(c Class, events []Event) Finding {
	r.Late = 0
	return newCase(r, events).withRefused().refusals(c)
}

// Kept is lawful, and names the class, if some class makes every admission
// lawful; otherwise it is the finding of the nearest class, the one with the
// smallest excess.
//
// Three classes decide it. What a sliding log admits, a fixed window from first
// use does too, and what a sliding counter admits, a fixed window on its clock:
// neither of the former can be lawful alone, nor be nearer.
func (r Rule) Kept(events []Event) Finding {
	cs := newCase(r, events)
	var nearest Finding
	for i, c := range []Class{FixedFirstUse, Bucket, FixedClock} {
		f := cs.admissions(c)
		if f.Lawful {
			return f
		}
		if i == 0 || f.Excess < nearest.Excess {
			nearest = f
		}
	}
	return nearest
}

// Explained lists the classes under which every admission and every refusal is
// lawful.
func (r Rule) Explained(events []Event) []Class {
	cs, onTime := newCase(r, events), r
	onTime.Late = 0
	refusing := newCase(onTime, events).withRefused()
	var list []Class
	for _, c := range Classes() {
		if cs.admissions(c).Lawful && refusing.refusals(c).Lawful {
			list = append(list, c)
		}
	}
	return list
}

// lawCase is one rule and one history, sorted.
type lawCase struct {
	limit, window, early int64 // limit: with what may be late
	refill, grain        int64 // refill: a bucket's, per window
	events               []Event
	admitted             *series
	refused              spans
	verdicts             map[Class]Finding // of the admissions, as they are asked for
}

func newCase(r Rule, events []Event) *lawCase {
	limit, window, early := r.terms()
	return &lawCase{
		limit: min(limit+min(max(r.Late, 0), horizon), horizon), window: window, early: early, events: events,
		refill:   limit,
		grain:    min(max(int64(r.Grain), 0), window-1),
		admitted: newSeries(pick(events, true)),
		verdicts: map[Class]Finding{},
	}
}

func (cs *lawCase) withRefused() *lawCase {
	cs.refused = pick(cs.events, false)
	return cs
}

// terms are the rule's numbers, brought into the range in which sums of them
// cannot overflow.
func (r Rule) terms() (limit, window, early int64) {
	limit = min(max(r.Limit, 0), horizon)
	window = min(max(int64(r.Window), 1), horizon)
	return limit, window, min(max(int64(r.Early), 0), window-1)
}

func (cs *lawCase) admissions(c Class) Finding {
	if f, ok := cs.verdicts[c]; ok {
		return f
	}
	var f Finding
	switch c {
	case FixedFirstUse:
		f = cs.firstUseAdmissions()
	case FixedClock:
		f = cs.clockAdmissions()
	case SlidingLog:
		f = cs.logAdmissions()
	case SlidingCounter:
		f = cs.counterAdmissions()
	case Bucket:
		f = cs.bucketAdmissions()
	default:
		return Finding{Class: c, Lawful: true}
	}
	if f.Lawful {
		f = cs.tooDear()
	}
	f.Class = c
	cs.verdicts[c] = f
	return f
}

// tooDear accuses the dearest admission if it alone is over the limit, which is
// unlawful in every class and wherever it was decided: the bounds of the
// classes split what straddles an edge, and may not see it.
func (cs *lawCase) tooDear() Finding {
	dearest := -1
	for p, c := range cs.admitted.cost {
		if c > cs.limit && (dearest < 0 || c > cs.admitted.cost[dearest]) {
			dearest = p
		}
	}
	if dearest < 0 {
		return Finding{Lawful: true}
	}
	return cs.admitted.overrun(cs.events, []int32{int32(dearest)}, cs.limit)
}

func (cs *lawCase) refusals(c Class) Finding {
	f := Finding{Lawful: true}
	if len(cs.refused.from) > 0 {
		switch c {
		case FixedFirstUse:
			f = cs.firstUseRefusals()
		case FixedClock:
			f = cs.clockRefusals()
		case SlidingLog:
			f = cs.logRefusals()
		case SlidingCounter:
			f = cs.counterRefusals()
		case Bucket:
			f = cs.bucketRefusals()
		}
	}
	f.Class = c
	return f
}
