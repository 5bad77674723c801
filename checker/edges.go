package checker

import (
	"fmt"
	"slices"
	"time"

	"github.com/ratecheck/ratecheck/checker/window"
)

// What happens to a limit where one window ends and the next begins.

func edgeRequirements() []Requirement {
	return []Requirement{
		{
			ID: "requests/straddling-burst", Level: Must, Layer: Enforcement,
			Sentence: "A burst that is under way when a window ends does not cost the next window.",
			Source:   "docs/reference.md rule 1; LiteLLM with Redis (its local mirror of a counter outlives the window)",
			Tolerances: []Tolerance{{
				Value:  "judged by the classes that explain the other requests of the run",
				Reason: "a sliding window lawfully remembers a burst for a window",
			}},
			judge: judgeStraddle,
		},
		{
			ID: "tokens/lockout-bounded", Level: Must, Layer: Enforcement,
			Sentence: "No key that stays below its limits is refused for longer than a window.",
			Source:   "docs/reference.md rule 1; LiteLLM 24677 (in memory a key is locked out for ten minutes)",
			Tolerances: []Tolerance{{
				Value:  "1 s, and only rows in which a refusal is false for every class",
				Reason: "windows may turn on whole seconds; a sliding counter remembers for up to two windows",
			}},
			judge: judgeLockout,
		},
		{
			ID: "refund/own-window", Level: Must, Layer: Enforcement,
			Sentence: "A reservation of one window that is settled in the next leaves the next alone: remaining is never above the limit, and nothing extra is admitted.",
			Source:   "docs/reference.md rule 14; LiteLLM from 1.85 (1800 of 1000 tokens admitted)",
			Tolerances: []Tolerance{{
				Value:  "what was charged within 0.5 s of an admission may be missing from the count",
				Reason: "a limiter that charges after the answer does so beside it",
			}},
			judge: judgeOwnWindow,
		},
	}
}

func judgeStraddle(v *view) finding {
	classes := v.requestClasses()
	for _, k := range v.keys {
		if k.Limits.Requests == nil {
			continue
		}
		open, burst, next := step(k.attempts, "open"), step(k.attempts, "straddle"), step(k.attempts, "next-window")
		switch {
		case count(open, admitted) == 0 || len(burst) == 0 || len(next) == 0:
			return undecided("no window was opened, or nothing was asked behind it: " + firstTrouble(k.attempts))
		case count(k.attempts, unknown) > 0:
			return undecided("not every request was admitted or refused: " + firstTrouble(k.attempts))
		case !allClear(k.attempts):
			// It may have been counted before the target was overloaded.
			return undecided("a refusal, or an overload? " + firstDoubtful(k.attempts))
		case count(burst, refused) == 0:
			return undecided("the burst was not refused")
		case len(classes) == 0:
			return undecided("the target's class is not known, and a sliding window may lawfully remember a burst; the scenario of " + asksForClass + " tells the class")
		}
		rule := window.Rule{Limit: *k.Limits.Requests, Window: v.Run.Window, Early: wholeSecond}
		events := v.events(k.attempts, one)
		lawful := func(c window.Class) bool { return rule.Refusals(c, events).Lawful }
		if slices.ContainsFunc(classes, lawful) {
			return passed(fmt.Sprintf("%d of a burst of %d were refused around a window's edge; behind it %d of %d requests were admitted", count(burst, refused), len(burst), count(next, admitted), len(next)))
		}
		wrong := rule.Refusals(classes[0], events)
		return finding{
			verdict:  Fail,
			message:  fmt.Sprintf("around the end of a window requests were refused although there was room: %d of %d in the burst, %d of %d behind the edge", count(burst, refused), len(burst), count(next, refused), len(next)),
			expected: fmt.Sprintf("attempt %d admitted, where room for %d of %d was left by the class that explains the other requests (%s)", wrong.IDs[0], wrong.Excess, *k.Limits.Requests, classes[0]),
			observed: fmt.Sprintf("refused %s after the window had opened; %d of the burst were admitted", seconds(wrong.From-open[0].Sent), count(burst, admitted)),
			attempts: append([]int{open[0].ID}, wrong.IDs...), needs: []string{asksForClass},
		}
	}
	return undecided("no key with a request limit was asked")
}

