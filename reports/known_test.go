package reports

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/checker"
)

func day(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

func parsed(t testing.TB, text string) KnownFailures {
	t.Helper()
	list, err := ParseKnownFailures(strings.NewReader(text), "known.txt", day("2026-11-22"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestParseKnownFailures(t *testing.T) {
	got := parsed(t, "\uFEFF# LiteLLM 1.82.3\r\n\r\n"+
		"headers/on-streams # 27748\r\n"+
		"\trefusal/*@messages until=2026-11-22 #no retry-after # at all\n"+
		"*@responses   until=9999-12-31\t#  x")
	want := KnownFailures{File: "known.txt", Entries: []KnownFailure{
		{Pattern: "headers/on-streams", Reason: "27748", Line: 3},
		{Pattern: "refusal/*@messages", Reason: "no retry-after # at all", Until: day("2026-11-22"), Line: 4},
		{Pattern: "*@responses", Reason: "x", Until: day("9999-12-31"), Line: 5},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for name, text := range map[string]string{"nothing": "", "comments alone": "# one\n\n   # two"} {
		if list := parsed(t, text); len(list.Entries) != 0 {
			t.Errorf("%s: %v", name, list.Entries)
		}
	}
}

func TestParseKnownFailuresRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"headers/on-streams":                                   "known.txt:1: no reason is given for headers/on-streams; write it behind a #",
		"\n\nheaders/on-streams #  ":                           "known.txt:3: no reason",
		"headers/nothing # x":                                  "known.txt:1: headers/nothing matches no requirement; `ratecheck list` shows them",
		"nothing/*@messages # x":                               "known.txt:1: nothing/*@messages matches no requirement",
		"headers/on-streams until=2026-11-21 # x":              "known.txt:1: headers/on-streams was to be known until 2026-11-21, and that is over",
		"headers/on-streams until=2026-13-01 # x":              "known.txt:1: until=2026-13-01 is no date; write it as until=YYYY-MM-DD",
		"headers/on-streams until= # x":                        "until= is no date",
		"headers/on-streams 2027-01-01 # x":                    `"2027-01-01" is not understood; write`,
		"headers/on-streams until=2027-01-01 more # x":         `"until=2027-01-01 more" is not understood`,
		"headers/* # x\nheaders/on-streams # y\nheaders/* # z": "known.txt:3: headers/* stands in line 1 already",
		"Headers/on-streams # x":                               `"Headers/on-streams" is no requirement's id`,
		"headers/on-streams@ # x":                              `"headers/on-streams@" is no requirement's id`,
		"headers/on-streams@message # x":                       "known.txt:1: headers/on-streams@message names no endpoint; behind the @ there are chat, ",
		"@messages # x":                                        `"@messages" is no requirement's id`,
		"- pattern: headers/* # x":                             `"pattern: headers/*" is not understood`,
		`{"schema": "x"} # x`:                                  "is no requirement's id",
		"headers/on-streams # \xff":                            "known.txt:1: the line is not UTF-8",
		"\x00\x01\x02":                                         "known.txt:1: ",
		strings.Repeat("# x\n", 1<<18) + "# more":              "known.txt is longer than 1048576 bytes",
	} {
		_, err := ParseKnownFailures(strings.NewReader(text), "known.txt", day("2026-11-22"))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.80q: %v, want %q", text, err, says)
		}
	}
}

// Everything that is wrong is told at once.
func TestParseKnownFailuresTellsAll(t *testing.T) {
	_, err := ParseKnownFailures(strings.NewReader("a\nheaders/* # fine\nb/c # x\n"), "f", day("2026-11-22"))
	if err == nil || !strings.Contains(err.Error(), "f:1: ") || !strings.Contains(err.Error(), "f:3: ") || strings.Contains(err.Error(), "f:2: ") {
		t.Errorf("%v", err)
	}
}

// An entry holds on its last day, wherever the clock stands.
func TestKnownUntilTheEndOfTheDayInUTC(t *testing.T) {
	for at, holds := range map[time.Time]bool{
		time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC):                          true,
		time.Date(2026, 11, 22, 23, 59, 59, 999, time.UTC):                     true,
		time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC):                          false,
		time.Date(2026, 11, 23, 1, 0, 0, 0, time.FixedZone("east", 2*60*60)):   true,
		time.Date(2026, 11, 22, 23, 0, 0, 0, time.FixedZone("west", -2*60*60)): false,
	} {
		_, err := ParseKnownFailures(strings.NewReader("headers/* until=2026-11-22 # x"), "f", at)
		if (err == nil) != holds {
			t.Errorf("at %s: %v", at, err)
		}
	}
}

// FuzzParseKnownFailures: whatever the file holds, an error names it, and what
// is accepted is complete and is read again from what was understood.
func FuzzParseKnownFailures(f *testing.F) {
	for _, seed := range []string{"headers/* # x", "a@b until=2030-01-01 # y\n#", "\xff\x00", "*@* until=9999-99-99 #"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseKnownFailures(strings.NewReader(text), "the-file", day("2026-11-22"))
		if err != nil && !strings.Contains(err.Error(), "the-file") {
			t.Fatalf("%v does not name the file", err)
		}
		var again strings.Builder
		for _, e := range list.Entries {
			if e.Pattern == "" || e.Reason == "" || e.Line < 1 {
				t.Fatalf("%+v is not complete", e)
			}
			fmt.Fprintf(&again, "%s%s # %s\n", e.Pattern, untilText(e), e.Reason)
		}
		second, err := ParseKnownFailures(strings.NewReader(again.String()), "the-file", day("2026-11-22"))
		if err != nil {
			t.Fatalf("%q: %v", again.String(), err)
		}
		for i := range second.Entries {
			second.Entries[i].Line = list.Entries[i].Line
		}
		if diff := cmp.Diff(list, second); diff != "" {
			t.Fatalf("-first +again\n%s", diff)
		}
	})
}

