package checker

import (
	"fmt"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/checker/window"
)

// The requirements on requests per window.

const (
	// burstShare is the part of a window in which a burst must have been sent
	// to be one: far below the half window between two bursts.
	burstShare = 4
	// burstFactor is how many times the limit a burst must ask for.
	burstFactor = 5
)

func requestRequirements() []Requirement {
	wholeSeconds := Tolerance{
		Value:  "windows up to 1 s short, where at least three turns in a row may fall on whole seconds",
		Reason: "limiters that keep time in whole seconds open a window up to a second before its first request",
	}
	return []Requirement{
		{
			ID: "requests/limit-kept", Level: Must, Layer: Enforcement,
			Sentence: "No more requests are admitted than the limit allows any known class of limiter.",
			Source:   "docs/reference.md rule 1; docs/judging.md (what each class may admit)",
			Tolerances: []Tolerance{wholeSeconds, {
				Value:  "windows up to 1 ms short, buckets refilled up to 5 ms early",
				Reason: "many limiters keep time in milliseconds, and read it once for all that is ready",
			}},
			judge: judgeRequestsKept,
		},
		{
			ID: "requests/limit-usable", Level: Must, Layer: Enforcement,
			Sentence: "No request is refused that every known class of limiter would admit.",
			Source:   "docs/reference.md rule 1; docs/judging.md (a refusal that is false for every class)",
			Tolerances: []Tolerance{{
				Value:  "a request counts whole for 1.1 windows and 0.5 s after its end and falls linearly to nothing in the next",
				Reason: "that is the most any known class remembers of it (the sliding counter, and logs of ten sub-windows), if it counts beside the answer",
			}, {
				Value:  "a 408, 503 or 529 to a kind of request that is refused with 429 elsewhere: INCONCLUSIVE",
				Reason: "an overload or a timeout looks the same",
			}},
			judge: judgeRequestsUsable,
		},
		{
			ID: "requests/window-reopens", Level: Must, Layer: Enforcement,
			Sentence: "After two windows of silence the whole limit is there again; after one where the class says so.",
			Source:   "docs/reference.md rule 1; LiteLLM 14204",
			Tolerances: []Tolerance{{
				Value:  "after one window and max(0.6 s, W/8), a limiter of unknown class owes only what a sliding counter would give back",
				Reason: "fixed windows and logs give all back after one window, counters in the course of the second",
			}},
			judge: judgeRequestsReopen,
		},
	}
}

// clockGrain is how much shorter a window may be than it was declared: many
// limiters keep time in milliseconds, and open a window at the one that has
// begun.
const clockGrain = time.Millisecond

// bucketGrain is how much sooner than it should a bucket may refill: its clock
// counts milliseconds, and an event loop reads it once for all that is ready.
const bucketGrain = 5 * time.Millisecond

// kept is what the window rules say of the admissions, of which so much may have
// been charged late. doubt says that an
// unlawful history would be lawful if windows turned on whole seconds, and that
// too few turns were seen to tell.
func (v *view) kept(limit, late int64, events []window.Event) (found window.Finding, doubt bool) {
	rule := window.Rule{Limit: limit, Late: late, Window: v.Run.Window, Early: clockGrain, Grain: bucketGrain}
	if found = rule.Kept(events); found.Lawful {
		return found, false
	}
	may, turns := turnsOnWholeSeconds(events)
	if !may {
		return found, false
	}
	rule.Early = wholeSecond
	early := rule.Kept(events)
	if turns >= turnsNeeded {
		return early, false
	}
	return found, early.Lawful
}

// inDoubt is the finding where kept is in doubt.
func inDoubt(k keyView, found window.Finding, what string) finding {
	return undecided(fmt.Sprintf(
		"%s was admitted %d %s more than its limit allows from %s to %s, unless its windows turn on whole seconds: fewer than %d turns were seen, too few to tell",
		k.Alias, found.Excess, what, seconds(found.From), seconds(found.To), turnsNeeded))
}

func judgeRequestsKept(v *view) finding {
	var said []string
	var open *finding // the first reason for which nothing can be told
	for _, k := range v.keys {
		if k.Limits.Requests == nil {
			continue
		}
		limit := *k.Limits.Requests
		found, doubt := v.kept(limit, 0, v.events(k.attempts, one))
		if !found.Lawful && !doubt {
			return finding{
				verdict: Fail, message: fmt.Sprintf("%s was admitted %d requests more than its limit allows", k.Alias, found.Excess),
				expected: fmt.Sprintf("at most %d requests per %s, as a %s", limit, v.Run.Window, found.Class),
				observed: fmt.Sprintf("%d too many from %s to %s, in the nearest class (%s)", found.Excess, seconds(found.From), seconds(found.To), found.Class),
				attempts: found.IDs,
			}
		}
		f, delivered := v.demandDelivered(k, limit)
		if doubt {
			f, delivered = inDoubt(k, found, "requests"), false
		}
		if !delivered && open == nil {
			open = &f
		}
		said = append(said, fmt.Sprintf("%d of %d requests admitted, lawful for a %s", count(k.attempts, admitted), len(k.attempts), found.Class))
	}
	if open != nil {
		return *open
	}
	if len(said) == 0 {
		return undecided("no key with a request limit was asked")
	}
	return passed(strings.Join(said, "; "))
}

