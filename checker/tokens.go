package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/checker/window"
)

// chargeDelay is how long after an answer its tokens may still be on their way
// to the counter. Limiters that charge after the answer do so beside it, and
// were measured to take 0.2 to 0.5 s.
const chargeDelay = 500 * time.Millisecond

// demandWindows is how many windows must have been asked for the whole limit:
// the second is the first one that follows a turn.
const demandWindows = 2

func tokenRequirements() []Requirement {
	late := Tolerance{
		Value:  "what was charged within 0.5 s of an admission may be missing from the count",
		Reason: "a limiter that charges after the answer does so beside it; one client that asks again at once is admitted once more",
	}
	return []Requirement{
		{
			ID: "tokens/limit-kept", Level: Must, Layer: Enforcement,
			Sentence: "One client that asks one request after the other is admitted its token limit in each window, and no more.",
			Source:   "docs/reference.md rules 11-14; LiteLLM 17664",
			Tolerances: []Tolerance{late, {
				Value:  "a request without a whole answer may have cost nothing, or its cap",
				Reason: "the target may not have had the answer either, and some limiters keep the estimate of a call that failed",
			}, {
				Value:  "a window may admit one request's cap (prompt bytes and max_tokens) less than the limit",
				Reason: "a limiter that reserves may have no room for a whole estimate",
			}, {
				Value:  "windows up to 1 s short, where at least three turns in a row may fall on whole seconds",
				Reason: "limiters that keep time in whole seconds open a window up to a second before its first request",
			}},
			judge: judgeTokensKept,
		},
		{
			ID: "tokens/limit-kept-concurrent", Level: Must, Layer: Enforcement,
			Sentence: "A burst of requests over a slow upstream is admitted its token limit and no more.",
			Source:   "LiteLLM 18730 and 27001; Envoy AI Gateway 680",
			Tolerances: []Tolerance{{
				Value:  "declared check-then-charge: an overshoot by no more than what was in flight is a WARN",
				Reason: "such a limiter documents that requests in flight are not counted",
			}},
			judge: judgeTokensConcurrent,
		},
		{
			ID: "tokens/window-reopens", Level: Must, Layer: Enforcement,
			Sentence: "When a window has passed over them the tokens are there again, whatever other limits the key has.",
			Source:   "LiteLLM 24677 and 18953",
			Tolerances: []Tolerance{late, {
				Value:  "tokens count whole for 1.1 windows and 0.5 s after their answer ended and fall linearly to nothing in the next",
				Reason: "that is the most any known class remembers of them (the sliding counter, and logs of ten sub-windows)",
			}},
			judge: judgeTokensReopen,
		},
	}
}

func judgeTokensKept(v *view) finding {
	var said []string
	var open *finding
	for _, k := range v.keys {
		if k.Limits.Tokens == nil {
			continue
		}
		f := v.tokensKept(k)
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
		return undecided("no key with a token limit was asked")
	}
	return passed(strings.Join(said, "; "))
}

func (v *view) tokensKept(k keyView) finding {
	limit, late := *k.Limits.Tokens, lateCharges(k.attempts)
	found, doubt := v.kept(limit, late, v.events(k.attempts, surelyUsed))
	if !found.Lawful && !doubt {
		return finding{
			verdict: Fail, message: fmt.Sprintf("%s was admitted %d tokens more than its limit allows", k.Alias, found.Excess+late),
			expected: fmt.Sprintf("at most %d tokens per %s and what was charged within 0.5 s of the last admission (%d)", limit, v.Run.Window, late),
			observed: fmt.Sprintf("%d more than that from %s to %s, in the nearest class (%s)", found.Excess, seconds(found.From), seconds(found.To), found.Class),
			attempts: found.IDs,
		}
	}
	cut := v.windowsOf(k, limit)
	if wrong := v.falselyRefused(k); len(certain(wrong)) > 0 {
		return cut.tooLittle(k, certain(wrong))
	} else if len(wrong) > 0 {
		return undecidedStatus(wrong, wrong[0].ID)
	}
	switch n := count(k.attempts, unknown); {
	case doubt:
		return inDoubt(k, found, "tokens")
	case n > 0:
		return undecided(fmt.Sprintf("%d requests were neither admitted nor refused: %s", n, firstTrouble(k.attempts)))
	case cut.asked < demandWindows:
		return undecided(fmt.Sprintf("the client asked for the limit of %d tokens in %d windows only, %d are needed: it or the target is too slow", limit, cut.asked, demandWindows))
	case cut.short != nil && !v.refusalsExplained(k, limit):
		return cut.tooLittle(k, nil)
	case cut.short != nil:
		return undecided(fmt.Sprintf("%s was admitted only %d of %d tokens from %s to %s, which some class of limiter may do", k.Alias, cut.short.sum, limit, seconds(cut.short.from), seconds(cut.short.to)))
	}
	return passed(fmt.Sprintf("%d of %d requests admitted; each window admitted at least %d of %d tokens", count(k.attempts, admitted), len(k.attempts), cut.least, limit))
}

