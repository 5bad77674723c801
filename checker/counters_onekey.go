package checker

import "fmt"

// countedByFilling judges traffic on the one key that it had, which plain
// requests filled up behind it, where the answers do not tell what is left of
// the token limit. What is too much or too little then may be the streams' or
// the plain requests', so the streams are not accused of it.
func (v *view) countedByFilling(k keyView, traffic []seen) finding {
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
	total, limit, slop := tokensOf(spent), *k.Limits.Tokens, full.Cap
	room, least := slop+lateCharges(fills), limit-slop-stillReserved(k.attempts, full)
	if total >= least && total <= limit+room {
		if streamed := tokensOf(traffic); traffic[0].Stream && total >= limit-slop+streamed {
			return undecided(fmt.Sprintf("the key was full at %d of %d tokens, %d of them by streams: it may be that charges came late, and that the streams were not counted", total, limit, streamed))
		}
		return passed(fmt.Sprintf("%d of %d tokens were admitted before the first refusal (known to one request, %d)", total, limit, slop))
	}
	f := finding{
		verdict: Fail, message: fmt.Sprintf("the key was full at %d of %d tokens", total, limit),
		expected: fmt.Sprintf("the first refusal comes within one request's cap (%d) of the limit of %d", slop, limit),
		observed: fmt.Sprintf("%d tokens by %d requests", total, len(spent)),
		attempts: append(ids(traffic), full.ID),
	}
	switch {
	case traffic[0].Stream:
		return undecided(f.message + ", which does not tell whether it is the streams that are counted wrong")
	case total < limit:
		return f
	case v.still(k.attempts[0], full):
		f.needs = asksToStand()
		return f
	}
	return undecidedByClass(f.message + ": too little was charged, or its counter refilled or turned meanwhile")
}
