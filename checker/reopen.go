package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/checker/window"
)

// asksForClass is the requirement whose scenarios tell the class.
const asksForClass = "requests/limit-kept"

// findRequestClasses returns the classes that explain every admission and refusal of
// the scenario in which a request limit was asked hardest. A request without a
// clear outcome may have been counted, so that nothing can be told beside it. A
// target that queues is of none of these classes.
func (j *joined) findRequestClasses() []window.Class {
	if j.queue.class() != "" {
		return nil // when a request was counted is known to the length of its wait only
	}
	for _, plan := range j.Run.Planned {
		if !slices.Contains(plan.Asks, asksForClass) {
			continue
		}
		v := j.view(plan.Scenario)
		for _, k := range v.keys {
			if k.Limits.Requests == nil || count(k.attempts, refused) == 0 {
				continue
			}
			events := v.events(k.attempts, one)
			if len(events) < len(k.attempts) {
				return nil
			}
			rule := window.Rule{Limit: *k.Limits.Requests, Window: v.Run.Window, Early: clockGrain, Grain: bucketGrain}
			if may, turns := turnsOnWholeSeconds(events); may && turns >= turnsNeeded {
				rule.Early = wholeSecond
			}
			return rule.Explained(events)
		}
	}
	return nil
}

// onlyOf says that the target was explained, and by these classes alone.
func onlyOf(classes []window.Class, these ...window.Class) bool {
	for _, c := range classes {
		if !slices.Contains(these, c) {
			return false
		}
	}
	return len(classes) > 0
}

// givesAllBackAfterOne says that every class that explains the target gives the
// whole limit back when one window has passed.
func givesAllBackAfterOne(classes []window.Class) bool {
	return onlyOf(classes, window.FixedFirstUse, window.FixedClock, window.SlidingLog)
}

func judgeRequestsReopen(v *view) finding {
	classes := v.requestClasses()
	var said []string
	var open *finding
	for _, k := range v.keys {
		if k.Limits.Requests == nil {
			continue
		}
		f := v.reopened(k, classes)
		switch {
		case f.verdict == Fail:
			return f
		case f.verdict == Pass:
			said = append(said, f.message)
		case open == nil:
			open = &f
		}
	}
	if open != nil {
		return *open
	}
	if len(said) == 0 {
		return undecided("no key with a request limit was asked")
	}
	return passed(strings.Join(said, "; "))
}

// reopened judges one key that was used up, silent, and asked again.
func (v *view) reopened(k keyView, classes []window.Class) finding {
	limit := *k.Limits.Requests
	before, again := step(k.attempts, "use-up"), step(k.attempts, "after-*")
	if len(before) == 0 || len(again) == 0 {
		return undecided(fmt.Sprintf("%s was not used up and asked again", k.Alias))
	}
	silent := again[0].Sent - lastOver(before)
	owed, needs := limit, []string(nil)
	if silent < 2*v.Run.Window {
		if givesAllBackAfterOne(classes) {
			needs = []string{asksForClass}
		} else {
			back := float64(silent-v.Run.Window-chargeDelay) / float64(v.Run.Window)
			owed = max(0, int64(float64(limit)*back))
		}
	}
	owed = min(owed, int64(len(again)))
	got := int64(count(again, admitted))
	surely := withOutcome(certain(again), refused)
	if int64(len(again)-len(surely)) < owed {
		return finding{
			verdict: Fail, message: fmt.Sprintf("%s got %d of its %d requests back after %s of silence", k.Alias, got, limit, seconds(silent)),
			expected: fmt.Sprintf("%d of %d requests admitted %s after the last one ended (window %s)", owed, len(again), seconds(silent), v.Run.Window),
			observed: fmt.Sprintf("%d admitted, %d refused", got, len(surely)),
			attempts: firstFew(ids(surely)), needs: needs,
		}
	}
	switch {
	case count(before, refused) == 0:
		return undecided(fmt.Sprintf("the limit of %s could not be used up: %d of %d requests were admitted", k.Alias, count(before, admitted), len(before)))
	case count(again, unknown) > 0:
		return undecided("not every request after the silence was admitted or refused: " + firstTrouble(again))
	case got < owed:
		doubtful := slices.IndexFunc(again, func(a seen) bool { return a.doubtful })
		return undecidedStatus(again, again[doubtful].ID)
	}
	return passed(fmt.Sprintf("%d of %d after %s of silence", got, limit, seconds(silent)))
}

func lastEnd(attempts []seen) time.Duration {
	var last time.Duration
	for _, a := range attempts {
		last = max(last, a.Done)
	}
	return last
}

// lastOver is when all attempts were over for their clients and upstream: who
// lost an answer may have been counted later.
func lastOver(attempts []seen) time.Duration {
	var last time.Duration
	for _, a := range attempts {
		last = max(last, overAt(a))
	}
	return last
}

func firstFew(list []int) []int { return list[:min(shown, len(list))] }
