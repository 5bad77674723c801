package checker

import (
	"fmt"
	"strings"
)

// Whether the tokens of an endpoint are charged at all. How exactly they are is
// judged by the requirements on drift and on streams.

func endpointCountedRequirements() []Requirement {
	return []Requirement{{
		ID: "tokens/endpoints-counted", Level: Must, Layer: Enforcement,
		Sentence: "Every endpoint that answers is charged its tokens, plain and streamed.",
		Source:   "docs/reference.md rule 13; LiteLLM 27738, 17706, 17426",
		Tolerances: []Tolerance{{
			Value:  "half of what was used, where token headers tell it",
			Reason: "an amount that is off is drift, and judged there",
		}, {
			Value:  "one request's cap, and what ended in the last half second, where the target sends no token headers",
			Reason: "a counter that can only be read by filling it up is known to one request, and charges may come late",
		}},
		judge: judgeEndpointsCounted,
	}}
}

// leastCounted is the part of what was used, as one in so many, that is charged
// at the least by whoever counts it.
const leastCounted = 2

func judgeEndpointsCounted(v *view) finding {
	keys := v.asked("tokens/endpoints-counted").keys
	if len(keys) == 0 {
		return undecided("no key was asked")
	}
	k := keys[0]
	probes := steps(step(k.attempts, "probe-*"))
	if len(probes) < 2 {
		return undecided(fmt.Sprintf("%d probes were sent, two are needed", len(probes)))
	}
	if len(step(k.attempts, "fill")) > 0 && ratesOf(step(k.attempts, probes[0])[0]).TokensRemaining == nil {
		return v.endpointFilled(k)
	}
	read, trouble := readings(k, probes...)
	if trouble != nil {
		return *trouble
	}
	var said []string
	for i, traffic := range [][]seen{step(k.attempts, "traffic"), step(k.attempts, "traffic-streams")} {
		if len(traffic) == 0 {
			continue
		}
		if i+1 >= len(read) {
			return undecided("no probe was sent behind the streams")
		}
		what := [...]string{"plain answers", "streams"}[i]
		charged, f := v.chargedBetween(traffic, read[i], read[i+1], what)
		if f != nil {
			return *f
		}
		said = append(said, charged)
	}
	if len(said) == 0 {
		return undecided("no traffic was sent")
	}
	return passed(strings.Join(said, "; "))
}

// chargedBetween says what was charged for the traffic between two probes and
// for the first of them.
func (v *view) chargedBetween(traffic []seen, first, second reading, what string) (said string, wrong *finding) {
	for _, a := range traffic {
		if a.outcome != admitted || a.Error != "" || a.Status != 200 {
			f := undecided("a request of the traffic was not answered as planned: " + describe(a))
			return "", &f
		}
	}
	want, fell := tokensOf(traffic)+used(first.of), first.left-second.left
	if leastCounted*fell >= want {
		return fmt.Sprintf("%s used %d tokens, and the counter fell by %d", what, want, fell), nil
	}
	f := finding{
		verdict: Fail, message: fmt.Sprintf("%s are not charged", what),
		expected: fmt.Sprintf("remaining falls from %d by about the %d tokens that were used", first.left, want),
		observed: fmt.Sprintf("it fell by %d, to %d", fell, second.left),
		figure:   ofTokens("charged", fell, want),
		attempts: append(append([]int{first.of.ID}, ids(traffic)...), second.of.ID),
		needs:    asksToStand(),
	}
	switch {
	case !v.readAtRest(first, second):
		f = readEarly("the traffic")
	case !v.still(v.byKey[first.of.Key][0], second.of):
		f = undecidedByClass(fmt.Sprintf("the counter fell by %d of %d tokens: too little was charged, or it refilled or turned meanwhile", fell, want))
	}
	return "", &f
}

// endpointFilled judges the key by what it had used when it was full.
func (v *view) endpointFilled(k keyView) finding {
	fills := step(k.attempts, "fill")
	full := fills[len(fills)-1]
	if full.outcome != refused || full.doubtful || k.Limits.Tokens == nil {
		return undecided(fmt.Sprintf("%s could not be filled up", k.Alias))
	}
	var spent []seen
	for _, a := range withOutcome(k.attempts, admitted) {
		if a.Sent < full.Sent {
			spent = append(spent, a)
		}
	}
	total, limit := tokensOf(spent), *k.Limits.Tokens
	streamed := tokensOf(step(spent, "traffic-streams"))
	f := finding{
		verdict: Fail, message: fmt.Sprintf("the key was full only at %d of %d tokens", total, limit),
		expected: fmt.Sprintf("a refusal within one request's cap (%d) of the limit of %d", full.Cap, limit),
		observed: fmt.Sprintf("%d tokens by %d requests", total, len(spent)),
		attempts: append(firstFew(ids(spent)), full.ID), needs: asksToStand(),
	}
	switch {
	case total > limit+full.Cap+lateCharges(fills) && v.still(v.firstOf(k), full):
		return f
	case total > limit+full.Cap+lateCharges(fills):
		return undecidedByClass(f.message + ": too little was charged, or its counter refilled or turned meanwhile")
	case streamed > 0 && total >= limit-full.Cap+streamed:
		return undecided(fmt.Sprintf("the key was full at %d of %d tokens, %d of them by streams: it may be that charges came late, and that the streams were not counted", total, limit, streamed))
	}
	return passed(fmt.Sprintf("%d of %d tokens were admitted before the first refusal (known to one request, %d)", total, limit, full.Cap))
}
