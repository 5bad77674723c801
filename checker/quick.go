package checker

import (
	"fmt"
	"time"
)

// quickRefusal is the most that a refusal may cost a client: a person does not
// notice it yet, and a limiter that decides takes a hundredth of it.
const quickRefusal = 250 * time.Millisecond

// slowNeeded is how many refusals must have been slow: a single one may have met
// a pause of the target.
const slowNeeded = 2

func quickRequirements() []Requirement {
	return []Requirement{{
		ID: "refusal/quick", Level: Should, Layer: Contract,
		Sentence: "A refusal costs less than 250 ms.",
		Source:   "docs/judging.md (a queue is a class); SMG, which answers 503 when a request has waited in vain",
		Tolerances: []Tolerance{{
			Value:  "the quickest of the refusals that were sent alone on their key counts",
			Reason: "clients of a burst share one proxy, and wait for each other",
		}, {
			Value:  "a single slow refusal: INCONCLUSIVE",
			Reason: "it may have met a pause of the target",
		}, {
			Value:  "what the slowest admitted request of the key took beside its upstream call comes on top",
			Reason: "a target that is busy or far away is slow in all that it says",
		}},
		judge: judgeQuick,
	}}
}

func judgeQuick(v *view) finding {
	n := 0
	var quickest seen
	var took, least time.Duration // of the quickest, and what it cost
	for _, k := range v.keys {
		usual, known := v.slowestOtherwise(k)
		if !known {
			continue
		}
		for _, a := range alone(k.attempts) {
			if a.outcome != refused || a.doubtful || a.ErrorEvent {
				continue
			}
			if cost := toldAt(a) - a.Sent - usual; n == 0 || cost < least {
				quickest, took, least = a, toldAt(a)-a.Sent, cost
			}
			n++
		}
	}
	switch {
	case n == 0:
		return undecided("no request that was sent alone was refused")
	case least >= quickRefusal && n < slowNeeded:
		return undecided(fmt.Sprintf("the only refusal that was sent alone took %s longer than an admission, and may have met a pause of the target", seconds(least)))
	case least >= quickRefusal:
		return finding{
			verdict: Fail, message: fmt.Sprintf("each of %d refusals that were sent alone took at least %s longer than an admission", n, seconds(least)),
			expected: fmt.Sprintf("less than %s beside the way there and back (%s)", quickRefusal, seconds(took-least)),
			observed: fmt.Sprintf("%s, the quickest", seconds(took)), attempts: []int{quickest.ID},
		}
	}
	said := fmt.Sprintf("%s, the quickest of %d refusals that were sent alone", seconds(took), n)
	if longest, queues := v.queued(); queues {
		said += "; " + toldOfQueue(longest)
	}
	return passed(said)
}

// alone are the attempts beside which no other of their key was under way.
func alone(attempts []seen) []seen {
	var some []seen
	for i, a := range attempts {
		crowded := false
		for j, b := range attempts {
			crowded = crowded || i != j && b.Sent <= a.Done && b.Done >= a.Sent
		}
		if !crowded {
			some = append(some, a)
		}
	}
	return some
}

// slowestOtherwise is the most that an admitted request of a key took beside its
// upstream calls, and whether there was one. Without a ledger the upstream is
// part of it.
func (v *view) slowestOtherwise(k keyView) (slowest time.Duration, known bool) {
	for _, a := range withOutcome(k.attempts, admitted) {
		if a.Headers == 0 {
			continue
		}
		took := a.Headers - a.Sent
		for _, c := range a.calls {
			took -= max(0, c.FirstByte-c.Received)
		}
		slowest, known = max(slowest, took), true
	}
	return slowest, known
}