// refusalsExplained says whether some class makes all refusals lawful that came
// when everything before them had been charged.
func (v *view) refusalsExplained(k keyView, limit int64) bool {
	var events []window.Event
	var settled time.Duration
	for _, a := range k.attempts {
		e := window.Event{ID: a.ID, From: a.Sent, To: v.decidedBy(a), Cost: a.Cap}
		if a.outcome == admitted {
			e.Admitted, e.Cost, e.To = true, used(a), overAt(a)+chargeDelay
			if !answeredWhole(a) {
				e.Cost = max(e.Cost, mostOf(k, a)) // may keep its estimate
			}
			settled = max(settled, e.To)
		} else if a.Sent < settled {
			continue
		}
		events = append(events, e)
	}
	rule := window.Rule{Limit: limit, Window: v.Run.Window}
	if may, _ := turnsOnWholeSeconds(events); may {
		rule.Early = wholeSecond
	}
	return slices.ContainsFunc(window.Classes(), func(c window.Class) bool { return rule.Refusals(c, events).Lawful })
}

// lateCharges is the most that had been used within chargeDelay before an
// admission and may not have been counted in it.
func lateCharges(attempts []seen) int64 {
	var most int64
	for _, a := range withOutcome(attempts, admitted) {
		var late int64
		for _, b := range attempts {
			if b.outcome == admitted && b.Sent < a.Sent && overAt(b) > a.Sent-chargeDelay {
				late += used(b)
			}
		}
		most = max(most, late)
	}
	return most
}

// stillReserved is the most that requests of a key may have held beyond what
// they used when one was refused: a limiter that charges beside the answer gives
// back what was reserved and not used there too.
func stillReserved(attempts []seen, full seen) int64 {
	var held int64
	for _, a := range attempts {
		if a.outcome == admitted && a.Sent <= full.Sent && overAt(a)+chargeDelay > full.Sent {
			held += max(0, a.Cap-used(a))
		}
	}
	return held
}

// cutWindows is what a client got in windows, each opened by the first
// admission after the former.
type cutWindows struct {
	asked int        // windows in which it asked for the whole limit
	least int64      // the least that such a window admitted
	short *cutWindow // the first that admitted less than the limit and one cap
}

type cutWindow struct {
	from, to        time.Duration
	sum, asked, cap int64
	limit           int64
	refused         []seen
}

func (v *view) windowsOf(k keyView, limit int64) cutWindows {
	cut := cutWindows{least: limit}
	end := lastEnd(k.attempts)
	for i := 0; i < len(k.attempts); {
		first := k.attempts[i]
		if first.outcome != admitted {
			i++
			continue
		}
		w := cutWindow{from: first.Sent, to: first.Sent + v.Run.Window, limit: limit}
		if w.to > end {
			break
		}
		for ; i < len(k.attempts) && k.attempts[i].Sent < w.to; i++ {
			a := k.attempts[i]
			w.cap = max(w.cap, a.Cap)
			w.asked += used(first)
			if a.outcome == admitted {
				w.sum += used(a)
			} else {
				w.refused = append(w.refused, a)
			}
		}
		if w.asked < limit {
			continue
		}
		cut.asked++
		cut.least = min(cut.least, w.sum)
		if w.sum < limit-w.cap && cut.short == nil {
			cut.short = &w
		}
	}
	return cut
}

// tooLittle tells of refusals that no class explains: by those that are false
// for each of them, and by the window that was short where there is one.
func (c cutWindows) tooLittle(k keyView, wrong []seen) finding {
	if w := c.short; w != nil {
		f := finding{
			verdict: Fail, message: fmt.Sprintf("%s was admitted only %d of %d tokens in a window in which it asked for %d", k.Alias, w.sum, w.limit, w.asked),
			expected: fmt.Sprintf("at least %d tokens (the limit less one request's cap of %d)", w.limit-w.cap, w.cap),
			observed: fmt.Sprintf("%d tokens from %s to %s", w.sum, seconds(w.from), seconds(w.to)),
			attempts: firstFew(ids(wrong)),
		}
		if len(wrong) == 0 {
			f.attempts = firstFew(ids(w.refused))
			return f
		}
		f.observed += fmt.Sprintf("; %d refusals although there was room by every way of counting", len(wrong))
		return f
	}
	return finding{
		verdict: Fail, message: fmt.Sprintf("%s was refused %d times although there was room by every way of counting", k.Alias, len(wrong)),
		expected: "a request is admitted while its cap fits beside what was used in the last two windows",
		observed: fmt.Sprintf("attempt %d was refused at %s", wrong[0].ID, seconds(wrong[0].Done)),
		attempts: firstFew(ids(wrong)),
	}
}
