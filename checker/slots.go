package checker

import (
	"fmt"
	"strings"
	"time"
)

// slotFreed is how long after the end of its upstream call a slot may stay
// taken.
const slotFreed = time.Second

func slotRequirements() []Requirement {
	return []Requirement{
		{
			ID: "parallel/kept-across-windows", Level: Must, Layer: Enforcement,
			Sentence: "Slots are held over a window's edge: no more requests are in flight behind it than before it.",
			Source:   "docs/reference.md rule 5; LiteLLM 16011 and 32441",
			judge:    judgeParallelEdge,
		},
		{
			ID: "parallel/slot-freed", Level: Must, Layer: Enforcement,
			Sentence: "A slot is free within 1 s of the end of its upstream call: after success, error, and when the client left.",
			Source:   "docs/reference.md rules 5 and 15; LiteLLM 20256 and 27955",
			Tolerances: []Tolerance{{
				Value:  "1 s",
				Reason: "a limiter may free slots beside the answer",
			}},
			judge: judgeSlotFreed,
		},
	}
}

func judgeParallelEdge(v *view) finding {
	if !v.Run.Ledger {
		return skipped("who is in flight at the provider can be told by our provider's ledger only")
	}
	for _, k := range v.keys {
		if k.Limits.Parallel == nil {
			continue
		}
		limit := int(*k.Limits.Parallel)
		hold, more := step(k.attempts, "hold"), step(k.attempts, "more")
		peak, together := v.peak(append(hold[:len(hold):len(hold)], more...))
		if peak > limit {
			return finding{
				verdict: Fail, message: fmt.Sprintf("%d requests of %s were in flight at once behind a window's edge", peak, k.Alias),
				expected: fmt.Sprintf("at most %d", limit), observed: fmt.Sprintf("%d, by the provider's ledger", peak), attempts: ids(together),
			}
		}
		switch {
		case count(hold, admitted) < limit:
			return undecided(fmt.Sprintf("only %d of %d slots could be taken before the edge: %s", count(hold, admitted), limit, firstTrouble(hold)))
		case len(certain(withOutcome(more, refused))) < len(more):
			return undecided(fmt.Sprintf("%d of %d requests behind the edge were not refused, and %d were in flight at the most", len(more)-count(more, refused), len(more), peak))
		}
		return passed(fmt.Sprintf("%d slots held over the edge, and all %d further requests refused", limit, len(more)))
	}
	return undecided("no key with slots was asked")
}

func judgeSlotFreed(v *view) finding {
	var said []string
	for _, k := range v.keys {
		if k.Limits.Parallel == nil {
			continue
		}
		limit := int(*k.Limits.Parallel)
		taken, again := step(k.attempts, "take-*"), step(k.attempts, "again-*")
		if len(taken) == 0 || len(again) == 0 {
			return undecided("not all slots were asked for")
		}
		way := strings.TrimPrefix(taken[0].Step, "take-")
		if n := count(taken, admitted); n < limit {
			return undecided(fmt.Sprintf("only %d of %d slots could be taken (%s): %s", n, limit, way, firstTrouble(taken)))
		}
		var ended time.Duration
		for _, a := range taken {
			ended = max(ended, a.Done)
			for _, c := range a.calls {
				ended = max(ended, c.Done)
			}
		}
		refusals := certain(withOutcome(again, refused))
		switch {
		case again[0].Sent < ended+slotFreed:
			return undecided(fmt.Sprintf("the slots were asked for %s after the last call had ended (%s): too early", seconds(again[0].Sent-ended), way))
		case len(refusals) > 0:
			return finding{
				verdict: Fail, message: fmt.Sprintf("%d of %d slots are not free after %s", len(refusals), limit, describeWay(way)),
				expected: fmt.Sprintf("all %d free %s after the last upstream call had ended", limit, seconds(again[0].Sent-ended)),
				observed: fmt.Sprintf("%d admitted, %d refused", count(again, admitted), len(refusals)),
				attempts: append(firstFew(ids(taken)), firstFew(ids(refusals))...),
			}
		case again[0].Sent > taken[0].Sent+v.Run.Window-wholeSecond:
			return undecided(fmt.Sprintf("the slots were asked for %s after they had been taken (%s): a count that is kept in a window may have begun anew", seconds(again[0].Sent-taken[0].Sent), way))
		case count(again, admitted) < limit:
			return undecided("not every request was admitted or refused: " + firstTrouble(again))
		}
		said = append(said, describeWay(way))
	}
	if len(said) == 0 {
		return undecided("no key with slots was asked")
	}
	return passed("all slots are free again after " + strings.Join(said, ", "))
}

func describeWay(way string) string {
	switch way {
	case "error":
		return "an upstream error"
	case "leave":
		return "the client has left"
	}
	return "success"
}