// lockoutSlack is how much longer than a window a row of refusals may last:
// windows may turn on whole seconds.
const lockoutSlack = wholeSecond

func judgeLockout(v *view) finding {
	if len(v.keys) == 0 {
		return undecided("no key was asked")
	}
	k := v.keys[0]
	slow := step(k.attempts, "slow")
	if len(slow) != 1 || slow[0].outcome != admitted || slow[0].Error != "" || slow[0].Done-slow[0].Sent < v.Run.Window {
		return undecided("the slow request was not answered as planned: " + firstTroubleOrStatus(slow))
	}
	longest := v.longestRow(k, false)
	if n := len(longest); n > 0 && longest[n-1].Done-longest[0].Sent > v.Run.Window+lockoutSlack {
		return v.lockedOut(k, slow[0], longest)
	}
	asked := step(k.attempts, "ask")
	inDoubt := v.longestRow(k, true)
	switch {
	case len(inDoubt) > 0 && inDoubt[len(inDoubt)-1].Done-inDoubt[0].Sent > v.Run.Window+lockoutSlack:
		return undecided("the key was refused for longer than a window, or met an overload: " + firstDoubtful(inDoubt))
	case count(k.attempts, unknown) > 0:
		return undecided("not every request was admitted or refused: " + firstTrouble(k.attempts))
	case len(asked) == 0 || asked[len(asked)-1].Sent < slow[0].Done+2*v.Run.Window:
		return undecided("the key was asked for less than two windows after the slow answer")
	}
	return passed(describeProbes(k, slow[0].Done))
}

// lockedOut judges a row of refusals that is longer than a window: some classes
// remember for longer.
func (v *view) lockedOut(k keyView, slow seen, row []seen) finding {
	locked := row[len(row)-1].Done - row[0].Sent
	surelyWrong := certain(v.falselyRefused(k))
	inRow := func(a seen) bool {
		return slices.ContainsFunc(row, func(b seen) bool { return a.ID == b.ID })
	}
	if !slices.ContainsFunc(surelyWrong, inRow) {
		return undecided(fmt.Sprintf("%s was refused for %s, and some class of limiter may still remember what it used", k.Alias, seconds(locked)))
	}
	return finding{
		verdict: Fail, message: fmt.Sprintf("a key that stays below its limits was locked out for more than %s", seconds(locked)),
		expected: fmt.Sprintf("no row of refusals longer than a window of %s", v.Run.Window),
		observed: fmt.Sprintf("%d requests refused in a row, from %s to %s after the slow answer: %s", len(row), seconds(row[0].Sent-slow.Done), seconds(row[len(row)-1].Done-slow.Done), describeProbes(k, slow.Done)),
		attempts: append([]int{slow.ID}, ids(row)...),
	}
}

// longestRow are the refusals of the longest time without an admission between
// them. Those that may be an overload break a row, or do not.
func (v *view) longestRow(k keyView, withDoubtful bool) []seen {
	var longest, row []seen
	length := func(row []seen) time.Duration {
		if len(row) == 0 {
			return 0
		}
		return row[len(row)-1].Done - row[0].Sent
	}
	for _, a := range k.attempts {
		if a.outcome != refused || a.doubtful && !withDoubtful {
			row = nil
			continue
		}
		row = append(row, a)
		if length(row) > length(longest) {
			longest = slices.Clone(row)
		}
	}
	return longest
}

func judgeOwnWindow(v *view) finding {
	for _, k := range v.keys {
		if k.Limits.Tokens == nil {
			continue
		}
		if f, wrong := aboveLimit(k); wrong {
			return f
		}
		return v.nextWindow(k)
	}
	return undecided("no key with a token limit was asked")
}

