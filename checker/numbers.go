package checker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ratecheck/ratecheck/history"
)

// The requirements on what rate headers say.

func numberRequirements() []Requirement {
	return []Requirement{
		{
			ID: "headers/limit-true", Level: Must, Layer: Advisory,
			Sentence: "Rate headers tell the limit that the key has.",
			Source:   "docs/reference.md rule 25; WSO2 2932",
			judge:    judgeLimitTrue,
		},
		{
			ID: "headers/remaining-true", Level: Must, Layer: Advisory,
			Sentence: "Remaining is from 0 to the limit, does not rise on a quiet key, and shows each request at latest one answer later.",
			Source:   "docs/reference.md rule 25; Envoy AI Gateway 1754",
			Tolerances: []Tolerance{{
				Value:  "rises and late charges are judged only where the class cannot refill or turn meanwhile",
				Reason: "a bucket refills all the time, and a window on the clock turns whenever it does",
			}, {
				Value:  "tokens: two answers in one form to requests of one size, each asked for 0.5 s after all before it had ended",
				Reason: "charges come late, and what was reserved comes back beside later answers; what is told may hold the own estimate or not, on a stream otherwise than on a plain answer",
			}},
			judge: judgeRemainingTrue,
		},
		{
			ID: "headers/key-before-provider", Level: Must, Layer: Advisory,
			Sentence: "A key with limits is told its own numbers and not the provider's.",
			Source:   "LiteLLM's documentation of response headers; docs/reference.md rule 25",
			judge:    judgeKeyBeforeProvider,
		},
	}
}

// toldNumbers are the numbers of one kind that the answers of a key told.
type toldNumbers struct {
	what      string
	limit     int64
	attempts  []seen
	limits    []int64
	remaining []int64
}

// toldOf collects the numbers of a key in the order of its attempts.
func toldOf(k keyView) []toldNumbers {
	var list []toldNumbers
	for _, kind := range []struct {
		what  string
		limit *int64
	}{{"requests", k.Limits.Requests}, {"tokens", k.Limits.Tokens}} {
		if kind.limit == nil {
			continue
		}
		t := toldNumbers{what: kind.what, limit: *kind.limit}
		for _, a := range k.attempts {
			rates := ratesOf(a)
			limit, left := rates.RequestsLimit, rates.RequestsRemaining
			if kind.what == "tokens" {
				limit, left = rates.TokensLimit, rates.TokensRemaining
			}
			if a.outcome != admitted || limit == nil || left == nil || kind.what == "requests" && ofAnotherLimit(k, a, *limit) {
				continue
			}
			t.attempts, t.limits, t.remaining = append(t.attempts, a), append(t.limits, *limit), append(t.remaining, *left)
		}
		list = append(list, t)
	}
	return list
}

// ofAnotherLimit says whether a limit that is told under a name that does not
// say what it counts is another one of the key's than that of requests, or is
// told beside that one, as of a longer window.
func ofAnotherLimit(k keyView, a seen, limit int64) bool {
	unnamed := history.UnnamedLimits(a.Header)
	if unnamed == nil || limit == *k.Limits.Requests {
		return false
	}
	for _, other := range []*int64{k.Limits.Tokens, k.Limits.Parallel} {
		if other != nil && limit == *other {
			return true
		}
	}
	return slices.Contains(unnamed, *k.Limits.Requests)
}

func judgeLimitTrue(v *view) finding {
	n := 0
	for _, k := range v.keys {
		for _, t := range toldOf(k) {
			n += len(t.attempts)
			if at := slices.IndexFunc(t.limits, func(l int64) bool { return l != t.limit }); at >= 0 {
				return finding{
					verdict: Fail, message: fmt.Sprintf("the limit of %s is told wrong", t.what),
					expected: strconv.FormatInt(t.limit, 10), observed: strconv.FormatInt(t.limits[at], 10), attempts: []int{t.attempts[at].ID},
				}
			}
		}
	}
	if n == 0 {
		return skipped("no answer tells a limit and what remains of it")
	}
	return passed(fmt.Sprintf("%d numbers told, each the key's limit", n))
}

func judgeRemainingTrue(v *view) finding {
	n := 0
	for _, k := range v.asked("headers/remaining-true").keys {
		for _, t := range toldOf(k) {
			n += len(t.attempts)
			if f, wrong := v.remainingWrong(v.byKey[k.Alias], t); wrong {
				return f
			}
		}
	}
	if n == 0 {
		return skipped("no answer tells a limit and what remains of it")
	}
	return passed(fmt.Sprintf("%d numbers told, each lawful", n))
}

