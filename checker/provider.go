package checker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ratecheck/ratecheck/history"
)

// What a client is told of what the provider's own headers say.

func providerRequirements() []Requirement {
	return []Requirement{
		{
			ID: "headers/provider-fallback", Level: Must, Layer: Advisory,
			Sentence: "Where a key has no limit of a kind, the unprefixed rate headers tell what the provider told in this call, or nothing of the provider's.",
			Source:   "LiteLLM's documentation of response headers; docs/reference.md rule 25",
			Tolerances: []Tolerance{{
				Value:  "numbers that the provider told in no call of the run",
				Reason: "a gateway may tell a limit of its own, of which the run knows nothing",
			}, {
				Value:  "headers that are not there",
				Reason: "few gateways pass the provider's on",
			}},
			judge: judgeProviderFallback,
		},
		{
			ID: "headers/provider-passed", Level: Must, Layer: Advisory,
			Sentence: "What the provider's headers say stands in llm_provider-*, once and as it was sent, where a target has such headers.",
			Source:   "LiteLLM's documentation of response headers; docs/reference.md rule 25",
			judge:    judgeProviderPassed,
		},
	}
}

// sentByProvider are the values that the provider sent under one name in the
// calls of an attempt, the last call's last.
func sentByProvider(a seen, name string) []string {
	var values []string
	for _, c := range a.calls {
		for sent, value := range c.RateHeaders {
			if strings.EqualFold(sent, name) {
				values = append(values, strings.TrimSpace(value))
			}
		}
	}
	return values
}

// answeredByProvider are the attempts that were sent for a requirement and that
// the provider answered well, each on its key.
func (v *view) answeredByProvider(id string) []keyView {
	asked := v.asked(id)
	keys := slices.Clone(asked.keys)
	for i := range keys {
		keys[i].attempts = slices.DeleteFunc(withOutcome(keys[i].attempts, admitted), func(a seen) bool {
			return a.Status != 200 || len(a.calls) == 0
		})
	}
	return keys
}

// otherCalls finds the calls of other attempts in which the provider told a
// value under a name.
func (v *view) otherCalls(a seen, name, value string) (attempt int, found bool) {
	for _, k := range v.Keys {
		for _, b := range v.byKey[k.Alias] {
			if b.ID != a.ID && slices.Contains(sentByProvider(b, name), value) {
				return b.ID, true
			}
		}
	}
	return 0, false
}

func judgeProviderFallback(v *view) finding {
	if !v.Run.Ledger {
		return skipped("what the provider told is known of our provider only")
	}
	answers, right, own := 0, 0, 0
	for _, k := range v.answeredByProvider("headers/provider-fallback") {
		answers += len(k.attempts)
		for _, a := range k.attempts {
			for _, kind := range []string{"requests", "tokens"} {
				if kind == "requests" && k.Limits.Requests != nil || kind == "tokens" && k.Limits.Tokens != nil {
					continue
				}
				passed, f := v.fallsBack(a, kind)
				switch {
				case f != nil:
					return *f
				case passed > 0:
					right += passed
				default:
					own += len(toldUnprefixed(a, kind))
				}
			}
		}
	}
	switch {
	case answers == 0:
		return undecided("nothing was admitted: " + firstTrouble(v.all()))
	case right > 0:
		return passed(fmt.Sprintf("%d numbers told where the key has no limit, each what the provider told in this call", right))
	case own > 0:
		return skipped(fmt.Sprintf("%d numbers are told where the key has no limit, and none is the provider's: they are the target's own", own))
	}
	return skipped("nothing is told where the key has no limit")
}

// toldUnprefixed are the values of the pair of one kind under their unprefixed
// names, by the name.
func toldUnprefixed(a seen, kind string) map[string]string {
	told := map[string]string{}
	for _, what := range []string{"limit", "remaining"} {
		name := "x-ratelimit-" + what + "-" + kind
		if value := strings.TrimSpace(a.Header[name]); value != "" {
			told[name] = value
		}
	}
	return told
}

// fallsBack counts the numbers that are the provider's of this call. Wrong is
// one that the provider told in another call, and a pair of which only a part is
// of this call.
func (v *view) fallsBack(a seen, kind string) (right int, wrong *finding) {
	told := toldUnprefixed(a, kind)
	for _, name := range slices.Sorted(maps.Keys(told)) {
		if slices.Contains(sentByProvider(a, name), told[name]) {
			right++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(told)) {
		sent, value := sentByProvider(a, name), told[name]
		if slices.Contains(sent, value) {
			continue
		}
		other, stale := v.otherCalls(a, name, value)
		if !stale && right == 0 {
			continue
		}
		f := finding{
			verdict: Fail, message: "a key without a limit is told numbers that are not the provider's of this call",
			expected: name + ": " + orNothing(sent), observed: name + ": " + value, attempts: []int{a.ID},
		}
		if stale {
			f.observed += fmt.Sprintf(", which the provider told in the call of attempt %d", other)
			f.attempts = append(f.attempts, other)
		}
		return 0, &f
	}
	return right, nil
}

func orNothing(sent []string) string {
	if len(sent) == 0 {
		return "nothing, for the provider told none"
	}
	return sent[len(sent)-1] + ", as the provider told in this call, or nothing"
}

// passedOn marks what a proxy passes on of its upstream's headers.
const passedOn = "llm_provider-"

func passesOn(a seen) bool {
	for name := range a.Header {
		if strings.HasPrefix(name, passedOn) {
			return true
		}
	}
	return false
}

func judgeProviderPassed(v *view) finding {
	if !v.Run.Ledger {
		return skipped("what the provider sent is known of our provider only")
	}
	answers, values, any := 0, 0, false
	var wrong *finding
	for _, k := range v.answeredByProvider("headers/provider-passed") {
		for _, a := range k.attempts {
			answers++
			any = any || passesOn(a)
			n, f := passedAsSent(a)
			values += n
			if wrong == nil {
				wrong = f
			}
		}
	}
	switch {
	case answers == 0:
		return undecided("nothing was admitted: " + firstTrouble(v.all()))
	case !any:
		return skipped("no answer has a header " + passedOn + "*")
	case wrong != nil:
		return *wrong
	case values == 0:
		return undecided("the provider sent no headers that could be passed on")
	}
	return passed(strconv.Itoa(values) + " headers of the provider, each passed on as it was sent")
}

// passedAsSent counts the provider's headers that an answer passes on as the
// last call of the attempt sent them.
func passedAsSent(a seen) (n int, wrong *finding) {
	last := lastCall(a)
	for _, sent := range slices.Sorted(maps.Keys(last.RateHeaders)) {
		name, want := passedOn+strings.ToLower(sent), strings.TrimSpace(last.RateHeaders[sent])
		got, there := a.Header[name]
		if got = strings.TrimSpace(got); got == want {
			n++
			continue
		}
		f := finding{
			verdict: Fail, message: "a header of the provider is not passed on as it was sent",
			expected: name + ": " + want, observed: "none", attempts: []int{a.ID},
		}
		if there {
			f.observed = name + ": " + got
		}
		return n, &f
	}
	return n, nil
}

// lastCall is the call that an admitted attempt was answered from.
func lastCall(a seen) history.Call {
	return slices.MaxFunc(a.calls, func(a, b history.Call) int { return a.ID - b.ID })
}
