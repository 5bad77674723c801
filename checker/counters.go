package checker

import (
	"cmp"
	"fmt"
	"math"

	"github.com/ratecheck/ratecheck/checker/window"
	"github.com/ratecheck/ratecheck/history"
)

// Token counters, as an answer's headers tell them. A counter can rise by
// itself: a bucket refills all the time, a window on the clock turns whenever
// it does. That hides a charge and never makes one: who sees too much charged
// may say so of any class, who sees too little only where nothing can rise.

func counterRequirements() []Requirement {
	byFilling := Tolerance{
		Value:  "one request's cap, and what was reserved and not used in the last half second, where the target sends no token headers",
		Reason: "a counter that can only be read by filling it up is known to one request, and what was reserved may come back late",
	}
	tokenizer := Tolerance{Value: "10 % of what was used", Reason: "a limiter may count the text with a tokenizer of its own"}
	plainProbe := Tolerance{Value: "what the probe before the streams used", Reason: "it is no stream, and may be counted otherwise"}
	return []Requirement{
		{
			ID: "refund/upstream-error", Level: Must, Layer: Enforcement,
			Sentence: "What a failed call had reserved comes back, once.",
			Source:   "docs/reference.md rule 15; LiteLLM 27001",
			Tolerances: []Tolerance{byFilling, {
				Value:  "a limiter that keeps the whole estimate of every failed call: WARN",
				Reason: "some limiters document that a failed call keeps its estimate; it costs the client, and is no drift",
			}},
			judge: judgeRefund,
		},
		{
			ID: "drift/remaining-matches-usage", Level: Must, Layer: Enforcement,
			Sentence: "At rest the token counter is what was used, to the token.",
			Source:   "docs/reference.md rule 14; LiteLLM 24677 (each request costs one token more)",
			Tolerances: []Tolerance{byFilling, {
				Value:  "3 tokens on other endpoints than chat",
				Reason: "the texts of two probes differ by their nonces, and a limiter may estimate them by a tokenizer",
			}, {
				Value:  "a counter that fell too little is judged only where its class cannot refill or turn while it is read",
				Reason: "what came back by itself looks like what was never charged",
			}},
			judge: judgeDrift,
		},
		{
			ID: "tokens/streams-counted", Level: Must, Layer: Enforcement,
			Sentence:   "A stream costs what it used.",
			Source:     "docs/reference.md rule 15; Envoy AI Gateway 2290",
			Tolerances: []Tolerance{byFilling, tokenizer, plainProbe}, judge: judgeStreams,
		},
		{
			ID: "tokens/streams-without-usage-counted", Level: Must, Layer: Enforcement,
			Sentence:   "A stream costs what it used, also if the client did not ask for usage.",
			Source:     "docs/reference.md rule 15; Envoy AI Gateway 2290",
			Tolerances: []Tolerance{byFilling, tokenizer, plainProbe},
			judge:      judgeSilentStreams,
		},
		{
			ID: "refund/unused-estimate", Level: Must, Layer: Enforcement,
			Sentence:   "What was reserved and not used comes back when the answer is there.",
			Source:     "docs/reference.md rule 14",
			Tolerances: []Tolerance{byFilling, {Value: "one token a request", Reason: "that is drift, and judged there"}}, judge: judgeSurplus,
		},
	}
}

// reading is what an answer told of the token counter.
type reading struct {
	of   seen
	left int64
}

// readings are what equal probes told, in their order. Equal probes are charged
// the same, so their own charge falls out of the difference of two.
func readings(k keyView, names ...string) ([]reading, *finding) {
	no := func(format string, args ...any) ([]reading, *finding) {
		f := undecided(fmt.Sprintf(format, args...))
		return nil, &f
	}
	var list []reading
	for _, name := range names {
		some := step(k.attempts, name)
		if len(some) != 1 || some[0].outcome != admitted || some[0].Status != 200 {
			return no("the request %s was not admitted: %s", name, firstTroubleOrStatus(some))
		}
		told := ratesOf(some[0])
		if told.TokensRemaining == nil {
			return no("the answer of %s (attempt %d) does not tell what is left of the token limit, an earlier one did", name, some[0].ID)
		}
		if told.TokensLimit != nil && k.Limits.Tokens != nil && *told.TokensLimit != *k.Limits.Tokens {
			return no("the answer of %s (attempt %d) tells of a limit of %d tokens, the key has %d: that is another counter", name, some[0].ID, *told.TokensLimit, *k.Limits.Tokens)
		}
		list = append(list, reading{of: some[0], left: *told.TokensRemaining})
	}
	return list, nil
}

