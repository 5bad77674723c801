package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reports"
)

// known1823 lists what LiteLLM 1.82.3 is known to break with a store. The stores
// differ: what is locked out in memory is not with Redis.
func known1823(store string) string {
	return root + "/.ci/known-failing-litellm-1.82.3-" + store + ".txt"
}

// gate1823 wants that the gate lets the recorded run of LiteLLM 1.82.3 through
// when what it breaks is known, and stops it when it is not.
func gate1823(t *testing.T, run, store string) {
	t.Helper()
	for _, test := range []struct {
		args []string
		exit int
	}{
		{[]string{"check", run, "--known-failing", known1823(store)}, reports.ExitKept},
		{[]string{"check", run}, reports.ExitFailed},
	} {
		var out bytes.Buffer
		if got := testApp(&out).main(test.args); got != test.exit {
			t.Errorf("ratecheck %s exited with %d, want %d:\n%s", strings.Join(test.args, " "), got, test.exit, out.String())
		}
	}
}

// report1823 is a report with the verdicts that LiteLLM 1.82.3 is known to get.
func report1823(want verdicts) reports.Report {
	var r reports.Report
	for _, requirement := range checker.Catalogue() {
		for name, expected := range want {
			verdict := expected.verdict
			id, endpoint := name.endpoint()
			if id != requirement.ID {
				continue
			}
			var result reports.Result
			result.Requirement, result.Endpoint, result.Verdict, result.Level = id, endpoint, verdict, requirement.Level
			r.Results = append(r.Results, result)
		}
	}
	return r
}

// TestGateOf1823 holds the list to the verdicts without the real release: with
// either store it lets what is known through and wants nothing that is not so,
// and it says of each where that is known from.
func TestGateOf1823(t *testing.T) {
	for _, store := range stores() {
		path := known1823(store)
		list, err := reports.ParseKnownFailures(bytes.NewReader(readFile(t, path)), path, clock.System{}.Now())
		if err != nil {
			t.Fatal(err)
		}
		got := list.Apply(report1823(litellmVerdicts(t)["1.82.3 "+store]))
		if got.Exit != reports.ExitKept {
			t.Errorf("%s: exit %d with %+v", store, got.Exit, got.Summary)
		}
		used := map[int]bool{}
		for _, result := range got.Results {
			if result.Verdict == checker.Fail || result.Verdict == reports.XPass {
				t.Errorf("%s: %s@%s is %s", store, result.Requirement, result.Endpoint, result.Verdict)
			}
			if result.Known != nil {
				used[result.Known.Line] = true
			}
		}
		for _, e := range list.Entries {
			number := strings.ContainsFunc(e.Reason, func(r rune) bool { return '0' <= r && r <= '9' })
			if !number || strings.ContainsAny(e.Pattern, "*") {
				t.Errorf("%s:%d: %s # %s: it is to name one requirement, and an issue or a release", path, e.Line, e.Pattern, e.Reason)
			}
			if !used[e.Line] {
				t.Errorf("%s:%d: %s lists nothing that fails", path, e.Line, e.Pattern)
			}
		}
	}
}

// TestWhatLiteLLMBreaksIsKnown: the report of a real release tells of each
// failure which defect it looks like.
func TestWhatLiteLLMBreaksIsKnown(t *testing.T) {
	for column, want := range litellmVerdicts(t) {
		version, _, _ := strings.Cut(column, " ")
		failing := 0
		for name, expected := range want {
			verdict := expected.verdict
			if verdict != checker.Fail {
				continue
			}
			failing++
			id, endpoint := name.endpoint()
			if reports.LooksLike("LiteLLM", version, checker.Result{Requirement: id, Endpoint: endpoint, Verdict: verdict}) == nil {
				t.Errorf("%s: of %s it is not told what it looks like", column, name)
			}
		}
		if failing < 4 {
			t.Errorf("%s: %d failures are known, which are too few", column, failing)
		}
	}
}
