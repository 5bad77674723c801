package checker

import (
	"fmt"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// judgeRetryAfterTight looks at the clients that came back a little earlier
// than they were told: who is admitted then was told too long a time.
func judgeRetryAfterTight(v *view) finding {
	var told, open *finding
	for _, k := range v.keys {
		if f := v.toldTooLong(k); f != nil {
			return *f
		}
		if len(step(k.attempts, "early")) == 0 {
			continue
		}
		switch f := v.cameEarly(k); {
		case f.verdict == Fail:
			return f
		case f.verdict == Inconclusive && open == nil:
			open = &f
		case told == nil:
			told = &f
		}
	}
	switch {
	case open != nil:
		return *open
	case told != nil:
		return *told
	}
	return skipped("no refusal told a Retry-After of more than a second and a tenth late in a window")
}

// toldGrain is by how much a sound Retry-After may be longer than it must:
// whole seconds are rounded up, and a date also differs from an answer's own,
// which is rounded down.
const toldGrain = time.Second

// longestWait is how many windows a Retry-After may tell: a sliding counter gives
// back in the course of a second one, and no known class remembers longer.
const longestWait = 2

// toldTooLong finds a refusal that tells a time for which no class of limiter
// needs to keep anybody waiting, so that nobody waited for it; nil is none.
func (v *view) toldTooLong(k keyView) *finding {
	refusal := v.lastRefusal(k, "obey")
	if refusal == nil || k.Limits.Requests == nil && k.Limits.Tokens == nil {
		return nil
	}
	value := refusal.Header["retry-after"]
	moment, err := history.ReadRetryAfter(value)
	if err != nil || moment.OurClock || moment.After <= longestWait*v.Run.Window+2*toldGrain+moment.Behind {
		return nil
	}
	return &finding{
		figure:  lasting("told", moment.After),
		verdict: Fail, message: "a refusal tells a longer time than any class of limiter remembers",
		expected: fmt.Sprintf("at most %d windows of %s", longestWait, v.Run.Window),
		observed: "retry-after: " + value, attempts: []int{refusal.ID},
	}
}

// cameEarly judges one key, on which a client came back earlier than told.
func (v *view) cameEarly(k keyView) finding {
	early, refusal := step(k.attempts, "early")[0], v.lastRefusal(k, "early")
	if refusal == nil || early.outcome == unknown || early.doubtful {
		return undecided("a client that came back early was neither admitted nor refused: " + describe(early))
	}
	value := refusal.Header["retry-after"]
	after := seconds(early.Sent - toldAt(*refusal))
	if early.outcome == refused {
		return passed(fmt.Sprintf("%s after a refusal that told %s a client was refused again", after, value))
	}
	moment, err := history.ReadRetryAfter(value)
	sooner := toldGrain
	if moment.Form == history.HTTPDate {
		sooner += toldGrain + moment.Behind
	}
	switch {
	case err != nil:
		return undecided(fmt.Sprintf("attempt %d tells no Retry-After that could be too long: %v", refusal.ID, err))
	case moment.OurClock:
		return undecided(fmt.Sprintf("attempt %d tells a date (%s) and not what time it is, and the target's clock may be another than ours", refusal.ID, value))
	case v.decidedBy(early) >= refusal.Sent+moment.After-sooner:
		return undecided(fmt.Sprintf("attempt %d may have been decided as late as %s before it was told to come back, which is not surely early", early.ID, seconds(refusal.Sent+moment.After-v.decidedBy(early))))
	}
	return finding{
		figure:  lasting("early", moment.After-(early.Sent-toldAt(*refusal))),
		verdict: Fail, message: "a client that came back earlier than it was told was admitted",
		expected: fmt.Sprintf("refused %s after the refusal, or a Retry-After that is not longer", after),
		observed: fmt.Sprintf("retry-after: %s, and admitted", value), attempts: []int{refusal.ID, early.ID},
	}
}
