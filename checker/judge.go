package checker

import (
	"fmt"
	"slices"

	"github.com/ratecheck/ratecheck/history"
)

// Judge gives every planned requirement of every planned scenario exactly one
// result.
func Judge(h *history.History) Judgement {
	j := newJoined(h)
	var out Judgement
	catalogue := Catalogue()
	for _, plan := range h.Run.Planned {
		for _, id := range plan.Asks {
			at := slices.IndexFunc(catalogue, func(r Requirement) bool { return r.ID == id })
			if at < 0 {
				out.Results = append(out.Results, Result{
					Requirement: id, Scenario: plan.Scenario, Verdict: Error, Attempts: []int{},
					Message: "this version of ratecheck knows no such requirement",
				})
				continue
			}
			out.Results = append(out.Results, judgeOne(j, catalogue[at], plan.Scenario))
		}
	}
	order := func(id string) int {
		return slices.IndexFunc(catalogue, func(r Requirement) bool { return r.ID == id })
	}
	slices.SortStableFunc(out.Results, func(a, b Result) int { return order(a.Requirement) - order(b.Requirement) })
	out.Class = guardedClass(j)
	return out
}

func judgeOne(j *joined, r Requirement, scenario string) (result Result) {
	result = Result{
		Requirement: r.ID, Scenario: scenario, Level: r.Level, Layer: r.Layer,
		Sentence: r.Sentence, Source: r.Source, Attempts: []int{},
	}
	f, decided := fromEnd(j.ends[scenario])
	if !decided {
		f = guarded(r, j.view(scenario))
	}
	if f.verdict == Fail && r.Level == Should {
		f.verdict = Warn
	}
	result.Verdict, result.Message, result.Expected, result.Observed = f.verdict, f.message, f.expected, f.observed
	result.Needs = f.needs
	if f.attempts != nil {
		result.Attempts = f.attempts
	}
	return result
}

// fromEnd decides what needs no look at the attempts: the scenario was not
// played to its end.
func fromEnd(end *history.End) (finding, bool) {
	switch {
	case end == nil:
		return undecided("the scenario did not come to its end: the run was broken off"), true
	case end.Interrupted:
		return undecided("the run was interrupted"), true
	case end.Fault:
		return finding{verdict: Error, message: "the scenario could not be played: " + end.Error}, true
	case end.Error != "":
		return skipped(end.Error), true
	}
	return finding{}, false
}

// guarded keeps a fault in one judge function from ending the report, and from
// being taken for a verdict on the target.
func guarded(r Requirement, v *view) (f finding) {
	defer func() {
		if p := recover(); p != nil {
			f = finding{verdict: Error, message: fmt.Sprintf("judging failed: %v; please report this with the history", p)}
		}
	}()
	if len(v.all()) == 0 {
		return undecided("the history holds no attempt of this scenario")
	}
	return v.fairToQueue(r, r.judge(v))
}

// guardedClass is the class, and none where finding it failed.
func guardedClass(j *joined) (name string) {
	defer func() {
		if recover() != nil {
			name = ""
		}
	}()
	return j.className()
}