func untilText(e KnownFailure) string {
	if e.Until.IsZero() {
		return ""
	}
	return " until=" + e.Until.Format(time.DateOnly)
}

func one(id, endpoint string, v checker.Verdict) Result {
	return Result{Result: checker.Result{Requirement: id, Endpoint: endpoint, Verdict: v, Scenario: "s", Attempts: []int{}, Message: "m"}, Reproduce: "r"}
}

func reportOf(results ...Result) Report {
	r := Report{Schema: Schema, Results: results}
	for _, result := range results {
		r.Summary.add(result.Verdict)
	}
	r.Exit = exitOf(r.Summary)
	return r
}

func TestApplyVerdicts(t *testing.T) {
	list := parsed(t, "headers/on-streams # it is so\n")
	for verdict, want := range map[checker.Verdict]struct {
		verdict checker.Verdict
		exit    int
	}{
		checker.Fail:         {XFail, ExitKept},
		checker.Warn:         {XFail, ExitKept},
		checker.Pass:         {XPass, ExitFailed},
		checker.Skip:         {checker.Skip, ExitInconclusive}, // nothing was judged
		checker.Inconclusive: {checker.Inconclusive, ExitInconclusive},
		checker.Error:        {checker.Error, ExitError},
	} {
		got := list.Apply(reportOf(one("headers/on-streams", "", verdict)))
		if got.Results[0].Verdict != want.verdict || got.Exit != want.exit {
			t.Errorf("%s: %s with exit %d, want %s with exit %d", verdict, got.Results[0].Verdict, got.Exit, want.verdict, want.exit)
		}
		if diff := cmp.Diff(&Known{Reason: "it is so", Pattern: "headers/on-streams", File: "known.txt", Line: 1}, got.Results[0].Known); diff != "" {
			t.Errorf("%s: -want +got\n%s", verdict, diff)
		}
	}
}

