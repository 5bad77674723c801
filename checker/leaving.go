package checker

import (
	"fmt"
	"math"
	"slices"

	"github.com/ratecheck/ratecheck/history"
)

// What clients that leave are charged, and what is refunded more than once.

func leavingRequirements() []Requirement {
	return []Requirement{
		{
			ID: "refund/disconnect", Level: Must, Layer: Enforcement,
			Sentence: "Who leaves in the middle of a stream is charged at least its prompt and what it received, and at most what was reserved or produced.",
			Source:   "docs/reference.md rule 15; LiteLLM 30522 and 35098",
			Tolerances: []Tolerance{{
				Value:  "10 % of the bounds and one chunk a stream",
				Reason: "a limiter may count the text with a tokenizer of its own, and a chunk may be under way when the client leaves",
			}},
			judge: judgeDisconnect,
		},
		{
			ID: "refund/once", Level: Must, Layer: Enforcement,
			Sentence: "A reservation is refunded once, whether its call was tried again, failed, or failed when the client had left.",
			Source:   "docs/reference.md rules 14 and 15; LiteLLM 27001 (1.85.0 refunded twice)",
			Tolerances: []Tolerance{{
				Value: "one token a request", Reason: "that is drift, and judged there",
			}, {
				Value:  "what a failed call stays charged",
				Reason: "some limiters keep its estimate; that is refund/upstream-error's",
			}},
			judge: judgeRefundOnce,
		},
	}
}

// bounds are the least and the most that a set of attempts may lawfully be
// charged.
type bounds struct{ least, most int64 }

// leftBounds are the bounds for streams whose clients left.
func leftBounds(attempts []seen) bounds {
	var b bounds
	for _, a := range attempts {
		for _, c := range a.calls {
			chunk := largestChunk(c)
			received := min(receivedOf(a, c), c.Usage.Completion, int64(a.Events)*chunk)
			b.least += c.Usage.Prompt + max(0, received-chunk)
			b.most += max(a.Cap, c.Usage.Total) + chunk
		}
	}
	b.least -= int64(math.Ceil(foreignTokenizer * float64(b.least)))
	b.most += int64(math.Ceil(foreignTokenizer * float64(b.most)))
	return b
}

// largestChunk is how many tokens came in one event of a call, or all of them
// where that is not known. What the client counted says nothing of it: streams
// have events without tokens, and proxies add and join some.
func largestChunk(c history.Call) int64 {
	if c.Chunks <= 0 {
		return c.Usage.Completion
	}
	return (c.Produced + int64(c.Chunks) - 1) / int64(c.Chunks)
}

// receivedOf is what a client that left can have received of a call by the time
// it had: proxies may read a stream to its end when the client has left, and pass
// it on late. The provider sends evenly, so that a client has as large a part of
// it as it has read for of the time, and no more than its events held: proxies
// gather what they pass on, and begin with a comment.
func receivedOf(a seen, c history.Call) int64 {
	sending, reading := c.Done-c.FirstByte, a.Done-a.FirstByte
	switch {
	case c.FirstByte == 0 || a.FirstByte == 0 || sending < 0 || reading < 0:
		return 0
	case reading >= sending:
		return c.Produced
	}
	return int64(float64(c.Produced) * float64(reading) / float64(sending))
}

func judgeDisconnect(v *view) finding {
	if len(v.keys) == 0 {
		return undecided("no key was asked")
	}
	k := v.keys[len(v.keys)-1]
	left := step(k.attempts, "leave")
	for _, a := range left {
		if a.outcome != admitted || len(a.calls) != 1 || a.Error != history.Left || a.Events == 0 {
			return undecided("a client did not leave in the middle of its stream as planned: " + describe(a))
		}
	}
	if len(left) == 0 {
		return undecided("no client left")
	}
	b := leftBounds(left)
	if len(v.keys) > 1 {
		return v.disconnectByFilling(k, left, b)
	}
	read, trouble := readings(k, "probe-1", "probe-2")
	if trouble != nil {
		return *trouble
	}
	charged := read[0].left - read[1].left - used(read[0].of)
	f := finding{
		verdict: Fail, message: fmt.Sprintf("%d clients that left are charged %d tokens", len(left), charged),
		expected: fmt.Sprintf("from %d (prompts and what was received) to %d (reserved, or all that was to come)", b.least, b.most),
		observed: fmt.Sprintf("remaining fell from %d to %d, by %d for the probe and %d for the others", read[0].left, read[1].left, used(read[0].of), charged),
		attempts: append(append([]int{read[0].of.ID}, ids(left)...), read[1].of.ID),
	}
	f.figure = ofTokens("charged", charged, b.most)
	switch {
	case charged > b.most:
		return f
	case charged >= b.least:
		return passed(fmt.Sprintf("%d clients that left are charged %d tokens (lawful: %d to %d)", len(left), charged, b.least, b.most))
	case !rested(left, read[1].of):
		return undecided(fmt.Sprintf("the counter was read less than %s after the clients had left", chargeDelay))
	case v.still(read[0].of, read[1].of):
		f.figure = ofTokens("charged", charged, b.least)
		f.needs = asksToStand()
		return f
	}
	return undecidedByClass(fmt.Sprintf("%d tokens were charged, too few, or the counter refilled or turned meanwhile", charged))
}

