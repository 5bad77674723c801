package checker

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

func refusalRequirements() []Requirement {
	return []Requirement{
		{
			ID: "refusal/status", Level: Must, Layer: Contract,
			Sentence: "A refusal has status 429.",
			Source:   "RFC 6585 section 4; the official SDKs retry 408, 409, 429 and 5xx",
			Tolerances: []Tolerance{{
				Value:  "a 408, 503 or 529 to a kind of request that is refused with 429 elsewhere: INCONCLUSIVE",
				Reason: "an overload or a timeout looks the same",
			}},
			judge: judgeRefusalStatus,
		},
		{
			ID: "refusal/before-stream", Level: Must, Layer: Contract,
			Sentence: "A stream is refused before its first byte, by status, and not by an event in it.",
			Source:   "docs/reference.md rule 24; Kuadrant wasm-shim 372",
			judge:    judgeRefusalBeforeStream,
		},
		{
			ID: "refusal/retry-after", Level: Must, Layer: Contract,
			Sentence: "A refusal says when to come back: Retry-After, in whole seconds or as an HTTP-date.",
			Source:   "RFC 9110 section 10.2.3; docs/reference.md rule 24",
			judge:    judgeRetryAfter,
		},
		{
			ID: "refusal/retry-after-sufficient", Level: Must, Layer: Contract,
			Sentence: "Who waits as long as Retry-After says is admitted.",
			Source:   "RFC 9110 section 10.2.3; docs/reference.md rule 24",
			Tolerances: []Tolerance{{
				Value:  "not judged for slots",
				Reason: "nobody knows when one frees",
			}},
			judge: judgeRetryAfterSufficient,
		},
		{
			ID: "refusal/retry-after-tight", Level: Should, Layer: Contract,
			Sentence: "Retry-After does not keep a client waiting for longer than it must.",
			Source:   "docs/reference.md rule 24; RFC 9110 section 10.2.3",
			Tolerances: []Tolerance{{
				Value:  "1 s and a tenth of what is told",
				Reason: "whole seconds are rounded up, and a limiter may add a little",
			}, {
				Value:  "2 s and a tenth where a date is told, and by what the answer's Date is behind earlier ones; INCONCLUSIVE where it had none",
				Reason: "a date is rounded up and the answer's own down, and a busy server renews that late; the target's clock may be another than ours",
			}, {
				Value:  "two windows and 2 s, for which nobody waited",
				Reason: "a sliding counter gives back in the course of a second window, and no known class remembers longer",
			}, {
				Value:  "an answer that may have been decided later than that: INCONCLUSIVE",
				Reason: "a slow target decides late",
			}},
			judge: judgeRetryAfterTight,
		},
	}
}

// lastRefusal is the last refusal of a key before its first request of a step.
func (v *view) lastRefusal(k keyView, before string) *seen {
	var refusal *seen
	for i := range k.attempts {
		a := &k.attempts[i]
		if a.Step == before {
			break
		}
		if a.outcome == refused && !a.doubtful {
			refusal = a
		}
	}
	return refusal
}

// surelyRefused are the refusals that are the limiter's, and open says what to
// tell where there is none, or a doubtful one beside them.
func (v *view) surelyRefused() (sure []seen, open *finding) {
	var byStatus int
	for _, a := range withOutcome(v.all(), refused) {
		switch {
		case a.doubtful && open == nil:
			f := undecidedStatus([]seen{a}, a.ID)
			open = &f
		case a.doubtful:
		default:
			sure = append(sure, a)
			if !a.ErrorEvent {
				byStatus++
			}
		}
	}
	if byStatus == 0 && open == nil {
		f := undecided("nothing was refused by status")
		open = &f
	}
	return sure, open
}

func judgeRefusalStatus(v *view) finding {
	sure, open := v.surelyRefused()
	var right int
	var wrong []seen
	for _, a := range sure {
		switch {
		case a.ErrorEvent: // judged by refusal/before-stream
		case a.Status == 429:
			right++
		default:
			wrong = append(wrong, a)
		}
	}
	switch {
	case len(wrong) > 0:
		return finding{
			verdict: Fail, message: fmt.Sprintf("%d of %d refusals have another status than 429", len(wrong), right+len(wrong)),
			expected: "429", observed: statuses(wrong), attempts: firstFew(ids(wrong)),
		}
	case open != nil:
		return *open
	}
	return passed(fmt.Sprintf("429 on all %d refusals", right))
}

