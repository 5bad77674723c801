package checker

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// A target that queues has requests wait until there is room instead of
// refusing them. It is a class of its own and breaks nothing: an admission was
// decided when the provider received it. A busy target is slow too, and is not
// to be taken for one that queues.

const (
	// queueLeast is the shortest wait for a turn. Busy proxies delay single
	// requests by less, beside others that are quick.
	queueLeast = 250 * time.Millisecond
	// queueShare is the part of the time between two turns at the limit's rate
	// that a wait must reach: queues drain at that rate, or in windows.
	queueShare = 0.8
	// queueWindow is the part of a window that somebody must have waited where
	// turns are not seen to be paced: who queues for a limit waits for it, and a
	// proxy that is slow at its start does not.
	queueWindow = 8
	// pacedWithin is how far the time between two turns may be off the limit's
	// rate, as a part of it, to be paced by it.
	pacedWithin = 0.1
	// overtakenBy is how many times quicker a later request must have been
	// decided to show that the target was not busy.
	overtakenBy = 4
	// overtakersNeeded is how many must have been so quick, and overtakersShare
	// the part of all that they must be: single requests overtake others on a
	// busy target too.
	overtakersNeeded = 3
	overtakersShare  = 0.9
	// overtakersAsked is how many are looked at, so that a load test's history
	// is judged in its length.
	overtakersAsked = 200
	// queuedNeeded is how many requests of one key must have waited: one that is
	// late is an accident.
	queuedNeeded = 3
)

// queue is what a history shows of a target that queues.
type queue struct {
	waits map[int]time.Duration // of the attempts that waited
	// inWindows of them were on keys with limits per window alone, paced of those
	// at the rate of the limit; longest is how long they waited at the most.
	inWindows, paced int
	longest          time.Duration
	window           time.Duration
}

// waited is how long a request took to reach the provider, and whether it did.
func waited(run history.Run, a seen) (time.Duration, bool) {
	if len(a.calls) == 0 {
		return 0, false
	}
	return firstReceived(a) - run.LedgerSkew - a.Sent, true
}

func firstReceived(a seen) time.Duration {
	first := a.calls[0].Received
	for _, c := range a.calls {
		first = min(first, c.Received)
	}
	return first
}

// findQueue looks for requests that waited for a turn. Without a ledger nobody
// knows when the provider had a request.
func (j *joined) findQueue() *queue {
	var all []seen
	usual := time.Duration(math.MaxInt64)
	for _, list := range j.byKey {
		all = append(all, list...)
		for _, a := range list {
			if d, reached := waited(j.Run, a); reached {
				usual = min(usual, d)
			}
		}
	}
	over := newOvertakers(j, all)
	q, most := &queue{waits: map[int]time.Duration{}, window: j.Run.Window}, 0
	for _, k := range j.Keys {
		perTurn := time.Duration(0)
		if l := k.Limits.Requests; l != nil && *l > 0 {
			perTurn = j.Run.Window / time.Duration(*l)
		}
		former, ofKey := time.Duration(-1), 0
		reached := slices.DeleteFunc(slices.Clone(j.byKey[k.Alias]), func(a seen) bool { return len(a.calls) == 0 })
		slices.SortStableFunc(reached, func(a, b seen) int { return cmp.Compare(firstReceived(a), firstReceived(b)) })
		for _, a := range reached {
			wait, _ := waited(j.Run, a)
			wait -= max(0, usual)
			least := queueLeast
			if k.Limits.Parallel == nil {
				least = max(least, time.Duration(queueShare*float64(perTurn)))
			}
			paced := former >= 0 && perTurn >= queueLeast && within(firstReceived(a)-former, perTurn)
			former = firstReceived(a)
			if wait < least || !paced && !over.passed(a, wait) {
				continue
			}
			q.waits[a.ID] = wait
			ofKey++
			if k.Limits.Parallel != nil {
				continue // may have waited for a slot
			}
			q.inWindows++
			q.longest = max(q.longest, wait)
			if paced {
				q.paced++
			}
		}
		most = max(most, ofKey)
	}
	if most < queuedNeeded {
		return nil
	}
	return q
}

func within(d, of time.Duration) bool {
	off := time.Duration(pacedWithin * float64(of))
	return d >= of-off && d <= of+off
}

// overtakers are the attempts in the order in which they were sent, with what
// each took to be decided.
type overtakers struct {
	sent []time.Duration
	list []overtaker
}

type overtaker struct {
	seen
	took time.Duration
}

