package checker

import (
	"fmt"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// What an answer tells of its own call.

func callHeaderRequirements() []Requirement {
	return []Requirement{{
		ID: "headers/litellm-typed", Level: Must, Layer: Advisory,
		Sentence: "Headers that tell of a call are of their documented type, and true as far as the run can tell: no duration is longer than the attempt, no call id stands twice, and the key's limits are its own.",
		Source:   "LiteLLM's documentation of response headers",
		Tolerances: []Tolerance{{
			Value:  "durations may be 0.1 s and a tenth longer than the attempt",
			Reason: "the target has a clock of its own, which may be set meanwhile",
		}, {
			Value:  "more retries than the provider saw",
			Reason: "an attempt may have failed before it reached the provider",
		}, {
			Value:  "fewer retries than the provider saw decide nothing",
			Reason: "somebody between the target and the provider may have made them",
		}, {
			Value:  "headers that are not there",
			Reason: "what a stream takes and costs is not known before its first byte",
		}},
		judge: judgeCallHeaders,
	}}
}

// clockSlack and clockPart are by how much a duration that the target measured
// may be longer than the attempt.
const (
	clockSlack = 100 * time.Millisecond
	clockPart  = 10
)

func judgeCallHeaders(v *view) finding {
	there, answers := 0, 0
	ids, untold := map[string]int{}, ""
	for _, k := range v.asked("headers/litellm-typed").keys {
		for _, a := range k.attempts {
			told := history.ReadCallHeaders(a.Header)
			if told.There == 0 {
				continue
			}
			there, answers = there+told.There, answers+1
			if f := callHeadersWrong(k, a, told); f != nil {
				return *f
			}
			if failed, more := failedBefore(a), told.Retries; more != nil && *more+orZero(told.Fallbacks) < int64(failed) {
				untold = fmt.Sprintf("%s tells of %d retries, and %d calls failed before the one that succeeded: one is left out, or was made behind the target", describe(a), *more, failed)
			}
			if first, twice := ids[told.CallID]; twice && told.CallID != "" {
				return finding{
					verdict: Fail, message: "two calls were told the same id",
					expected: "an id of each call's own", observed: told.CallID + " twice", attempts: []int{first, a.ID},
				}
			}
			ids[told.CallID] = a.ID
		}
	}
	if there == 0 {
		return skipped("no answer tells of its call in headers of a documented name")
	}
	if untold != "" {
		return undecided(untold)
	}
	return passed(fmt.Sprintf("%d headers on %d answers, each of its documented type", there, answers))
}

// callHeadersWrong says what of one answer's headers is wrong; nil is nothing.
func callHeadersWrong(k keyView, a seen, told history.CallHeaders) *finding {
	wrong := func(message, expected, observed string) *finding {
		return &finding{verdict: Fail, message: message, expected: expected, observed: observed, attempts: []int{a.ID}}
	}
	for _, m := range told.Mistyped {
		return wrong(m.Name+" is not of its documented type", m.Want, fmt.Sprintf("%q", m.Value))
	}
	took := a.Done - a.Sent
	for _, d := range told.Durations {
		if d.Took > took+clockSlack+took/clockPart {
			return wrong(d.Name+" is longer than the whole attempt", "at most "+seconds(took), seconds(d.Took))
		}
	}
	for _, l := range []struct {
		kind        string
		told, limit *int64
	}{{"requests", told.RequestsLimit, k.Limits.Requests}, {"tokens", told.TokensLimit, k.Limits.Tokens}} {
		if l.told != nil && l.limit != nil && *l.told != *l.limit {
			return wrong("the key's limit of "+l.kind+" is told wrong", fmt.Sprint(*l.limit), fmt.Sprint(*l.told))
		}
	}
	return nil
}

// failedBefore counts the calls of an answered attempt that failed before the
// one that succeeded.
func failedBefore(a seen) int {
	if len(a.calls) == 0 || a.Status != 200 || lastCall(a).Status != 200 {
		return 0
	}
	failed := 0
	for _, c := range a.calls {
		if c.Status != 200 {
			failed++
		}
	}
	return failed
}

func orZero(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}