// demandDelivered says whether the bursts were ones, large enough, together and
// answered, and whether the paced demand was above the limit.
func (v *view) demandDelivered(k keyView, limit int64) (finding, bool) {
	bursts := 0
	for _, name := range steps(k.attempts) {
		some := step(k.attempts, name)
		told := len(some) - count(some, unknown)
		switch {
		case strings.HasPrefix(name, "burst"):
			bursts++
			if stretch := spread(some); stretch > v.Run.Window/burstShare {
				return undecided(fmt.Sprintf("the burst %s stretched over %s, more than a quarter of a window: the generator or the target is too slow", name, stretch)), false
			}
			if int64(told) < burstFactor*limit {
				return undecided(fmt.Sprintf("of the burst %s only %d requests were admitted or refused, %d are needed: %s", name, told, burstFactor*limit, firstTrouble(some))), false
			}
		case strings.HasPrefix(name, "pace"):
			if windows := float64(spread(some)) / float64(v.Run.Window); float64(told) < windows*float64(limit) {
				return undecided(fmt.Sprintf("of %d paced requests only %d were admitted or refused in %.1f windows, which does not reach the limit: %s", len(some), told, windows, firstTrouble(some))), false
			}
		}
	}
	if bursts == 0 {
		return undecided("no burst was sent"), false
	}
	return finding{}, true
}

// firstTrouble says why an attempt has no clear outcome.
func firstTrouble(attempts []seen) string {
	for _, a := range attempts {
		if a.outcome == unknown {
			return describe(a)
		}
	}
	return "all were answered"
}

func describe(a seen) string {
	text := fmt.Sprintf("attempt %d: status %d", a.ID, a.Status)
	if a.Error != "" {
		text += fmt.Sprintf(", %s: %s", a.Error, a.ErrorText)
	}
	if a.Excerpt != "" {
		text += ", " + a.Excerpt
	}
	return text
}

// subWindows is how many sub-windows a log of counts has at least. Each counts
// until the last of it is a window old, so that the first of it counts longer.
const subWindows = 10

// remembered is how much longer than a window after its answer an attempt may
// count whole: it was charged beside the answer, into a sub-window.
func (v *view) remembered() time.Duration { return chargeDelay + v.Run.Window/subWindows }

// spentRequests are the attempts that may have been counted.
func (v *view) spentRequests(attempts []seen) []window.Spent {
	var spent []window.Spent
	for _, a := range attempts {
		if a.outcome != refused || a.doubtful {
			spent = append(spent, window.Spent{From: a.Sent, To: overAt(a) + v.remembered(), Cost: 1, Cap: 1})
		}
	}
	return spent
}

func (v *view) refusedAt(attempts []seen, cost func(seen) int64) []window.Refused {
	var list []window.Refused
	for _, a := range withOutcome(attempts, refused) {
		list = append(list, window.Refused{ID: a.ID, From: a.Sent, To: v.decidedBy(a), Cost: cost(a)})
	}
	return list
}

func judgeRequestsUsable(v *view) finding {
	refusals := 0
	var open *finding
	for _, k := range v.keys {
		if k.Limits.Requests == nil {
			continue
		}
		limit := *k.Limits.Requests
		refusals += count(k.attempts, refused)
		rule := window.Rule{Limit: limit, Window: v.Run.Window}
		spent := v.spentRequests(k.attempts)
		if wrong := rule.FalseRefusals(spent, v.refusedAt(certain(k.attempts), one)); len(wrong) > 0 {
			worst := wrong[0]
			for _, f := range wrong {
				if f.Excess > worst.Excess {
					worst = f
				}
			}
			return finding{
				verdict: Fail, message: fmt.Sprintf("%s was refused %d times although there was room by every way of counting", k.Alias, len(wrong)),
				expected: fmt.Sprintf("a request is admitted while fewer than %d count", limit),
				observed: fmt.Sprintf("attempt %d was refused at %s with room for %d", worst.IDs[0], seconds(worst.To), worst.Excess),
				attempts: firstIDs(wrong),
			}
		}
		if wrong := rule.FalseRefusals(spent, v.refusedAt(k.attempts, one)); len(wrong) > 0 && open == nil {
			f := undecidedStatus(k.attempts, wrong[0].IDs[0])
			open = &f
		}
	}
	if open != nil {
		return *open
	}
	if refusals == 0 {
		return undecided("nothing was refused, so no refusal could be judged")
	}
	return passed(fmt.Sprintf("%d refusals, each lawful for some class", refusals))
}

// undecidedStatus is the finding where all hangs on a doubtful refusal.
func undecidedStatus(attempts []seen, id int) finding {
	for _, a := range attempts {
		if a.ID == id {
			return undecided(fmt.Sprintf("%s: a refusal, or an overload? the target refuses others like it with 429", describe(a)))
		}
	}
	return undecided(fmt.Sprintf("attempt %d may have been refused, or the target was overloaded", id))
}

// shown is how many attempts a finding names where many show the same.
const shown = 5

func firstIDs(list []window.Finding) []int {
	var ids []int
	for _, f := range list[:min(shown, len(list))] {
		ids = append(ids, f.IDs...)
	}
	return ids
}

// firstEnd is the earliest instant at which one of the attempts was over.
func firstEnd(attempts []seen) time.Duration {
	first := attempts[0].Done
	for _, a := range attempts {
		first = min(first, a.Done)
	}
	return first
}