func newOvertakers(j *joined, all []seen) overtakers {
	v := &view{joined: j}
	var o overtakers
	for _, a := range all {
		if a.outcome != unknown {
			o.list = append(o.list, overtaker{a, v.decidedBy(a) - a.Sent})
		}
	}
	slices.SortFunc(o.list, func(a, b overtaker) int { return cmp.Or(cmp.Compare(a.Sent, b.Sent), cmp.Compare(a.ID, b.ID)) })
	for _, a := range o.list {
		o.sent = append(o.sent, a.Sent)
	}
	return o
}

// passed says whether a request that waited was overtaken by nearly all that
// were sent in the first half of its wait and did not wait behind it. Where the
// target was busy they took as long as it did.
func (o overtakers) passed(a seen, wait time.Duration) bool {
	quick, all := 0, 0
	at, _ := slices.BinarySearch(o.sent, a.Sent)
	for ; at < len(o.sent) && o.sent[at] <= a.Sent+wait/2 && all < overtakersAsked; at++ {
		b := o.list[at]
		if b.ID == a.ID || b.Key == a.Key && b.outcome == admitted {
			continue
		}
		all++
		if b.took <= wait/overtakenBy {
			quick++
		}
	}
	return quick >= overtakersNeeded && float64(quick) >= overtakersShare*float64(all)
}

// class names the way of queueing, where limits per window are queued for.
func (q *queue) class() string {
	switch {
	case q == nil || q.inWindows < queuedNeeded:
		return ""
	case 2*q.paced >= q.inWindows:
		return fmt.Sprintf("leaky bucket as a queue (waits up to %s)", brief(q.longest))
	}
	if q.longest < q.window/queueWindow {
		return ""
	}
	return fmt.Sprintf("queue before the limit (waits up to %s)", brief(q.longest))
}

// brief prints a wait.
func brief(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func toldOfQueue(longest time.Duration) string {
	return fmt.Sprintf("the target queues: up to %s", brief(longest))
}

// queued is how long a scenario's requests waited at the most, and whether they
// did: those of a short wait do not show, where others of the target do.
func (v *view) queued() (longest time.Duration, any bool) {
	if v.queue == nil {
		return 0, false
	}
	for _, k := range v.keys {
		if v.queue.class() != "" && k.Limits.Requests != nil {
			longest, any = max(longest, v.queue.longest), true
		}
		for _, a := range k.attempts {
			if wait, waited := v.queue.waits[a.ID]; waited {
				longest, any = max(longest, wait), true
			}
		}
	}
	return longest, any
}

// fairToQueue makes of a finding on a scenario whose requests queued what can be
// told: what could not be decided is what the queue keeps from being asked, and
// a refusal while others of the key wait is a full queue.
func (v *view) fairToQueue(r Requirement, f finding) finding {
	longest, any := v.queued()
	if !any {
		return f
	}
	told := toldOfQueue(longest)
	switch {
	case f.verdict == Inconclusive:
		return skipped(told + "; " + f.message)
	case r.Layer == Enforcement && (f.verdict == Fail || f.verdict == Warn) && v.allRefusedByFullQueue(f.attempts):
		return skipped(fmt.Sprintf("%s; what was refused came while others waited for their turn (attempts %v)", told, f.attempts))
	}
	return f
}

// waitedLong says whether a request waited for its turn: one that was found to,
// and of a target that queues for its limits any that took as long. There the
// others that were sent with it may have waited too, on keys of their own, so
// that none overtook it.
func (v *view) waitedLong(a seen) bool {
	if _, found := v.queue.waits[a.ID]; found || v.queue.class() == "" {
		return found
	}
	wait, reached := waited(v.Run, a)
	return reached && wait >= queueLeast
}

// allRefusedByFullQueue says whether each of these attempts was refused while
// others waited that count for the same key or owner.
func (v *view) allRefusedByFullQueue(list []int) bool {
	n := 0
	for _, k := range v.keys {
		for _, a := range k.attempts {
			if !slices.Contains(list, a.ID) {
				continue
			}
			n++
			full := slices.ContainsFunc(v.keys, func(other keyView) bool {
				return sameQueue(k.Key, other.Key) && slices.ContainsFunc(other.attempts, func(b seen) bool {
					return v.waitedLong(b) && b.Sent <= toldAt(a) && firstReceived(b) >= a.Sent
				})
			})
			if a.outcome != refused || !full {
				return false
			}
		}
	}
	return n > 0 && n == len(list)
}

// sameQueue says whether the requests of two keys may wait in one queue.
func sameQueue(a, b history.Key) bool {
	return a.Alias == b.Alias || slices.ContainsFunc(a.Owners, func(o history.Owner) bool {
		return slices.ContainsFunc(b.Owners, func(other history.Owner) bool { return sameOwner(o, other) })
	})
}
