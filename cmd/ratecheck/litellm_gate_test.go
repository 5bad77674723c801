package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reports"
)

// known1823 lists what LiteLLM 1.82.3 is known to break.
const known1823 = root + "/.ci/known-failing-litellm-1.82.3.txt"

// gate1823 wants that the gate lets the recorded run of LiteLLM 1.82.3 through
// when what it breaks is known, and stops it when it is not.
func gate1823(t *testing.T, run string) {
	t.Helper()
	for _, test := range []struct {
		args []string
		exit int
	}{
		{[]string{"check", run, "--known-failing", known1823}, reports.ExitKept},
		{[]string{"check", run}, reports.ExitFailed},
	} {
		var out bytes.Buffer
		if got := testApp(&out).main(test.args); got != test.exit {
			t.Errorf("ratecheck %s exited with %d, want %d:\n%s", strings.Join(test.args, " "), got, test.exit, out.String())
		}
	}
}

// report1823 is a report with the verdicts that LiteLLM 1.82.3 is known to get.
func report1823() reports.Report {
	var r reports.Report
	for _, requirement := range checker.Catalogue() {
		if verdict, known := litellm1823()[requirement.ID]; known {
			var result reports.Result
			result.Requirement, result.Verdict = requirement.ID, verdict
			r.Results = append(r.Results, result)
		}
	}
	return r
}

// TestGateOf1823 holds the list to the verdicts without the real release: it
// names what fails and nothing else, and says of each where that is known from.
func TestGateOf1823(t *testing.T) {
	list, err := reports.ParseKnownFailures(bytes.NewReader(readFile(t, known1823)), known1823, clock.System{}.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list.Entries {
		number := strings.ContainsFunc(e.Reason, func(r rune) bool { return '0' <= r && r <= '9' })
		if !number || strings.ContainsAny(e.Pattern, "*") {
			t.Errorf("line %d: %s # %s: it is to name one requirement, and an issue or a release", e.Line, e.Pattern, e.Reason)
		}
	}
	got := list.Apply(report1823())
	if got.Exit != reports.ExitKept {
		t.Errorf("exit %d with %+v", got.Exit, got.Summary)
	}
	used := map[int]bool{}
	for _, result := range got.Results {
		if fails := litellm1823()[result.Requirement] == checker.Fail; fails != (result.Verdict == reports.XFail) {
			t.Errorf("%s is %s", result.Requirement, result.Verdict)
		}
		if result.Known != nil {
			used[result.Known.Line] = true
		}
	}
	for _, e := range list.Entries {
		// litellm1823 says what is true of chat.
		_, endpoint, one := strings.Cut(e.Pattern, "@")
		if ofChat := !one || endpoint == "chat"; ofChat != used[e.Line] {
			t.Errorf("line %d: %s lists a failure: %v", e.Line, e.Pattern, used[e.Line])
		}
	}
}

// TestWhat1823BreaksIsKnown: the report of the real release tells of each
// failure which defect it looks like.
func TestWhat1823BreaksIsKnown(t *testing.T) {
	var failing, told []string
	for id, verdict := range litellm1823() {
		if verdict != checker.Fail {
			continue
		}
		failing = append(failing, id)
		if reports.LooksLike("LiteLLM", "1.82.3", checker.Result{Requirement: id, Verdict: verdict}) != nil {
			told = append(told, id)
		}
	}
	slices.Sort(failing)
	slices.Sort(told)
	if len(failing) < 5 || !slices.Equal(failing, told) {
		t.Errorf("told are %v, failing are %v", told, failing)
	}
}
