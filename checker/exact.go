package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/checker/window"
)

// Drift to the token, black-box, and over several windows.

func exactRequirements() []Requirement {
	return []Requirement{
		{
			ID: "drift/edge-exact", Level: Must, Layer: Enforcement,
			Sentence: "After mixed traffic a request of exactly what must be left is admitted, and one token more is refused.",
			Source:   "docs/reference.md rules 11-14; docs/judging.md (drift to the token)",
			Tolerances: []Tolerance{{
				Value:  "what the limiter adds to max_tokens is measured first, on two fresh keys",
				Reason: "every limiter estimates a prompt in its own way",
			}},
			judge: judgeEdgeExact,
		},
		{
			ID: "drift/steady-state", Level: Must, Layer: Enforcement,
			Sentence: "Under the same mixed traffic every window admits the same.",
			Source:   "docs/reference.md rule 14; LiteLLM 27001",
			Tolerances: []Tolerance{{
				Value:  "what one request uses, what clients that left may be charged differently, and what was charged within 0.5 s of an admission",
				Reason: "a window is used up to within one request, and a client leaves a little sooner or later",
			}, {
				Value:  "rounds of other traffic, nearly a window long, or less than one apart, and clocks whose turns explain the difference: INCONCLUSIVE",
				Reason: "a window may have turned in the midst of a round",
			}},
			judge: judgeSteady,
		},
	}
}

func judgeEdgeExact(v *view) finding {
	if len(v.keys) == 0 {
		return undecided("no key was asked")
	}
	twice := step(v.keys[0].attempts, "never")
	if len(twice) == 1 && twice[0].outcome == admitted {
		return skipped("a request for twice the limit is admitted: the limiter reserves nothing, or not by max_tokens")
	}
	if unclear := slices.DeleteFunc(withOutcome(v.all(), unknown), v.toldItNeverFits); len(unclear) > 0 {
		return undecided("not every request was admitted or refused: " + describe(unclear[0]))
	}
	k := v.keys[len(v.keys)-1]
	confirm := step(k.attempts, "confirm")
	calibrated := withOutcome(confirm, admitted)
	if len(v.keys) < 2 || len(calibrated) != 1 {
		return skipped("what the limiter reserves is not max_tokens and a constant: a limit of other size, or one that was used in part, admits another share of it")
	}
	if k.Limits.Tokens == nil || calibrated[0].MaxTokens == nil || len(confirm) < 2 {
		return undecided("what the limiter adds to max_tokens could not be measured")
	}
	if slices.ContainsFunc(confirm, func(a seen) bool { return a.doubtful }) {
		return undecided("what the limiter adds to max_tokens may have been measured on an overload: " + firstDoubtful(confirm))
	}
	// One token more was refused, or the limiter adds less than was measured.
	if !slices.ContainsFunc(confirm, func(a seen) bool {
		return a.outcome != admitted && a.MaxTokens != nil && *a.MaxTokens == *calibrated[0].MaxTokens+1
	}) {
		return undecided("what the limiter adds to max_tokens was not measured to the token")
	}
	traffic, more, exact := step(k.attempts, "traffic"), step(k.attempts, "one-more"), step(k.attempts, "exact")
	for _, a := range traffic {
		if a.outcome != admitted || a.Error != "" || a.Status != 200 {
			return undecided("a request of the traffic was not answered as planned: " + describe(a))
		}
	}
	if len(more) != 1 || len(exact) != 1 || more[0].MaxTokens == nil || exact[0].MaxTokens == nil || len(traffic) == 0 {
		return undecided("what is left was not asked for")
	}
	spent := tokensOf(traffic) + used(calibrated[0])
	room := *calibrated[0].MaxTokens - spent
	switch {
	case *exact[0].MaxTokens != room || *more[0].MaxTokens != room+1:
		return undecided(fmt.Sprintf("the traffic used %d tokens, another number than was planned", spent))
	case !rested(append(traffic[:len(traffic):len(traffic)], calibrated...), more[0]):
		return undecided(fmt.Sprintf("what is left was asked for less than %s after the traffic had ended", chargeDelay))
	case more[0].doubtful || exact[0].doubtful:
		return undecided("a request may have met an overload: " + describe(exact[0]))
	}
	f := finding{
		verdict: Fail, expected: fmt.Sprintf("after %d tokens of %d: max_tokens %d refused, %d admitted", spent, *k.Limits.Tokens, room+1, room),
		observed: fmt.Sprintf("%d %s, %d %s", room+1, more[0].outcome, room, exact[0].outcome),
		attempts: append(append([]int{calibrated[0].ID}, ids(traffic)...), more[0].ID, exact[0].ID),
	}
	switch {
	case more[0].outcome == refused && exact[0].outcome == refused:
		f.message = "a request of exactly what must be left was refused"
		return f
	case more[0].outcome == admitted && v.still(k.attempts[0], exact[0]):
		f.message, f.needs = "a request of one token more than can be left was admitted", asksToStand()
		return f
	case more[0].outcome == admitted:
		return undecidedByClass("one token more than can be left was admitted: too little was charged, or the counter refilled or turned meanwhile")
	}
	return passed(fmt.Sprintf("after %d tokens of %d max_tokens %d is refused and %d admitted", spent, *k.Limits.Tokens, room+1, room))
}

