package checker

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ratecheck/ratecheck/history"
)

// The requirements on what is refused, what a refusal costs and what it says.

func fairnessRequirements() []Requirement {
	return []Requirement{
		{
			ID: "requests/one-upstream-call", Level: Must, Layer: Enforcement,
			Sentence: "An admitted request whose first upstream call succeeds makes one call.",
			Source:   "docs/reference.md rule 15",
			judge:    judgeOneCall,
		},
		{
			ID: "requests/refused-not-charged", Level: Must, Layer: Enforcement,
			Sentence: "A refused request takes nothing from any counter of any kind.",
			Source:   "docs/reference.md rule 4; LiteLLM 39309",
			Tolerances: []Tolerance{{
				Value:  "a refusal within 1 s of an answer, on a key with slots",
				Reason: "a limiter may free slots beside the answer",
			}},
			judge: judgeRefusedFree,
		},
		{
			ID: "tokens/limit-usable", Level: Must, Layer: Enforcement,
			Sentence: "No request is refused while its tokens are there and nothing is in flight.",
			Source:   "docs/reference.md rule 12; docs/judging.md (a refusal that is false for every class)",
			Tolerances: []Tolerance{{
				Value:  "a request counts at its cap (prompt bytes and max_tokens), what was used for two windows as above",
				Reason: "no estimate is above the cap, and no known class remembers longer",
			}},
			judge: judgeTokensUsable,
		},
		{
			ID: "tokens/small-limit-usable", Level: Must, Layer: Enforcement,
			Sentence: "A small limit admits a first request that states no max_tokens.",
			Source:   "LiteLLM 28805; docs/reference.md rule 12",
			judge:    judgeSmallLimit,
		},
		{
			ID: "refusal/body", Level: Must, Layer: Contract,
			Sentence: "A refusal has a JSON body; it should be an error object as OpenAI's or Anthropic's, or problem+json.",
			Source:   "docs/reference.md rule 24; RFC 9457",
			judge:    judgeRefusalBody,
		},
		{
			ID: "refusal/never-fits", Level: Should, Layer: Contract,
			Sentence: "A request that can never fit is not told to come back.",
			Source:   "docs/reference.md rule 17; SMG, which leaves Retry-After out",
			judge:    judgeNeverFits,
		},
	}
}

func judgeOneCall(v *view) finding {
	if !v.Run.Ledger {
		return skipped("upstream calls are counted by our provider's ledger only")
	}
	n := 0
	for _, a := range v.all() {
		if len(a.calls) == 0 {
			continue
		}
		n++
		first := slices.MinFunc(a.calls, func(a, b history.Call) int {
			return cmp.Or(cmp.Compare(a.Received, b.Received), cmp.Compare(a.ID, b.ID))
		})
		// Who left a call before its answer was whole does not have it.
		if first.Status == 200 && !first.Gone && !first.Cut && len(a.calls) > 1 {
			return finding{
				verdict: Fail, message: "an upstream call that had succeeded was made again",
				expected: "one call", observed: fmt.Sprintf("%d calls", len(a.calls)), attempts: []int{a.ID},
			}
		}
	}
	if n == 0 {
		return undecided("nothing reached the provider")
	}
	return passed(fmt.Sprintf("%d admitted requests, one call each", n))
}

