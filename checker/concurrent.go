package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/checker/window"
	"github.com/ratecheck/ratecheck/history"
)

// The token limit under a burst.

func judgeTokensConcurrent(v *view) finding {
	var said []string
	var evidence []int
	var worst float64
	var keys []keyView
	for _, k := range v.keys {
		if k.Limits.Tokens == nil {
			continue
		}
		keys = append(keys, k)
		limit := *k.Limits.Tokens
		through := withOutcome(k.attempts, admitted)
		var sum int64
		for _, a := range through {
			sum += used(a)
		}
		factor := float64(sum) / float64(max(limit, 1))
		said = append(said, fmt.Sprintf("%s: %d requests admitted, %d tokens, %.1fx the limit of %d", k.Alias, len(through), sum, factor, limit))
		if factor > worst {
			worst, evidence = factor, firstFew(ids(through))
		}
	}
	if len(keys) == 0 {
		return undecided("no key with a token limit was asked")
	}
	observed := strings.Join(said, "; ")
	if !v.lawfulTogether(keys, 0) {
		f := finding{
			verdict: Fail, message: fmt.Sprintf("a burst was admitted %.1fx the token limit", worst),
			expected: "admitted tokens within the limit, whatever is in flight", observed: observed, attempts: evidence,
		}
		if v.Run.TokenClass != history.CheckThenCharge {
			return f
		}
		if !v.lawfulTogether(keys, chargeDelay) {
			f.message += ", which is more than was in flight"
			f.expected = "admitted tokens within the limit and what was in flight"
			return f
		}
		f.verdict = Warn
		f.message += ", as a check-then-charge limiter may"
		return f
	}
	for _, k := range keys {
		if f, ok := v.overlapped(k); !ok {
			return f
		}
		if asked := int64(len(k.attempts)) * used(withOutcome(k.attempts, admitted)[0]); asked <= *k.Limits.Tokens {
			return undecided(fmt.Sprintf("the burst on %s asked for %d tokens only, its limit is %d", k.Alias, asked, *k.Limits.Tokens))
		}
	}
	return passed(observed)
}

// lawfulTogether says whether one class explains what was admitted on all keys.
// Windows on the clock have one phase for all of them: an edge that happens to
// lie in one burst excuses that one, and not another that lies elsewhere. With
// late above 0 a limiter may admit what was in flight, or had ended less than
// late before, on top.
func (v *view) lawfulTogether(keys []keyView, late time.Duration) bool {
	each := func(class window.Class) bool {
		for _, k := range keys {
			if !v.burstRule(k, late).Admissions(class, v.events(k.attempts, surelyUsed)).Lawful {
				return false
			}
		}
		return true
	}
	if each(window.FixedFirstUse) || each(window.Bucket) {
		return true
	}
	// Keys are laid out one after the other, whole windows apart, which keeps
	// their phases. The largest limit serves for all.
	var rule window.Rule
	var row []window.Event
	var offset time.Duration
	for _, k := range keys {
		own := v.burstRule(k, late)
		rule.Limit, rule.Window = max(rule.Limit, own.Limit), own.Window
		var end time.Duration
		for _, e := range v.events(k.attempts, surelyUsed) {
			end = max(end, e.To)
			e.From += offset
			e.To += offset
			row = append(row, e)
		}
		offset += (end/rule.Window + 2) * rule.Window
	}
	return rule.Admissions(window.FixedClock, row).Lawful
}

func (v *view) burstRule(k keyView, late time.Duration) window.Rule {
	rule := window.Rule{Limit: *k.Limits.Tokens, Window: max(v.Run.Window, 1), Grain: bucketGrain}
	if late > 0 {
		rule.Limit += v.inFlight(k, late)
	}
	return rule
}

// inFlight is the most that may have been in flight, uncounted, when a request
// was admitted, that request included.
func (v *view) inFlight(k keyView, late time.Duration) int64 {
	var most int64
	through := withOutcome(k.attempts, admitted)
	for _, a := range through {
		decided := v.decidedBy(a)
		var flying int64
		for _, b := range through {
			if b.Sent <= decided && b.Done+late > a.Sent {
				flying += used(b)
			}
		}
		most = max(most, flying)
	}
	return most
}

// overlapped says whether a burst was asked while nothing of it had been
// answered by the upstream.
func (v *view) overlapped(k keyView) (finding, bool) {
	if n := count(k.attempts, unknown); n > 0 {
		return undecided(fmt.Sprintf("%d requests of the burst were neither admitted nor refused: %s", n, firstTrouble(k.attempts))), false
	}
	through := withOutcome(k.attempts, admitted)
	if len(through) == 0 {
		return undecided(fmt.Sprintf("nothing of the burst on %s was admitted", k.Alias)), false
	}
	first := firstEnd(through)
	if slices.ContainsFunc(k.attempts, func(a seen) bool { return a.Sent > first }) {
		return undecided(fmt.Sprintf("the burst on %s stretched over %s: its first answers were there before all was sent", k.Alias, spread(k.attempts))), false
	}
	return finding{}, true
}
