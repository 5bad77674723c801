package checker

import (
	"fmt"
	"slices"
	"strings"

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
					Requirement: id, Scenario: plan.Scenario, Endpoint: endpointOf(plan), Verdict: Error, Attempts: []int{},
					Message: "this version of ratecheck knows no such requirement",
				})
				continue
			}
			out.Results = append(out.Results, judgeOne(j, catalogue[at], plan))
		}
	}
	order := func(id string) int {
		return slices.IndexFunc(catalogue, func(r Requirement) bool { return r.ID == id })
	}
	slices.SortStableFunc(out.Results, func(a, b Result) int { return order(a.Requirement) - order(b.Requirement) })
	out.Identity = guardedIdentity(j)
	out.Class = strings.Join(out.Identity.Requests.Classes, " or ")
	return out
}

// endpointOf is the endpoint that a plan asks; empty is chat.
func endpointOf(p history.Plan) string {
	if p.Endpoint == history.Chat {
		return ""
	}
	return p.Endpoint
}

func judgeOne(j *joined, r Requirement, plan history.Plan) (result Result) {
	result = Result{
		Requirement: r.ID, Scenario: plan.Scenario, Endpoint: endpointOf(plan), Level: r.Level, Layer: r.Layer,
		Sentence: r.Sentence, Source: r.Source, Attempts: []int{},
	}
	f, decided := fromEnd(j.ends[plan.Scenario])
	if !decided {
		v := j.view(plan.Scenario)
		f = guarded(r, v)
		result.Figure = guardedFigure(r.ID, v, f)
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

// guardedIdentity is the identity, and nothing where finding it failed.
func guardedIdentity(j *joined) (found Identity) {
	defer func() {
		if recover() != nil {
			found = Identity{Requests: Counting{Classes: []string{}}, Tokens: Counting{Classes: []string{}}}
		}
	}()
	return j.identity()
}
