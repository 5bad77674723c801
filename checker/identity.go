package checker

import (
	"fmt"
	"slices"
	"time"

	"github.com/ratecheck/ratecheck/checker/window"
)

// Identity is what a history shows of how the target counts.
type Identity struct {
	Requests Counting `json:"requests"`
	Tokens   Counting `json:"tokens"`
}

// Counting is how one kind is counted. What the history does not tell is empty.
type Counting struct {
	// Classes explain every admission and every refusal.
	Classes []string `json:"classes"`
	// Charging is how a cost that is known only after the answer is counted:
	// ReserveAndSettle or CheckThenCharge.
	Charging string `json:"charging,omitempty"`
	// LeastWindow and MostWindow bound the length of a fixed window as it was
	// measured, in seconds.
	LeastWindow float64 `json:"least_window_seconds,omitempty"`
	MostWindow  float64 `json:"most_window_seconds,omitempty"`
	// Phase says where fixed windows begin.
	Phase string `json:"phase,omitempty"`
	// Granularity says whether windows turn on whole seconds.
	Granularity string `json:"granularity,omitempty"`
	// Evidence says what was seen.
	Evidence string `json:"evidence,omitempty"`
}

// How tokens are charged.
const (
	ReserveAndSettle = "reserve and settle"
	CheckThenCharge  = "check, then charge"
)

// Names of requirements whose scenarios tell how a target counts.
const (
	asksForTokenClass = "tokens/limit-kept"
	asksForStraddle   = "requests/straddling-burst"
	asksForCharging   = "tokens/limit-kept-concurrent"
	asksForReserving  = "drift/edge-exact"
)

// AsksForIdentity are the requirements whose scenarios tell how a target
// counts.
func AsksForIdentity() []string {
	return []string{asksForClass, asksForTokenClass, asksForStraddle, asksForCharging, asksForReserving}
}

// identity is what the whole history shows.
func (j *joined) identity() Identity {
	return Identity{Requests: j.requestCounting(), Tokens: j.tokenCounting()}
}

// asked are the keys of the scenarios that were sent for a requirement.
func (j *joined) asked(requirement string) []keyView {
	var keys []keyView
	for _, plan := range j.Run.Planned {
		if slices.Contains(plan.Asks, requirement) {
			keys = append(keys, j.view(plan.Scenario).keys...)
		}
	}
	return keys
}

func (j *joined) requestCounting() Counting {
	c := Counting{Classes: []string{}}
	if name := j.queue.class(); name != "" {
		c.Classes = append(c.Classes, name)
		c.Evidence = fmt.Sprintf("%d requests waited for their turn, up to %s", j.queue.inWindows, brief(j.queue.longest))
		return c
	}
	classes := j.requestClasses()
	for _, k := range j.asked(asksForClass) {
		if k.Limits.Requests == nil {
			continue
		}
		if len(classes) == 0 {
			c.Evidence = fmt.Sprintf("no class explains what was admitted and refused on %s, or too little was answered", k.Alias)
			break
		}
		events := j.view(k.Scenario).events(k.attempts, one)
		classes = j.refined(classes)
		c.Granularity = j.granularity(classes)
		c.measure(classes, events, j.Run.Window)
		c.Evidence = fmt.Sprintf("%d of %d requests admitted on %s (limit %d)", count(k.attempts, admitted), len(k.attempts), k.Alias, *k.Limits.Requests)
		break
	}
	c.Classes = names(classes)
	return c
}

// refined leaves out the classes that do not explain a burst at the end of a
// window, if any does. Where none does the burst shows a fault and no class.
func (j *joined) refined(classes []window.Class) []window.Class {
	for _, k := range j.asked(asksForStraddle) {
		if k.Limits.Requests == nil || !allClear(k.attempts) {
			continue
		}
		events := j.view(k.Scenario).events(k.attempts, one)
		// A window that may be a second short explains more than an exact one.
		for _, early := range []time.Duration{clockGrain, wholeSecond} {
			rule := window.Rule{Limit: *k.Limits.Requests, Window: j.Run.Window, Early: early, Grain: bucketGrain}
			explained := rule.Explained(events)
			left := slices.DeleteFunc(slices.Clone(classes), func(c window.Class) bool { return !slices.Contains(explained, c) })
			if len(left) > 0 {
				return left
			}
		}
	}
	return classes
}

