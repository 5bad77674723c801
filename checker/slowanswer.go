package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/checker/window"
)

// judgeTokensReopen looks at the probes that follow a slow answer: a refusal is
// false if there was room for it by both limits of its key.
func judgeTokensReopen(v *view) finding {
	var said []string
	var failed, open *finding
	for _, k := range v.keys {
		f := v.tokensBack(k)
		switch {
		case f.verdict == Fail && failed == nil:
			failed = &f
		case f.verdict == Inconclusive && open == nil:
			open = &f
		}
		if f.observed != "" {
			said = append(said, f.observed)
		}
	}
	told := strings.Join(said, "; ")
	switch {
	case failed != nil:
		failed.observed = told
		return *failed
	case open != nil:
		return *open
	}
	return passed(told)
}

// tokensBack judges one key. What it observed of the probes stands in observed,
// for all keys are told together.
func (v *view) tokensBack(k keyView) finding {
	slow := step(k.attempts, "slow")
	if len(slow) != 1 || slow[0].outcome != admitted || slow[0].Error != "" || slow[0].Done-slow[0].Sent < v.Run.Window {
		return undecided(fmt.Sprintf("the slow request of %s was not answered as planned: %s", describeLimits(k), firstTroubleOrStatus(slow)))
	}
	told := fmt.Sprintf("%s: %s", describeLimits(k), describeProbes(k, slow[0].Done))
	wrong := v.falselyRefused(k)
	if sure := certain(wrong); len(sure) > 0 {
		return finding{
			verdict:  Fail,
			message:  fmt.Sprintf("a key with %s is refused although its tokens are long over", describeLimits(k)),
			expected: fmt.Sprintf("admitted %s after the slow answer ended: nothing else was used since", seconds(sure[0].Sent-slow[0].Done)),
			observed: told,
			attempts: append([]int{slow[0].ID}, ids(sure)...),
		}
	}
	f := finding{verdict: Pass, observed: told}
	late := slices.IndexFunc(k.attempts, func(a seen) bool {
		return a.outcome == admitted && a.Sent > slow[0].Done+chargeDelay+v.Run.Window
	})
	switch n := count(k.attempts, unknown); {
	case len(wrong) > 0:
		f = undecidedStatus(wrong, wrong[0].ID)
	case n > 0:
		f = undecided("a probe was neither admitted nor refused: " + firstTrouble(k.attempts))
	case v.touchedLate(k, slow[0]):
		f = undecided(fmt.Sprintf("the request that was to come while the tokens of the slow answer still counted came too late on the key with %s: the generator or the target is too slow", describeLimits(k)))
	case late < 0:
		f = undecided(fmt.Sprintf("no probe of %s was admitted after the tokens were over, and no refusal was surely false", describeLimits(k)))
	}
	f.observed = told
	return f
}

// touchedLate says that the request between the slow answer and the probes was
// decided when the tokens were over already, so that it could renew nothing.
func (v *view) touchedLate(k keyView, slow seen) bool {
	ended := slow.Done
	for _, c := range slow.calls {
		ended = min(ended, c.Done)
	}
	for _, a := range step(k.attempts, "touch") {
		if v.decidedBy(a) > ended+v.Run.Window {
			return true
		}
	}
	return false
}

func firstTroubleOrStatus(attempts []seen) string {
	if len(attempts) == 0 {
		return "it was not sent"
	}
	return describe(attempts[0])
}

// slotsMayBeTaken says whether all slots of a key may have been taken when one
// of its requests was refused: they may be freed beside the answer.
func slotsMayBeTaken(k keyView, refusal seen) bool {
	if k.Limits.Parallel == nil {
		return false
	}
	taken := int64(0)
	for _, a := range k.attempts {
		mayHold := a.outcome != refused || a.doubtful
		if mayHold && a.Sent <= toldAt(refusal) && overAt(a)+slotFreed > refusal.Sent {
			taken++
		}
	}
	return taken >= *k.Limits.Parallel
}

// falselyRefused are the refusals for which both limits and the slots had room.
func (v *view) falselyRefused(k keyView) []seen {
	roomFor := func(limit *int64, spent []window.Spent, cost func(seen) int64) map[int]bool {
		room := map[int]bool{}
		rule := window.Rule{Limit: orUnlimited(limit), Window: v.Run.Window}
		for _, f := range rule.FalseRefusals(spent, v.refusedAt(k.attempts, cost)) {
			room[f.IDs[0]] = true
		}
		return room
	}
	byTokens := roomFor(k.Limits.Tokens, v.spentTokens(k), func(a seen) int64 { return mostOf(k, a) })
	byRequests := roomFor(k.Limits.Requests, v.spentRequests(k.attempts), one)
	var wrong []seen
	for _, a := range k.attempts {
		if byTokens[a.ID] && byRequests[a.ID] && !slotsMayBeTaken(k, a) {
			wrong = append(wrong, a)
		}
	}
	return wrong
}

// spentTokens are the attempts that may have been charged. What has no clear
// outcome may have cost its most, and so may what was admitted and not answered:
// some limiters keep the estimate of a call that failed. What was reserved comes
// back when the answer is charged; the charge may be remembered for longer.
func (v *view) spentTokens(k keyView) []window.Spent {
	var spent []window.Spent
	for _, a := range k.attempts {
		if a.outcome == refused && !a.doubtful {
			continue
		}
		cost, most := int64(0), mostOf(k, a)
		if a.outcome == admitted {
			cost = used(a)
		}
		if a.outcome != admitted || !answeredWhole(a) {
			cost = max(cost, most)
		}
		spent = append(spent,
			window.Spent{From: a.Sent, To: overAt(a) + v.remembered(), Cost: cost, Cap: cost},
			window.Spent{From: a.Sent, To: overAt(a) + chargeDelay, Cap: max(0, most-cost)},
		)
	}
	return spent
}

// answeredWhole says whether an attempt has a whole answer of success, which the
// target then had too.
func answeredWhole(a seen) bool { return a.Status/100 == 2 && a.Error == "" && !a.ErrorEvent }

// mostOf is the most that a limiter may count an attempt at before it knows. A
// request without a cap states no max_tokens and may be counted at anything.
func mostOf(k keyView, a seen) int64 {
	if a.Cap == 0 {
		return orUnlimited(k.Limits.Tokens)
	}
	return a.Cap
}

// orUnlimited stands in for a limit that is not there. It is far above what a
// run can use and far below what overflows.
func orUnlimited(limit *int64) int64 {
	if limit != nil {
		return *limit
	}
	const unlimited = int64(1) << 50
	return unlimited
}

func describeLimits(k keyView) string {
	var parts []string
	if k.Limits.Requests != nil {
		parts = append(parts, "a request limit")
	}
	if k.Limits.Tokens != nil {
		parts = append(parts, "a token limit")
	}
	if k.Limits.Parallel != nil {
		parts = append(parts, "slots")
	}
	return strings.Join(parts, " and ")
}

// describeProbes lists the probes by outcome, each with its time after an
// instant.
func describeProbes(k keyView, from time.Duration) string {
	var groups, times []string
	var former outcome
	end := func() {
		if len(times) > 0 {
			groups = append(groups, fmt.Sprintf("%s at %s s", former, strings.Join(times, ", ")))
		}
		times = nil
	}
	for _, a := range k.attempts {
		if a.Step == "slow" {
			continue
		}
		if a.outcome != former {
			end()
		}
		former = a.outcome
		times = append(times, fmt.Sprintf("%+.1f", (a.Sent-from).Seconds()))
	}
	end()
	return strings.Join(groups, ", ")
}
