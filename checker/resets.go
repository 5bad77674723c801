package checker

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ratecheck/ratecheck/checker/window"
	"github.com/ratecheck/ratecheck/history"
)

const (
	// resetGrain is how far a reset may be rounded up: most are told in whole
	// seconds.
	resetGrain = time.Second
	// dateGrain is how far the Date is behind from which a reset that is an
	// instant is reckoned: it is rounded down by up to a second (RFC 9110
	// section 5.6.7), and servers are known that renew it once a second only.
	dateGrain = 2 * time.Second
)

func resetRequirements() []Requirement {
	return []Requirement{{
		ID: "headers/reset-plausible", Level: Must, Layer: Advisory,
		Sentence: "A reset, in whatever form, is readable and lies between the answer and one window later.",
		Source:   "docs/reference.md rule 25; LiteLLM 39816 (local time labelled UTC); any-llm, which tells a process's own clock",
		Tolerances: []Tolerance{{
			Value:  "1 s later; where an instant is told 2 s more, and by what the answer's Date is behind earlier ones",
			Reason: "resets are rounded up to whole seconds; a Date is rounded down, and a busy server renews it late",
		}, {
			Value:  "an instant may be over by what the answer took and 1 s",
			Reason: "it may have been told when the request came, and rounded down",
		}, {
			Value:  "up to two windows, where the class may be a sliding counter: INCONCLUSIVE",
			Reason: "its last request is forgotten only when the next window has passed; a counter in debt could say more too, and none is here",
		}, {
			Value:  "an instant out of range on an answer without a Date: INCONCLUSIVE",
			Reason: "the target's clock may be another than ours",
		}},
		judge: judgeResets,
	}}
}

// toldReset is a reset of one of a key's own limits.
type toldReset struct {
	history.ToldReset
	of seen
}

// resets are what the answers of a key tell of when its limits are there again.
func (v *view) resets(k keyView) []toldReset {
	var list []toldReset
	for _, a := range k.attempts {
		served := a.outcome == admitted && a.Status == 200
		if !served && (a.outcome != refused || a.doubtful) {
			continue
		}
		for _, r := range history.ReadResets(a.Header) {
			if v.isOwn(k, r) {
				list = append(list, toldReset{r, a})
			}
		}
	}
	return list
}

// isOwn says whether a reset is of a limit of the key, and not one of the
// upstream's that was passed on, or of another counter.
func (v *view) isOwn(k keyView, r history.ToldReset) bool {
	var limits []int64
	for kind, limit := range map[string]*int64{"requests": k.Limits.Requests, "tokens": k.Limits.Tokens} {
		if limit != nil && (r.Kind == kind || r.Kind == "") {
			limits = append(limits, *limit)
		}
	}
	if r.Limit == nil {
		return len(limits) > 0 && (v.Run.Ledger || r.Name == "reset_at")
	}
	for _, limit := range limits {
		if limit == *r.Limit {
			return true
		}
	}
	return false
}

func judgeResets(v *view) finding {
	var told int
	var wrong []toldReset
	var open *finding
	note := func(f finding) {
		if open == nil {
			open = &f
		}
	}
	afterSlidingCounter := false // some of what is wrong is within two windows
	classes := v.requestClasses()
	for _, k := range v.keys {
		for _, r := range v.resets(k) {
			told++
			switch v.plausible(r) {
			case resetFits:
			case resetUnknown:
				note(undecided(fmt.Sprintf("attempt %d: %s tells %s, %s", r.of.ID, r.Name, r.Text, unknownReset(r))))
			case resetWithinTwo:
				if !onlyOf(v.classesFor(r.Kind, classes), window.FixedFirstUse, window.FixedClock, window.SlidingLog, window.Bucket) {
					note(undecided(fmt.Sprintf("attempt %d: %s tells %s, which is more than a window and no more than two: a sliding counter may need that long", r.of.ID, r.Name, r.Text)))
					continue
				}
				afterSlidingCounter = true
				wrong = append(wrong, r)
			default:
				wrong = append(wrong, r)
			}
		}
	}
	switch {
	case len(wrong) > 0:
		f := finding{
			verdict: Fail, message: fmt.Sprintf("%d of %d resets cannot be true", len(wrong), told),
			expected: fmt.Sprintf("from 0 to %s after the answer, in seconds, as a duration or as a date", v.Run.Window),
			observed: fmt.Sprintf("%s: %s", wrong[0].Name, wrong[0].Text), attempts: firstAttempts(wrong),
			figure: portion("true", told-len(wrong), told, UnitResets),
		}
		if wrong[0].Err != nil {
			f.observed += ", and " + wrong[0].Err.Error()
		}
		if afterSlidingCounter {
			f.needs = []string{asksForClass}
		}
		return f
	case open != nil:
		return *open
	case told == 0 && len(answers(v.all())) == 0:
		return undecided("nothing was answered: " + firstTrouble(v.all()))
	case told == 0:
		return skipped("no answer tells when a limit of its key resets")
	}
	return passed(fmt.Sprintf("%d resets told, each within one window", told))
}

// classesFor are the classes by which a reset of a kind is judged: that of
// tokens, or of what does not say what it counts, by those of the tokens where
// they have a limiter of their own.
func (v *view) classesFor(kind string, requests []window.Class) []window.Class {
	if kind != "requests" && v.countsTokensOtherwise(requests) {
		return append(slices.Clone(requests), v.classesOfTokens()...)
	}
	return requests
}

// answers are the attempts that the target answered.
func answers(attempts []seen) []seen {
	var list []seen
	for _, a := range attempts {
		if a.outcome != unknown {
			list = append(list, a)
		}
	}
	return list
}

func firstAttempts(list []toldReset) []int {
	var first []int
	for _, r := range list {
		if len(first) < shown && (len(first) == 0 || first[len(first)-1] != r.of.ID) {
			first = append(first, r.of.ID)
		}
	}
	return first
}

// resetVerdict is what can be said of one reset.
type resetVerdict int

const (
	resetFits resetVerdict = iota
	resetUnknown
	resetWithinTwo // more than one window, and no more than two
	resetWrong
)

func (v *view) plausible(r toldReset) resetVerdict {
	m := r.Moment
	least, most := time.Duration(0), v.Run.Window+resetGrain
	if m.Form.Absolute() {
		least, most = -resetGrain-max(0, toldAt(r.of)-r.of.Sent), most+dateGrain+m.Behind
	}
	switch {
	case errors.Is(r.Err, history.ErrWallTime):
		return resetUnknown
	case r.Err != nil:
		return resetWrong
	case m.After >= least && m.After <= most:
		return resetFits
	case m.OurClock:
		return resetUnknown
	case m.After > most && m.After <= most+v.Run.Window:
		return resetWithinTwo
	}
	return resetWrong
}

func unknownReset(r toldReset) string {
	if r.Err != nil {
		return r.Err.Error()
	}
	return "and the answer does not say what time it is: the target's clock may be another than ours"
}