func judgeRefusedFree(v *view) finding {
	var said []string
	var open *finding // the first key of which nothing can be told
	for _, k := range v.keys {
		f := v.refusedFree(k)
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
	return passed(strings.Join(said, "; "))
}

// refusedFree judges a key on which requests were refused for one limit before
// another was used up.
func (v *view) refusedFree(k keyView) finding {
	blocked, fill := step(k.attempts, "blocked"), step(k.attempts, "fill")
	if len(certain(withOutcome(blocked, refused))) == 0 {
		return undecided(fmt.Sprintf("nothing was refused on the key with %s: %s", describeLimits(k), firstTrouble(blocked)))
	}
	if len(certain(withOutcome(fill, refused))) == 0 || k.Limits.Requests == nil {
		return undecided(fmt.Sprintf("the request limit of the key with %s could not be used up", describeLimits(k)))
	}
	for _, a := range v.falselyRefused(k) {
		if a.Step == "fill" && !a.doubtful {
			return finding{
				verdict: Fail, message: fmt.Sprintf("%d refused requests were charged as requests on a key with %s", count(blocked, refused), describeLimits(k)),
				expected: fmt.Sprintf("%d requests admitted before one is refused for requests", *k.Limits.Requests),
				observed: fmt.Sprintf("%d admitted", count(k.attempts, admitted)),
				attempts: append(firstFew(ids(withOutcome(blocked, refused))), a.ID),
			}
		}
	}
	forSlots := !slices.ContainsFunc(certain(withOutcome(fill, refused)), func(a seen) bool { return !slotsMayBeTaken(k, a) })
	if through := count(k.attempts, admitted); forSlots && int64(through) < *k.Limits.Requests {
		return undecided(fmt.Sprintf("%d of %d requests were admitted on the key with %s, and others refused while its slots may have been taken: they are freed within %s of an answer", through, *k.Limits.Requests, describeLimits(k), slotFreed))
	}
	return passed(fmt.Sprintf("%s: %d refused, and all %d requests admitted", describeLimits(k), count(blocked, refused), count(k.attempts, admitted)))
}

func judgeTokensUsable(v *view) finding {
	n := 0
	for _, k := range v.keys {
		n += count(k.attempts, refused)
		if wrong := certain(v.falselyRefused(k)); len(wrong) > 0 {
			return finding{
				verdict: Fail, message: fmt.Sprintf("%s was refused %d times although there was room for the whole cap of the request", k.Alias, len(wrong)),
				expected: fmt.Sprintf("admitted while %d tokens are left", wrong[0].Cap), observed: fmt.Sprintf("status %d", wrong[0].Status),
				attempts: firstFew(ids(wrong)),
			}
		}
	}
	if n == 0 {
		return undecided("nothing was refused, so no refusal could be judged")
	}
	return passed(fmt.Sprintf("%d refusals, each lawful for some class", n))
}

func judgeSmallLimit(v *view) finding {
	first := step(v.all(), "first")
	if len(first) != 1 || first[0].outcome == unknown || first[0].doubtful {
		return undecided("the first request was neither admitted nor refused: " + firstTroubleOrStatus(first))
	}
	if first[0].outcome == refused {
		return finding{
			verdict: Fail, message: "the first request of a key was refused, although nothing had been used",
			expected: "admitted: it states no max_tokens and its prompt is short", observed: describe(first[0]), attempts: ids(first),
		}
	}
	return passed("the first request was admitted")
}

// saysNeverFits says whether a status is a lawful answer to what can never fit,
// beside a refusal's: a bad request, too large, or not to be processed.
func saysNeverFits(status int) bool { return status == 400 || status == 413 || status == 422 }

func judgeNeverFits(v *view) finding {
	asked := step(v.all(), "never")
	if len(asked) == 0 {
		return undecided("it was not asked")
	}
	for _, a := range asked {
		switch {
		case a.outcome == admitted:
			return skipped("a request for more than the limit is admitted: the limiter does not look at max_tokens")
		case a.outcome == unknown && saysNeverFits(a.Status):
		case a.outcome == unknown || a.doubtful:
			return undecided("a request was neither admitted nor refused: " + describe(a))
		case a.Header["retry-after"] != "" && a.Header["x-should-retry"] != "false":
			return finding{
				verdict: Fail, message: "a request that can never fit is told to come back",
				expected: "no Retry-After, or x-should-retry: false, or status 400",
				observed: "retry-after: " + a.Header["retry-after"], attempts: []int{a.ID},
			}
		}
	}
	return passed("refused, and not told to come back")
}