// remainingWrong judges the numbers of one kind. All are the attempts of the
// key, of which some tell none.
func (v *view) remainingWrong(all []seen, t toldNumbers) (finding, bool) {
	var needs []string // what is out of range is so in any class
	wrong := func(message, expected string, i int, more ...int) (finding, bool) {
		f := finding{
			needs:   needs,
			verdict: Fail, message: message, expected: expected,
			observed: fmt.Sprintf("remaining %s were told as %v", t.what, t.remaining), attempts: append(more, t.attempts[i].ID),
		}
		return f, true
	}
	for i, left := range t.remaining {
		needs = nil
		if left < 0 || left > t.limit {
			return wrong(fmt.Sprintf("remaining %s are out of range", t.what), fmt.Sprintf("0 to %d", t.limit), i)
		}
		if i == 0 {
			continue
		}
		if t.what == "tokens" {
			if !v.still(t.attempts[0], t.attempts[i]) {
				continue
			}
			needs = asksToStand()
			if at, found := formerAlike(all, t, i); found && left >= t.remaining[at] {
				return wrong("remaining tokens do not fall", "what was used before and is charged by now shows", i, t.attempts[at].ID)
			}
			continue
		}
		if !v.requestsStill(t.attempts[0], t.attempts[i]) {
			continue
		}
		needs = []string{asksForClass}
		if left > t.remaining[i-1] {
			return wrong(fmt.Sprintf("remaining %s rose on a quiet key", t.what), "nothing came back, so it does not rise", i, t.attempts[i-1].ID)
		}
		// What was charged for the answer before the last must show by now.
		if i >= 2 && left >= t.remaining[i-2] {
			return wrong(fmt.Sprintf("remaining %s do not fall", t.what), "each request shows at latest one answer later", i, t.attempts[i-2].ID)
		}
	}
	return finding{}, false
}

// formerAlike finds the last answer before the i-th that tells what is left of
// the tokens as that one does, with something used since: both were asked for
// alone when all before had been charged, in the same form and at the same cap.
func formerAlike(all []seen, t toldNumbers, i int) (at int, found bool) {
	a := t.attempts[i]
	for at = i - 1; at >= 0; at-- {
		b := t.attempts[at]
		if a.Stream == b.Stream && a.Cap == b.Cap && atRest(all, b) {
			break
		}
	}
	if at < 0 || !atRest(all, a) {
		return 0, false
	}
	var since int64
	for _, b := range all {
		if b.outcome == admitted && b.Sent >= t.attempts[at].Sent && b.Sent < a.Sent {
			since += used(b)
		}
	}
	return at, since > 0
}

// atRest says whether everything else of a key that was asked for before an
// answer came had been charged when that was asked for.
func atRest(all []seen, of seen) bool {
	return !slices.ContainsFunc(all, func(a seen) bool {
		before := a.Sent <= of.Sent || a.Sent < toldAt(of)
		return a.ID != of.ID && before && overAt(a)+chargeDelay > of.Sent
	})
}

// limitsIn are the limits that the lines of a header tell, without the policies
// behind them; none where it tells no number.
func limitsIn(value string) []int64 {
	var limits []int64
	for i, item := range strings.Split(value, ",") {
		text, _, isPolicy := strings.Cut(item, ";")
		if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil && (i == 0 || !isPolicy) {
			limits = append(limits, n)
		}
	}
	return limits
}

func judgeKeyBeforeProvider(v *view) finding {
	n := 0
	for _, k := range v.keys {
		for _, a := range withOutcome(k.attempts, admitted) {
			for _, own := range []struct {
				kind  string
				limit *int64
			}{{"requests", k.Limits.Requests}, {"tokens", k.Limits.Tokens}} {
				value := a.Header["x-ratelimit-limit-"+own.kind]
				limits := limitsIn(value)
				if len(limits) == 0 || own.limit == nil {
					continue
				}
				n++
				if slices.ContainsFunc(limits, func(l int64) bool { return l != *own.limit }) {
					return finding{
						verdict: Fail, message: "a key with limits is told the provider's numbers",
						expected: fmt.Sprintf("x-ratelimit-limit-%s: %d, or none", own.kind, *own.limit),
						observed: fmt.Sprintf("x-ratelimit-limit-%s: %s", own.kind, value), attempts: []int{a.ID},
					}
				}
			}
		}
	}
	if count(v.all(), admitted) == 0 {
		return undecided("nothing was admitted: " + firstTrouble(v.all()))
	}
	if n == 0 {
		return passed("no answer carries the provider's numbers as its own")
	}
	return passed(fmt.Sprintf("%d numbers told under the unprefixed names, each the key's own", n))
}