func (j *joined) tokenCounting() Counting {
	c := Counting{Classes: []string{}}
	for _, k := range j.asked(asksForTokenClass) {
		if k.Limits.Tokens == nil || count(k.attempts, refused) == 0 || !allClear(k.attempts) {
			continue
		}
		v := j.view(k.Scenario)
		events := v.events(k.attempts, used)
		classes := v.tokenClasses(k, lateCharges(k.attempts))
		c.Classes = names(classes)
		c.measure(classes, events, j.Run.Window)
		c.Evidence = fmt.Sprintf("%d of %d requests admitted on %s (limit %d)", count(k.attempts, admitted), len(k.attempts), k.Alias, *k.Limits.Tokens)
		break
	}
	c.Charging = j.charging()
	return c
}

// charging says how tokens are charged, by a request for more than the limit
// and by a burst over a slow upstream.
func (j *joined) charging() string {
	for _, k := range j.asked(asksForReserving) {
		twice := step(k.attempts, "never")
		if len(twice) == 1 && (twice[0].outcome == refused && !twice[0].doubtful || j.view(k.Scenario).toldItNeverFits(twice[0])) {
			return ReserveAndSettle
		}
	}
	for _, k := range j.asked(asksForCharging) {
		if k.Limits.Tokens == nil || count(k.attempts, admitted) == 0 {
			continue
		}
		if tokensOf(withOutcome(k.attempts, admitted)) > 2**k.Limits.Tokens {
			return CheckThenCharge
		}
	}
	return ""
}

// granularity says whether windows turn on whole seconds, by bursts around the
// ends of windows that were opened early and late in a second.
func (j *joined) granularity(classes []window.Class) string {
	if !onlyOf(classes, window.FixedFirstUse) {
		return ""
	}
	for _, k := range j.asked(asksForStraddle) {
		if k.Limits.Requests == nil || !allClear(k.attempts) {
			continue
		}
		events := j.view(k.Scenario).events(k.attempts, one)
		lawful := func(early time.Duration) bool {
			rule := window.Rule{Limit: *k.Limits.Requests, Window: j.Run.Window, Early: early, Grain: bucketGrain}
			return rule.Admissions(window.FixedFirstUse, events).Lawful && rule.Refusals(window.FixedFirstUse, events).Lawful
		}
		switch {
		case lawful(clockGrain):
			return "finer than whole seconds"
		case lawful(wholeSecond):
			return "windows turn up to a second early, as on whole seconds"
		}
	}
	return ""
}

// measure tells the length and the phase of fixed windows by when they turned.
func (c *Counting) measure(classes []window.Class, events []window.Event, length time.Duration) {
	if !onlyOf(classes, window.FixedFirstUse, window.FixedClock) {
		return
	}
	turns := turnsOf(events)
	c.Phase = "a window opens with its key's first request"
	if onlyOf(classes, window.FixedClock) {
		c.Phase = "windows begin on the clock"
		if len(turns) > 0 && length > 0 {
			c.Phase += fmt.Sprintf(": one at %s of the run, give or take %s", seconds(turns[0].to), seconds(turns[0].to-turns[0].from))
		}
	}
	least, most := windowSpan(turns, length)
	c.LeastWindow, c.MostWindow = least.Seconds(), most.Seconds()
}

// windowSpan bounds the length of windows by the turns that follow each other: a
// window is at least as long as what lies between two, and at most as long as
// what holds both. Windows that differ are told by their extremes.
func windowSpan(turns []turn, length time.Duration) (least, most time.Duration) {
	var shortest, longest []time.Duration
	for i := 1; i < len(turns); i++ {
		within, around := turns[i].from-turns[i-1].to, turns[i].to-turns[i-1].from
		// A turn that nobody asked around is not seen: then two windows lie
		// between.
		if within <= length+length/2 && around >= length/2 {
			shortest, longest = append(shortest, max(0, within)), append(longest, around)
		}
	}
	if len(shortest) == 0 {
		return 0, 0
	}
	if least, most = slices.Max(shortest), slices.Min(longest); least <= most {
		return least, most
	}
	return slices.Min(shortest), slices.Max(longest)
}

func names(classes []window.Class) []string {
	list := []string{}
	for _, c := range classes {
		list = append(list, c.String())
	}
	return list
}