// asksToStand are the requirements whose scenarios tell that a token counter
// does not rise by itself.
func asksToStand() []string { return []string{asksForClass, asksForTokenClass} }

// still says whether a token counter cannot have risen by itself between two
// attempts on a fresh key, the first of which was its first. Tokens are taken to
// be counted as requests are where that was asked and no class explains them,
// and not where nobody asked.
func (v *view) still(first, last seen) bool {
	return v.requestsStill(first, last) && !v.tokensUntold() && !v.countsTokensOtherwise(v.requestClasses())
}

// requestsStill is still of a counter of requests.
func (v *view) requestsStill(first, last seen) bool {
	if !onlyOf(v.requestClasses(), window.FixedFirstUse, window.SlidingLog) {
		return false
	}
	return v.decidedBy(last) < first.Sent+v.Run.Window-wholeSecond
}

// firstOf is the first attempt of a key, of whose attempts some may have been
// left out.
func (v *view) firstOf(k keyView) seen { return v.byKey[k.Alias][0] }

// rested says whether everything before a probe had the time to be charged.
func rested(before []seen, probe seen) bool {
	for _, a := range before {
		if overAt(a)+chargeDelay > probe.Sent {
			return false
		}
	}
	return true
}

// readAtRest says whether everything that was sent on a key before its counter
// was read had the time to be charged, and what it had reserved to come back. An
// answer may be there before its call is over, on a target that is busy.
func (v *view) readAtRest(readings ...reading) bool {
	for _, r := range readings {
		for _, a := range v.byKey[r.of.Key] {
			if a.ID != r.of.ID && a.Sent < r.of.Sent && (a.outcome != refused || a.doubtful) && !rested([]seen{a}, r.of) {
				return false
			}
		}
	}
	return true
}

// readEarly is the finding where the counter was not read at rest.
func readEarly(behind string) finding {
	return undecided(fmt.Sprintf("the counter was read less than %s after %s had ended", chargeDelay, behind))
}

func tokensOf(attempts []seen) int64 {
	var total int64
	for _, a := range attempts {
		total += used(a)
	}
	return total
}

// foreignTokenizer is the part by which a count of text by another tokenizer may
// be off.
const foreignTokenizer = 0.10

func judgeDrift(v *view) finding { return v.counted("drift/remaining-matches-usage", 0, 0) }

// nonceTokens is by how much what is reserved for two probes may differ where
// their texts hold their nonces, which some tokenizers cut into more words than
// others. On chat the texts of all probes are the same.
const nonceTokens = 3

func judgeStreams(v *view) finding {
	return v.counted("tokens/streams-counted", foreignTokenizer, 0)
}

func judgeSilentStreams(v *view) finding {
	return v.counted("tokens/streams-without-usage-counted", foreignTokenizer, 0)
}

// aTokenEach is by how much each request may be charged more than it used where
// something else is asked than whether the counter drifts.
const aTokenEach = 1

func judgeSurplus(v *view) finding { return v.counted("refund/unused-estimate", 0, aTokenEach) }

