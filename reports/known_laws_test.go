package reports

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ratecheck/ratecheck/checker"
)

func anyReport(t *rapid.T) Report {
	var ids []string
	for _, r := range checker.Catalogue() {
		ids = append(ids, r.ID)
	}
	results := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Result {
		return one(rapid.SampledFrom(ids).Draw(t, "id"), rapid.SampledFrom([]string{"", "messages", "responses"}).Draw(t, "endpoint"),
			rapid.SampledFrom([]checker.Verdict{checker.Pass, checker.Fail, checker.Warn, checker.Skip, checker.Inconclusive, checker.Error}).Draw(t, "verdict"))
	}), 0, 12).Draw(t, "results")
	r := reportOf(results...)
	if rapid.IntRange(0, 9).Draw(t, "interrupted") == 0 {
		r.Exit = ExitInterrupted
	}
	return r
}

func anyList(t *rapid.T) KnownFailures {
	patterns := rapid.SampledFrom([]string{"*", "headers/*", "*@messages", "tokens/*@chat", "refusal/retry-after", "requests/limit-kept@responses"})
	list := KnownFailures{File: "f"}
	for i, p := range rapid.SliceOfNDistinct(patterns, 0, 4, rapid.ID[string]).Draw(t, "list") {
		list.Entries = append(list.Entries, KnownFailure{Pattern: p, Reason: "x", Line: i + 1})
	}
	return list
}

func TestApplyLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, list := anyReport(t), anyList(t)
		before, _ := json.Marshal(r)
		got := list.Apply(r)
		if after, _ := json.Marshal(r); !bytes.Equal(before, after) {
			t.Fatal("the report that was given was changed")
		}
		if len(list.Entries) == 0 {
			if diff := cmp.Diff(r, got); diff != "" {
				t.Fatalf("an empty list changes a report:\n%s", diff)
			}
		}
		if diff := cmp.Diff(got, list.Apply(got)); diff != "" {
			t.Fatalf("applied again it is another:\n%s", diff)
		}
		var counted Summary
		for i, result := range got.Results {
			counted.add(result.Verdict)
			was := r.Results[i].Verdict
			switch {
			case result.Known == nil && result.Verdict != was:
				t.Fatalf("%s was %s, is not listed, and is %s", result.name(), was, result.Verdict)
			case result.Known != nil && (result.Verdict == checker.Pass || result.Verdict == checker.Fail || result.Verdict == checker.Warn):
				t.Fatalf("%s is listed and %s", result.name(), result.Verdict)
			}
		}
		if counted != got.Summary {
			t.Fatalf("%+v, counted are %+v", got.Summary, counted)
		}
		want := exitOf(counted)
		if r.Exit == ExitInterrupted {
			want = ExitInterrupted
		}
		if got.Exit != want {
			t.Fatalf("exit %d, want %d", got.Exit, want)
		}
	})
}

// What a list makes of a report keeps the schema, and comes back from JSON.
func TestKnownReportsKeepTheSchema(t *testing.T) {
	s := schema(t)
	for name, h := range histories() {
		for _, text := range []string{"* # all", "headers/* until=2027-01-01 # some", "requests/* # x\ntokens/*@chat # y"} {
			r := parsed(t, text).Apply(New(h, "u", "c"))
			if err := validate(t, s, encoded(t, r)); err != nil {
				t.Errorf("%s, %s: %v", name, text, err)
			}
			back, err := Parse(bytes.NewReader(encoded(t, r)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r, back); diff != "" {
				t.Errorf("%s, %s: -written +read\n%s", name, text, diff)
			}
		}
	}
	for name, spoil := range map[string]func(*Result){
		"an XFAIL that nobody listed": func(r *Result) { r.Known = nil },
		"a FAIL that is listed":       func(r *Result) { r.Verdict = checker.Fail },
		"a line 0":                    func(r *Result) { r.Known.Line = 0 },
		"no reason":                   func(r *Result) { r.Known.Reason = "" },
		"a day that is none":          func(r *Result) { r.Known.Until = "soon" },
		"a defect of nobody":          func(r *Result) { r.LooksLike = &Defect{} },
	} {
		r := parsed(t, "* # all").Apply(reportOf(one("headers/on-streams", "messages", checker.Fail)))
		spoil(&r.Results[0])
		if validate(t, s, encoded(t, r)) == nil {
			t.Errorf("the schema lets %s through", name)
		}
	}
}