func (v *view) disconnectByFilling(k keyView, left []seen, b bounds) finding {
	fills := step(k.attempts, "fill")
	if len(fills) == 0 || fills[len(fills)-1].outcome != refused || fills[len(fills)-1].doubtful || k.Limits.Tokens == nil {
		return undecided(fmt.Sprintf("%s could not be filled up", k.Alias))
	}
	full := fills[len(fills)-1]
	filled, slop := tokensOf(withOutcome(fills, admitted)), full.Cap
	rest := *k.Limits.Tokens - filled // what the others were charged, to within slop
	f := finding{
		verdict: Fail, message: fmt.Sprintf("%d clients that left are charged about %d tokens", len(left), rest),
		expected: fmt.Sprintf("from %d (prompts and what was received) to %d (reserved, or all that was to come)", b.least, b.most),
		observed: fmt.Sprintf("%d of %d tokens filled the key up, known to one request (%d)", filled, *k.Limits.Tokens, slop),
		attempts: append(ids(left), full.ID),
	}
	switch {
	case rest-slop-stillReserved(k.attempts, full) > b.most:
		return f
	case rest+slop+lateCharges(k.attempts) >= b.least:
		return passed(fmt.Sprintf("%d clients that left are charged about %d tokens (lawful: %d to %d)", len(left), rest, b.least, b.most))
	case v.still(k.attempts[0], full):
		f.needs = asksToStand()
		return f
	}
	return undecidedByClass("too little was charged, or the counter refilled or turned meanwhile")
}

func judgeRefundOnce(v *view) finding {
	if len(v.keys) == 0 {
		return undecided("no key was asked")
	}
	k := v.keys[0]
	if probe := step(k.attempts, "probe-1"); len(probe) == 1 && probe[0].outcome == admitted && ratesOf(probe[0]).TokensRemaining == nil {
		return skipped("the target tells no token counter, and a refund too many cannot be told by filling up")
	}
	read, trouble := readings(k, "probe-1", "probe-2", "probe-3")
	if trouble != nil {
		return *trouble
	}
	retried, failed := step(k.attempts, "retried"), step(k.attempts, "fail*")
	for _, a := range append(retried[:len(retried):len(retried)], failed...) {
		if len(a.calls) == 0 {
			return undecided("a call that was to fail did not reach the provider: " + describe(a))
		}
	}
	if len(retried) == 0 || len(failed) == 0 {
		return undecided("no call failed")
	}
	keeps := keepsEstimates(failed, read[1].left-read[2].left-used(read[1].of))
	for _, part := range []struct {
		from, to reading
		between  []seen
		what     string
	}{
		{read[0], read[1], retried, "a call that was tried again"},
		{read[1], read[2], failed, fmt.Sprintf("%d calls that failed", len(failed))},
	} {
		want, fell := tokensOf(part.between)+used(part.from.of), part.from.left-part.to.left
		f := finding{
			verdict: Fail, message: fmt.Sprintf("after %s %d tokens too many came back", part.what, want-fell),
			expected: fmt.Sprintf("remaining falls from %d by the %d tokens that were used", part.from.left, want),
			observed: fmt.Sprintf("it fell by %d", fell),
			attempts: append(append([]int{part.from.of.ID}, ids(part.between)...), part.to.of.ID),
		}
		// A request that a proxy tried again and that succeeded is charged what
		// it used, and not what one of its calls had reserved.
		slop := int64(aTokenEach * (len(part.between) + 1))
		succeeded := len(part.between) == 1 && part.between[0].Status == 200 && len(part.between[0].calls) > 1
		switch {
		case fell >= want-slop && (!succeeded || fell <= want+slop):
		case succeeded && keeps && fell <= want+slop+failedCalls(part.between[0])*part.between[0].Cap:
			// One that keeps the estimate of each failed call keeps it of a call
			// that was tried again too.
		case !rested(append(part.between[:len(part.between):len(part.between)], part.from.of), part.to.of):
			return undecided(fmt.Sprintf("the counter was read less than %s after the calls had failed", chargeDelay))
		case fell > want:
			f.message = fmt.Sprintf("after %s %d tokens stay charged that were not used", part.what, fell-want)
			return f
		case v.still(read[0].of, part.to.of):
			f.needs = asksToStand()
			return f
		default:
			return undecidedByClass(fmt.Sprintf("the counter fell by %d of %d tokens: too much was refunded, or it refilled or turned meanwhile", fell, want))
		}
	}
	return passed(fmt.Sprintf("nothing came back twice: %d to %d to %d tokens left", read[0].left, read[1].left, read[2].left))
}

// keepsEstimates says whether failed requests stay charged with at least their
// max_tokens, each.
func keepsEstimates(failed []seen, charged int64) bool {
	var least int64
	for _, a := range failed {
		if a.MaxTokens == nil {
			return false
		}
		least += *a.MaxTokens
	}
	return least > 0 && charged-tokensOf(failed) >= least
}

func failedCalls(a seen) int64 {
	return int64(len(slices.DeleteFunc(slices.Clone(a.calls), func(c history.Call) bool { return c.Status == 200 })))
}