// counted judges the traffic that was sent for a requirement between two equal
// probes: the counter must have fallen by what was used, to within a part of it
// and so many tokens a request.
func (v *view) counted(id string, part float64, each int64) finding {
	asked := v.asked(id)
	var traffic []seen
	var last keyView
	for _, k := range asked.keys {
		if some := step(k.attempts, "traffic*"); len(some) > 0 {
			traffic, last = append(traffic, some...), k
		}
	}
	for _, a := range traffic {
		if a.outcome != admitted || a.Error != "" || a.Status != 200 {
			return undecided("a request of the traffic was not answered as planned: " + describe(a))
		}
	}
	if len(traffic) == 0 {
		return undecided("no traffic was sent")
	}
	if len(v.keys) > 1 {
		return v.driftByFilling(last, traffic)
	}
	probes := steps(step(last.attempts, "probe-*"))
	if len(probes) != 2 {
		return undecided(fmt.Sprintf("%d probes were sent, and not two", len(probes)))
	}
	if len(step(last.attempts, "fill")) > 0 && ratesOf(step(last.attempts, probes[0])[0]).TokensRemaining == nil {
		return v.countedByFilling(v.keys[0], traffic)
	}
	read, trouble := readings(last, probes...)
	if trouble != nil {
		return *trouble
	}
	first, second := read[0], read[1]
	want, fell := tokensOf(traffic)+used(first.of), first.left-second.left
	f := finding{
		verdict: Fail, message: fmt.Sprintf("after %d requests the counter is off by %d tokens", len(traffic)+1, fell-want),
		expected: fmt.Sprintf("remaining falls from %d by the %d tokens that were used", first.left, want),
		observed: fmt.Sprintf("it fell by %d, to %d", fell, second.left),
		figure:   ofTokens("charged", fell, want),
		attempts: append(append([]int{first.of.ID}, ids(traffic)...), second.of.ID),
	}
	slop := part*float64(want) + float64(each*int64(len(traffic)+1))
	if cmp.Or(traffic[0].Endpoint, history.Chat) != history.Chat {
		slop += nonceTokens
		if traffic[0].Stream && part > 0 {
			slop += float64(used(first.of)) // a plain request, of which nothing is said here
		}
	}
	switch {
	case fell == want:
		return passed(fmt.Sprintf("%d tokens used, and the counter fell by as much", want)).with(f.figure)
	case math.Abs(float64(fell-want)) <= slop:
		return passed(fmt.Sprintf("%d tokens used, and the counter fell by %d", want, fell)).with(f.figure)
	case !v.readAtRest(first, second):
		return readEarly("the traffic")
	case fell > want:
		return f
	case v.still(v.firstOf(last), second.of):
		f.needs = asksToStand()
		return f
	}
	return undecidedByClass(fmt.Sprintf("the counter fell by %d of %d tokens: too little was charged, or it refilled or turned meanwhile", fell, want))
}

func (v *view) driftByFilling(k keyView, traffic []seen) finding {
	fills := step(k.attempts, "fill")
	if len(fills) == 0 || fills[len(fills)-1].outcome != refused || fills[len(fills)-1].doubtful || k.Limits.Tokens == nil {
		return undecided(fmt.Sprintf("%s could not be filled up", k.Alias))
	}
	full := fills[len(fills)-1]
	spent, filled := tokensOf(traffic), tokensOf(withOutcome(fills, admitted))
	total, limit, slop := spent+filled, *k.Limits.Tokens, full.Cap
	late, held := lateCharges(k.attempts), stillReserved(k.attempts, full)
	f := finding{
		verdict: Fail, message: fmt.Sprintf("the key was full at %d of %d tokens", total, limit),
		expected: fmt.Sprintf("the first refusal comes within one request's cap (%d) of the limit of %d", slop, limit),
		observed: fmt.Sprintf("%d tokens by mixed traffic and %d by filling up", spent, filled),
		attempts: append(ids(traffic), full.ID),
	}
	switch {
	case total < limit-slop-held:
		return f
	case total <= limit+slop+late:
		return passed(fmt.Sprintf("%d of %d tokens were admitted before the first refusal (known to one request, %d)", total, limit, slop))
	case v.still(v.firstOf(k), full):
		f.needs = asksToStand()
		return f
	}
	return undecidedByClass(fmt.Sprintf("the key was full at %d of %d tokens: too little was charged, or its counter refilled or turned meanwhile", total, limit))
}