// statuses lists each status once, in order of appearance.
func statuses(attempts []seen) string {
	var list []string
	for _, a := range attempts {
		if text := strconv.Itoa(a.Status); !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

func judgeRefusalBeforeStream(v *view) finding {
	var right int
	var wrong []seen
	for _, a := range withOutcome(v.all(), refused) {
		switch {
		case !a.Stream || a.doubtful:
		case a.ErrorEvent:
			wrong = append(wrong, a)
		default:
			right++
		}
	}
	switch {
	case len(wrong) > 0 && right > 0 && !v.Run.Ledger:
		return undecided(fmt.Sprintf("%d streams were refused by status and %d began with an error, which may be the upstream's: its ledger would tell", right, len(wrong)))
	case len(wrong) > 0:
		return finding{
			verdict: Fail, message: fmt.Sprintf("%d streams were refused by an event in a stream of status 200", len(wrong)),
			expected: "status 429 and no stream", observed: firstEvent(wrong[0]), attempts: firstFew(ids(wrong)),
		}
	case right == 0:
		return undecided("no stream was refused")
	}
	return passed(fmt.Sprintf("all %d refused streams were refused by status", right))
}

func firstEvent(a seen) string {
	if a.Excerpt == "" {
		return fmt.Sprintf("status %d and an error as the first event", a.Status)
	}
	return fmt.Sprintf("status %d and as the first event: %s", a.Status, a.Excerpt)
}

// formOnly reads a Retry-After for its form alone, for which the time does not
// matter.
func formOnly(value string) error {
	if _, err := history.ReadRetryAfter(value); !errors.Is(err, history.ErrWallTime) {
		return err
	}
	return nil
}

func judgeRetryAfter(v *view) finding {
	sure, open := v.surelyRefused()
	var right int
	var wrong []seen
	var why error
	for _, a := range sure {
		if a.ErrorEvent {
			continue // has no headers of a refusal; judged by refusal/before-stream
		}
		if err := formOnly(a.Header["retry-after"]); err != nil {
			if why == nil {
				why = err
			}
			wrong = append(wrong, a)
			continue
		}
		right++
	}
	switch {
	case len(wrong) > 0:
		return finding{
			verdict: Fail, message: fmt.Sprintf("%d of %d refusals do not say when to come back", len(wrong), right+len(wrong)),
			expected: "Retry-After as a whole number of seconds or an HTTP-date", observed: why.Error(), attempts: firstFew(ids(wrong)),
			figure: portion("told", right, right+len(wrong), UnitAnswers),
		}
	case right == 0:
		return *open
	}
	return passed(fmt.Sprintf("on all %d refusals", right))
}

func judgeRetryAfterSufficient(v *view) finding {
	var passedKeys int
	var open *finding
	var lacking error
	for _, k := range v.keys {
		f, err := v.obeyed(k)
		switch {
		case f.verdict == Fail:
			return f
		case f.verdict == Pass:
			passedKeys++
		case f.verdict == Skip:
			lacking = err
		case open == nil:
			open = &f
		}
	}
	switch {
	case open != nil:
		return *open
	case lacking != nil && errors.Is(lacking, history.ErrNoRetryAfter):
		return skipped("refusals carry no Retry-After that could be obeyed")
	case lacking != nil:
		return skipped("refusals carry no Retry-After that could be obeyed: " + lacking.Error())
	}
	return passed(fmt.Sprintf("%d refused clients came back when told and were admitted", passedKeys))
}

// obeyed judges one key: the last refusal before the request that obeyed it.
func (v *view) obeyed(k keyView) (f finding, lacking error) {
	refusal := v.lastRefusal(k, "early")
	var back *seen
	for i, a := range k.attempts {
		// Who was admitted earlier than told need not come back again.
		if a.Step == "obey" || a.Step == "early" && a.outcome == admitted {
			back = &k.attempts[i]
			break
		}
	}
	if len(step(k.attempts, "early")) == 0 {
		refusal = v.lastRefusal(k, "obey")
	}
	if refusal == nil {
		return undecided(fmt.Sprintf("%s could not be used up", k.Alias)), nil
	}
	value := strings.TrimSpace(refusal.Header["retry-after"])
	if err := formOnly(value); err != nil {
		return skipped(""), err
	}
	wait, told := waitOf(value)
	switch {
	case back == nil:
		return undecided(fmt.Sprintf("a refused client was told to come back after %s, which is more than two windows, and was not kept waiting", value)), nil
	case back.outcome == unknown || back.doubtful:
		return undecided("the request after the wait was neither admitted nor refused: " + describe(*back)), nil
	case back.outcome == admitted:
		return passed(""), nil
	case !told:
		return undecided(fmt.Sprintf("attempt %d was refused at the date that Retry-After tells (%s); the answer does not say what time it is, and the target's clock may be another than ours", back.ID, value)), nil
	case back.Sent < toldAt(*refusal)+wait:
		return undecided(fmt.Sprintf("attempt %d came back after %s, earlier than Retry-After: %s says", back.ID, seconds(back.Sent-toldAt(*refusal)), value)), nil
	}
	return finding{
		verdict: Fail, message: fmt.Sprintf("%s waited as long as it was told and was refused again (%s)", k.Alias, describeLimits(k)),
		expected: fmt.Sprintf("admitted %s after the refusal, as Retry-After: %s says", seconds(back.Sent-toldAt(*refusal)), value),
		observed: fmt.Sprintf("status %d", back.Status), attempts: []int{refusal.ID, back.ID},
	}, nil
}

// waitOf is how long a Retry-After asks to wait. A date tells it only together
// with the answer's own: its Date is rounded down, so that who waits from the
// answer on until the one is as far as from the other does not come too early.
func waitOf(value string) (wait time.Duration, told bool) {
	m, err := history.ReadRetryAfter(value)
	return m.After, err == nil && !m.OurClock
}
