package checker

import (
	"slices"

	"github.com/ratecheck/ratecheck/checker/window"
	"github.com/ratecheck/ratecheck/history"
)

// The classes by which tokens are counted, which may be others than those of
// requests.

// countsTokensOtherwise says that what one client was admitted and refused of
// tokens is explained, and by none of these classes of requests: a target may
// have a limiter for each kind.
func (j *joined) countsTokensOtherwise(requests []window.Class) bool {
	tokens := j.classesOfTokens()
	return len(tokens) > 0 && !slices.ContainsFunc(tokens, func(c window.Class) bool { return slices.Contains(requests, c) })
}

// tokensUnclear says that one client asked for tokens, and that its answers do
// not tell how they are counted: some were lost, or may have met an overload.
func (j *joined) tokensUnclear() bool {
	unclear := false
	for _, k := range j.asked(asksForTokenClass) {
		switch {
		case k.Limits.Tokens == nil:
		case !allClear(k.attempts) || slices.ContainsFunc(withOutcome(k.attempts, admitted), func(a seen) bool { return !answeredWhole(a) }):
			unclear = true
		case count(k.attempts, refused) > 0:
			return false
		}
	}
	return unclear
}

// findTokensUntold says whether nobody asked how tokens are counted, or the
// answers do not tell.
func (j *joined) findTokensUntold() bool {
	asked := slices.ContainsFunc(j.Run.Planned, func(p history.Plan) bool { return slices.Contains(p.Asks, asksForTokenClass) })
	return !asked || j.tokensUnclear()
}

// classesForTokens are the classes by which tokens are judged where nothing else
// is known of them: those of requests, or their own where no class explains both.
func (j *joined) classesForTokens() []window.Class {
	if j.tokensUntold() {
		return nil
	}
	if requests := j.requestClasses(); !j.countsTokensOtherwise(requests) {
		return requests
	}
	return j.classesOfTokens()
}

// findTokenClasses returns the classes that explain what one client was admitted and
// refused of tokens in the run.
func (j *joined) findTokenClasses() []window.Class {
	for _, k := range j.asked(asksForTokenClass) {
		if k.Limits.Tokens == nil || count(k.attempts, refused) == 0 || !allClear(k.attempts) {
			continue
		}
		late := lateCharges(k.attempts)
		if j.charging() == ReserveAndSettle {
			late = 0 // what is reserved counts at once
		}
		return j.view(k.Scenario).tokenClasses(k, late)
	}
	return nil
}

// tokenClasses are the classes that explain what one client was admitted and
// refused, where so much may be charged too late to be seen.
func (v *view) tokenClasses(k keyView, late int64) []window.Class {
	events := v.events(k.attempts, used)
	rule := window.Rule{Limit: *k.Limits.Tokens, Late: late, Window: v.Run.Window, Early: clockGrain, Grain: bucketGrain}
	if may, turns := turnsOnWholeSeconds(events); may && turns >= turnsNeeded {
		rule.Early = wholeSecond
	}
	// A refusal is lawful if there was no room for the most that it may have
	// been estimated at.
	capped := slices.Clone(events)
	for i := range capped {
		if !capped[i].Admitted {
			at := slices.IndexFunc(k.attempts, func(a seen) bool { return a.ID == capped[i].ID })
			capped[i].Cost = mostOf(k, k.attempts[at])
		}
	}
	return slices.DeleteFunc(window.Classes(), func(c window.Class) bool {
		return !rule.Admissions(c, events).Lawful || !rule.Refusals(c, capped).Lawful
	})
}