func TestApplyMatches(t *testing.T) {
	for _, test := range []struct {
		pattern, id, endpoint string
		listed                bool
	}{
		{"refusal/retry-after", "refusal/retry-after", "", true},
		{"refusal/retry-after", "refusal/retry-after", "messages", true},
		{"refusal/retry-after", "refusal/retry-after-sufficient", "", false},
		{"refusal/retry-after*", "refusal/retry-after-sufficient", "", true},
		{"refusal/retry-after@messages", "refusal/retry-after", "messages", true},
		{"refusal/retry-after@messages", "refusal/retry-after", "responses", false},
		{"refusal/retry-after@messages", "refusal/retry-after", "", false},
		{"refusal/retry-after@chat", "refusal/retry-after", "", true},
		{"refusal/retry-after@chat", "refusal/retry-after", "messages", false},
		{"*@messages", "headers/on-streams", "messages", true},
		{"refusal/*@m*", "refusal/status", "messages", true},
		{"*", "headers/on-streams", "messages", true},
	} {
		got := parsed(t, test.pattern+" # x").Apply(reportOf(one(test.id, test.endpoint, checker.Fail)))
		if (got.Results[0].Verdict == XFail) != test.listed {
			t.Errorf("%s on %s: %s", test.pattern, got.Results[0].name(), got.Results[0].Verdict)
		}
	}
}

// A requirement that several scenarios ask is mended when none of them says
// otherwise.
func TestApplyToSeveralScenarios(t *testing.T) {
	for _, test := range []struct{ verdicts, want []checker.Verdict }{
		{[]checker.Verdict{checker.Fail, checker.Pass}, []checker.Verdict{XFail, checker.Pass}},
		{[]checker.Verdict{checker.Pass, checker.Warn, checker.Fail}, []checker.Verdict{checker.Pass, XFail, XFail}},
		{[]checker.Verdict{checker.Pass, checker.Inconclusive}, []checker.Verdict{checker.Pass, checker.Inconclusive}},
		{[]checker.Verdict{checker.Pass, checker.Error}, []checker.Verdict{checker.Pass, checker.Error}},
		{[]checker.Verdict{checker.Pass, checker.Skip}, []checker.Verdict{XPass, checker.Skip}},
		{[]checker.Verdict{checker.Pass, checker.Pass}, []checker.Verdict{XPass, XPass}},
	} {
		var results []Result
		for _, v := range test.verdicts {
			results = append(results, one("headers/on-streams", "messages", v))
		}
		// Another endpoint is another thing.
		results = append(results, one("headers/on-streams", "", checker.Pass))
		var got []checker.Verdict
		for _, result := range parsed(t, "headers/* # x").Apply(reportOf(results...)).Results {
			got = append(got, result.Verdict)
		}
		if diff := cmp.Diff(append(test.want, XPass), got); diff != "" {
			t.Errorf("%v: -want +got\n%s", test.verdicts, diff)
		}
	}
}

// What a wildcard matches must fail, all of it; the remedy does not take away
// what still fails.
func TestRemedy(t *testing.T) {
	got := parsed(t, "\nheaders/* # x\nrefusal/* # y\n").Apply(reportOf(
		one("headers/on-streams", "", checker.Fail), one("headers/on-answers", "", checker.Pass), one("refusal/body", "", checker.Pass),
	))
	if got.Summary != (Summary{XFail: 1, XPass: 2}) || got.Exit != ExitFailed {
		t.Errorf("%+v, exit %d", got.Summary, got.Exit)
	}
	for i, want := range map[int]string{
		1: "narrow line 2 of known.txt: headers/* also matches what still fails",
		2: "remove line 3 of known.txt",
	} {
		if text := got.remedy(got.Results[i].Known); text != want {
			t.Errorf("%q, want %q", text, want)
		}
	}
}
