package reports

import (
	"fmt"
	"slices"
	"time"

	"github.com/ratecheck/ratecheck/checker"
)

// The verdicts on what is listed as known to fail.
const (
	// XFail: it fails, as it is known to.
	XFail checker.Verdict = "XFAIL"
	// XPass: it does not fail any more, so that the list is stale.
	XPass checker.Verdict = "XPASS"
)

// Known is the entry of a list of known failures that a result is listed by.
type Known struct {
	Reason  string `json:"reason"`
	Pattern string `json:"pattern"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	// Until is the last day on which the entry holds, as YYYY-MM-DD; empty where
	// it has none.
	Until string `json:"until,omitempty"`
}

// Apply returns the report as it is where these failures are known: what is
// listed must fail. FAIL and WARN become XFAIL, PASS becomes XPASS; what could
// not be told stays so. A requirement that is asked by several scenarios fails
// when it fails in one, and is mended when it passes in all that could tell. An
// entry that matches several requirements or endpoints says of each that it
// fails, so that each of them that passes is an XPASS. Where entries overlap the
// first is the one that is told. The report that was given is not changed.
func (k KnownFailures) Apply(r Report) Report {
	interrupted := r.Exit == ExitInterrupted
	unmended := r.unmended()
	r.Results = slices.Clone(r.Results)
	r.Summary = Summary{}
	for i := range r.Results {
		result := &r.Results[i]
		at := slices.IndexFunc(k.Entries, func(e KnownFailure) bool { return e.matches(*result) })
		passesElse := result.Verdict == checker.Pass && unmended[result.name()]
		if at >= 0 && !passesElse {
			result.Known = k.known(k.Entries[at])
			result.Verdict = expected(result.Verdict)
		}
		r.Summary.add(result.Verdict)
	}
	if !interrupted {
		r.Exit = exitOf(r.Summary)
	}
	return r
}

// unmended are the requirements, with their endpoints, of which some scenario
// says that they fail, or cannot say that they do not.
func (r Report) unmended() map[string]bool {
	names := map[string]bool{}
	for _, result := range r.Results {
		switch result.Verdict {
		case checker.Pass, checker.Skip, XPass:
		default:
			names[result.name()] = true
		}
	}
	return names
}

// expected is what a verdict is on a requirement that must fail.
func expected(v checker.Verdict) checker.Verdict {
	switch v {
	case checker.Fail, checker.Warn:
		return XFail
	case checker.Pass:
		return XPass
	}
	return v
}

func (k KnownFailures) known(e KnownFailure) *Known {
	known := Known{Reason: e.Reason, Pattern: e.Pattern, File: k.File, Line: e.Line}
	if !e.Until.IsZero() {
		known.Until = e.Until.Format(time.DateOnly)
	}
	return &known
}

// remedy says what is to be done with the list where a result passes that it
// lists: an entry that other results still need is narrowed, not removed.
func (r Report) remedy(k *Known) string {
	needed := slices.ContainsFunc(r.Results, func(other Result) bool {
		return other.Verdict == XFail && other.Known != nil && other.Known.File == k.File && other.Known.Line == k.Line
	})
	if needed {
		return fmt.Sprintf("narrow line %d of %s: %s also matches what still fails", k.Line, k.File, k.Pattern)
	}
	return fmt.Sprintf("remove line %d of %s", k.Line, k.File)
}