// toldItNeverFits says whether a request for more than its key's whole limit was
// told so, and not refused until later. A target that admits none of a scenario
// may have said it of something else.
func (v *view) toldItNeverFits(a seen) bool {
	asksForAll := a.Step == "never" || a.Step == "search" || a.Step == "confirm"
	return asksForAll && a.outcome == unknown && a.Error == "" && saysNeverFits(a.Status) && count(v.all(), admitted) > 0
}

// creepSteps is how many steps make what windows admit creep. A single one is no
// creep: a window on the clock may have turned in the midst of one of them.
const creepSteps = 2

func judgeSteady(v *view) finding {
	if len(v.keys) == 0 {
		return undecided("no key was asked")
	}
	k := v.keys[0]
	if count(step(k.attempts, "fill-*"), unknown) > 0 {
		return undecided("not every request was admitted or refused: " + firstTrouble(step(k.attempts, "fill-*")))
	}
	var sums []int64
	var rounds [][]seen
	var wavers int64
	var evidence []int
	for i := 1; ; i++ {
		fills := step(k.attempts, fmt.Sprintf("fill-%d", i))
		if len(fills) == 0 {
			break
		}
		last := fills[len(fills)-1]
		if last.outcome != refused || last.doubtful {
			return undecided(fmt.Sprintf("window %d was not used up: %s", i, describe(last)))
		}
		var differ int64
		for _, a := range step(k.attempts, fmt.Sprintf("mix-%d", i)) {
			if a.Error != "" {
				differ += used(a)
			}
		}
		rounds = append(rounds, append(step(k.attempts, fmt.Sprintf("mix-%d", i)), fills...))
		wavers = max(wavers, differ+used(fills[0])+lateCharges(append(step(k.attempts, fmt.Sprintf("mix-%d", i)), fills...)))
		sums, evidence = append(sums, tokensOf(withOutcome(fills, admitted))), append(evidence, last.ID)
	}
	if len(sums) < 2 {
		return undecided("fewer than two windows were used up")
	}
	told := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(sums)), ", "), "[]")
	creep := sums[len(sums)-1] - sums[0]
	falls := slices.IsSortedFunc(sums, func(a, b int64) int { return int(b - a) })
	rises := slices.IsSorted(sums)
	odd := slices.Max(sums)-slices.Min(sums) > wavers && !slices.Contains(v.classesForTokens(), window.FixedClock)
	switch {
	case max(creep, -creep) <= wavers && odd:
		return undecided(fmt.Sprintf("windows of the same traffic admitted %s tokens more, which does not creep and is not the same", told))
	case max(creep, -creep) <= wavers:
		return passed(fmt.Sprintf("%d windows of the same traffic admitted %s tokens more each", len(sums), told))
	case !falls && !rises || len(slices.Compact(slices.Clone(sums))) <= creepSteps || !givesAllBackAfterOne(v.classesForTokens()):
		return undecided(fmt.Sprintf("windows of the same traffic admitted %s tokens more, which some class of limiter may do, or the target is out of time", told))
	}
	if why := v.notInWindows(k, rounds, wavers); why != "" {
		return undecided(fmt.Sprintf("windows of the same traffic admitted %s tokens more, but %s", told, why))
	}
	return finding{
		verdict: Fail, message: fmt.Sprintf("what windows of the same traffic admit creeps by %+d tokens in %d windows", creep, len(sums)),
		expected: fmt.Sprintf("the same in each, to within %d tokens", wavers), observed: told + " tokens",
		attempts: evidence, needs: asksToStand(),
	}
}

// notInWindows says why rounds of traffic are not the same in windows of their
// own, if they are not: then a sound limiter may admit more or less in each.
func (v *view) notInWindows(k keyView, rounds [][]seen, wavers int64) string {
	mixed := func(round []seen) int { return len(step(withOutcome(round, admitted), "mix-*")) }
	over := time.Duration(-1)
	for i, round := range rounds {
		first, last := round[0].Sent, round[len(round)-1]
		switch {
		case mixed(round) != mixed(rounds[0]) || len(step(round, "mix-*")) != mixed(round):
			return fmt.Sprintf("the traffic of round %d was another than that of the first", i+1)
		case v.decidedBy(last) > first+v.Run.Window-wholeSecond:
			return fmt.Sprintf("round %d lasted for nearly a window: the generator or the target is too slow", i+1)
		case i > 0 && first < over+v.Run.Window:
			return fmt.Sprintf("round %d began less than a window after the former one", i+1)
		}
		for _, a := range round {
			over = max(over, overAt(a))
		}
	}
	if !slices.Contains(v.classesForTokens(), window.FixedClock) {
		return ""
	}
	// Windows on the clock may turn in the midst of several rounds. One rule for
	// admissions and refusals, so that one phase has to explain both: what they
	// may be off by is added to the limit, and to a refusal's cost once more.
	events := v.events(k.attempts, used)
	for i := range events {
		if !events[i].Admitted {
			at := slices.IndexFunc(k.attempts, func(a seen) bool { return a.ID == events[i].ID })
			events[i].Cost = mostOf(k, k.attempts[at]) + 2*wavers
		}
	}
	rule := window.Rule{Limit: orUnlimited(k.Limits.Tokens) + wavers, Window: v.Run.Window}
	if rule.Admissions(window.FixedClock, events).Lawful && rule.Refusals(window.FixedClock, events).Lawful {
		return "windows on the clock may have turned in the midst of some"
	}
	return ""
}
