package checker

import (
	"fmt"
	"slices"

	"github.com/ratecheck/ratecheck/history"
)

func judgeRefund(v *view) finding {
	for _, k := range v.keys {
		for _, a := range step(k.attempts, "fail") {
			if a.outcome != admitted || a.Status == 200 || !slices.ContainsFunc(a.calls, func(c history.Call) bool { return c.Status >= 500 }) {
				return undecided("a call that was to fail upstream did not: " + describe(a))
			}
		}
	}
	if len(v.keys) > 1 {
		return v.refundByFilling()
	}
	k := v.keys[0]
	read, trouble := readings(k, "probe-1", "probe-2", "probe-3")
	if trouble != nil {
		return *trouble
	}
	failed := step(k.attempts, "fail")
	if len(failed) == 0 {
		return undecided("no call failed upstream")
	}
	perProbe, withFailures := read[0].left-read[1].left, read[1].left-read[2].left
	leak := withFailures - perProbe
	evidence := append(ids(failed), read[0].of.ID, read[1].of.ID, read[2].of.ID)
	slices.Sort(evidence)
	f := refundVerdict(leak, 0, failed, finding{
		expected: fmt.Sprintf("remaining falls by %d, the cost of a probe, over %d failed calls", perProbe, len(failed)),
		observed: fmt.Sprintf("remaining %d, %d, and after the failed calls %d: %d more", read[0].left, read[1].left, read[2].left, leak),
		attempts: evidence,
	})
	// A probe that was charged whole shows that nothing rose while it was read;
	// what rises later only hides a leak.
	whole := perProbe >= used(read[0].of)
	switch {
	case perProbe <= 0:
		return undecided(fmt.Sprintf("the counter stood at %d and at %d after a probe: a window turned, it refills all the time, or it does not count", read[0].left, read[1].left))
	case leak != 0 && !v.readAtRest(read...):
		return readEarly("the calls before it")
	case leak >= 0 && whole:
		return f
	case v.still(read[0].of, read[2].of):
		f.needs = asksToStand()
		return f
	}
	return undecidedByClass(fmt.Sprintf("the counter told %d, %d and %d: it may have refilled or turned while it was read", read[0].left, read[1].left, read[2].left))
}

// refundVerdict names what failed calls left behind; leak is known to within
// slop.
func refundVerdict(leak, slop int64, failed []seen, f finding) finding {
	n := int64(len(failed))
	// An estimate is at least max_tokens and at most the cap.
	most, least := n*failed[0].Cap, n*failed[0].Cap
	if failed[0].MaxTokens != nil {
		least = n * *failed[0].MaxTokens
	}
	f.figure = &Figure{Name: "left charged", Value: float64(leak), Unit: UnitTokens}
	switch {
	case leak == 0:
		return passed(fmt.Sprintf("%d failed calls left nothing charged", n))
	case max(leak, -leak) <= slop:
		return passed(fmt.Sprintf("%d failed calls left nothing charged (known to %d tokens)", n, slop))
	case leak < 0:
		f.verdict, f.message = Fail, fmt.Sprintf("%d failed calls gave back %d tokens more than they had reserved", n, -leak)
	case leak+slop >= least && leak-slop <= most && (slop > 0 || leak%n == 0):
		f.verdict, f.message = Warn, fmt.Sprintf("each failed call keeps its estimate of %d tokens (class: keeps the estimate)", leak/n)
	default:
		f.verdict, f.message = Fail, fmt.Sprintf("%d failed calls left %d tokens charged", n, leak)
	}
	return f
}

// filled is a key that was filled up.
type filled struct {
	key      keyView
	admitted int64
	tokens   int64
	late     int64 // what may not have been charged at the refusal
	full     seen  // the refusal
}

// refundByFilling compares how much fills up a key after calls that failed and
// one without.
func (v *view) refundByFilling() finding {
	parts := map[string]filled{}
	var failed []seen
	for _, k := range v.keys {
		failed = append(failed, step(k.attempts, "fail")...)
		for _, name := range []string{"fill-after-failures", "fill-control"} {
			some := step(k.attempts, name)
			if len(some) == 0 || k.Limits.Tokens == nil {
				continue
			}
			full := some[len(some)-1]
			if full.outcome != refused || full.doubtful {
				return undecided(fmt.Sprintf("%s could not be filled up with %d requests: %s", k.Alias, len(some), describe(full)))
			}
			through := withOutcome(some, admitted)
			parts[name] = filled{
				key: k, admitted: int64(len(through)), tokens: tokensOf(through),
				late: max(0, tokensOf(through)-*k.Limits.Tokens), full: full,
			}
		}
	}
	after, control := parts["fill-after-failures"], parts["fill-control"]
	if len(parts) != 2 || len(failed) == 0 || control.admitted == 0 {
		return undecided("not both keys could be filled up")
	}
	cost := control.tokens / control.admitted
	leak := control.tokens - after.tokens
	// The control was over its limit by what had not been charged yet. What the
	// other one was over it may be too little charged.
	// Of either something that was reserved may not have come back yet.
	slop := cost + control.late + stillReserved(after.key.attempts, after.full)
	if leak < 0 {
		slop = cost + lateCharges(after.key.attempts) + stillReserved(control.key.attempts, control.full)
	}
	f := refundVerdict(leak, slop, failed, finding{
		expected: fmt.Sprintf("%d requests of %d tokens fill the key up, as they do without failed calls", control.admitted, cost),
		observed: fmt.Sprintf("%d do", after.admitted),
		attempts: append(firstFew(ids(failed)), after.full.ID, control.full.ID),
	})
	if f.verdict == Pass {
		return f
	}
	if v.still(after.key.attempts[0], after.full) && v.still(control.key.attempts[0], control.full) {
		f.needs = asksToStand()
		return f
	}
	return undecidedByClass(fmt.Sprintf("%d requests filled a key up after failed calls and %d one without: its counter may have refilled or turned meanwhile", after.admitted, control.admitted))
}