// aboveLimit finds an answer that tells more left than there is, once something
// that was held can have been settled. Who tells so before tells of another
// counter than the key's, as does who tells of another limit.
func aboveLimit(k keyView) (finding, bool) {
	hold := withOutcome(step(k.attempts, "hold"), admitted)
	if len(hold) == 0 {
		return finding{}, false
	}
	settled := toldAt(hold[0])
	for _, a := range hold {
		settled = min(settled, toldAt(a))
	}
	above := slices.DeleteFunc(withOutcome(k.attempts, admitted), func(a seen) bool {
		told := ratesOf(a)
		return told.TokensRemaining == nil || *told.TokensRemaining <= *k.Limits.Tokens ||
			told.TokensLimit != nil && *told.TokensLimit != *k.Limits.Tokens
	})
	if slices.ContainsFunc(above, func(a seen) bool { return toldAt(a) < settled }) {
		return finding{}, false
	}
	for _, a := range above {
		if left := ratesOf(a).TokensRemaining; left != nil {
			return finding{
				verdict: Fail, message: "what was reserved in one window was refunded to the next",
				expected: fmt.Sprintf("at most %d tokens remaining", *k.Limits.Tokens), observed: fmt.Sprintf("%d remaining", *left),
				attempts: onceEach(append(ids(hold), a.ID)),
			}, true
		}
	}
	return finding{}, false
}

// nextWindow judges what was admitted on the key by the classes that explain
// the other requests and the other tokens, each of which may have a limiter of
// its own, or by any where one of them is not known.
func (v *view) nextWindow(k keyView) finding {
	hold, fill := step(k.attempts, "hold"), step(k.attempts, "fill")
	classes, needs := v.requestClasses(), asksToStand()
	if len(classes) == 0 || v.tokensUntold() {
		classes, needs = window.Classes(), nil
	}
	classes = append(slices.Clone(classes), v.classesOfTokens()...)
	late := lateCharges(k.attempts)
	events := v.events(k.attempts, surelyUsed)
	rule := window.Rule{Limit: *k.Limits.Tokens, Late: late, Window: v.Run.Window, Early: wholeSecond, Grain: bucketGrain}
	lawful := func(c window.Class) bool { return rule.Admissions(c, events).Lawful }
	if count(hold, admitted) > 0 && !slices.ContainsFunc(classes, lawful) {
		found := rule.Admissions(classes[0], events)
		return finding{
			verdict: Fail, message: fmt.Sprintf("the window after the one in which %d requests had reserved admitted more than its limit", len(hold)),
			expected: fmt.Sprintf("at most %d tokens and what was charged within 0.5 s of the last admission (%d), as a %s", *k.Limits.Tokens, late, classes[0]),
			observed: fmt.Sprintf("%d more than that from %s to %s", found.Excess, seconds(found.From), seconds(found.To)),
			attempts: onceEach(append(firstFew(ids(withOutcome(hold, admitted))), found.IDs...)), needs: needs,
		}
	}
	switch n := count(hold, admitted); {
	case len(hold) == 0 || n < len(hold):
		return undecided(fmt.Sprintf("%d of %d requests that were to reserve were admitted: %s", n, len(hold), firstTrouble(hold)))
	case lastEnd(hold) < k.attempts[0].Sent+v.Run.Window:
		return undecided("what was reserved was settled in the same window: the target or the generator is out of time")
	case len(fill) == 0 || count(fill, admitted) == len(fill):
		return undecided(fmt.Sprintf("the next window could not be used up: %d of %d requests were admitted", count(fill, admitted), len(fill)))
	case count(fill, unknown) > 0:
		return undecided("not every request was admitted or refused: " + firstTrouble(fill))
	}
	return passed(fmt.Sprintf("%d requests settled in the next window, which then admitted %d of %d tokens", len(hold), tokensOf(withOutcome(fill, admitted)), *k.Limits.Tokens))
}

// onceEach lists every attempt once, in order.
func onceEach(list []int) []int {
	slices.Sort(list)
	return slices.Compact(list)
}
