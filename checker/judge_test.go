package checker

import (
	"slices"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/history"
)

func TestEndsDecideBeforeAttempts(t *testing.T) {
	const id = "refusal/status"
	for name, test := range map[string]struct {
		ends    []history.End
		verdict Verdict
		says    string
	}{
		"played to its end":   {[]history.End{{Scenario: "s"}}, Pass, "429 on all"},
		"no end":              {nil, Inconclusive, "broken off"},
		"interrupted":         {[]history.End{{Scenario: "s", Error: "context canceled", Interrupted: true}}, Inconclusive, "interrupted"},
		"a fault of ours":     {[]history.End{{Scenario: "s", Error: "disk full", Fault: true}}, Error, "disk full"},
		"needs our provider":  {[]history.End{{Scenario: "s", Error: "needs ratecheck's provider"}}, Skip, "needs ratecheck's provider"},
		"another's end":       {[]history.End{{Scenario: "other"}}, Inconclusive, "broken off"},
		"interrupted by both": {[]history.End{{Scenario: "s", Error: "x", Interrupted: true, Fault: true}}, Inconclusive, "interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t).scenario("s", id)
			b.key(perWindow(1)).refuse("burst", 0)
			b.h.Ends = test.ends
			b.wants(id, test.verdict, test.says, nil)
		})
	}
}

func TestUnknownRequirementIsOurError(t *testing.T) {
	b := newBook(t).scenario("s", "requests/no-such-thing")
	b.wants("requests/no-such-thing", Error, "knows no such requirement", []int{})
}

func TestHistoryWithoutAttemptsDecidesNothing(t *testing.T) {
	for _, r := range Catalogue() {
		b := newBook(t).scenario("s", r.ID)
		b.wants(r.ID, Inconclusive, "no attempt", []int{})
		b.key(history.Limits{})
		b.wants(r.ID, Inconclusive, "no attempt", []int{})
	}
}

func TestKeysWithoutLimitsDecideNothing(t *testing.T) {
	for _, r := range Catalogue() {
		b := newBook(t).scenario("s", r.ID)
		b.key(history.Limits{}).admit("ask", 0)
		if got := b.verdict(r.ID); got.Verdict == Fail || got.Verdict == Error {
			t.Errorf("%s: %s: %s", r.ID, got.Verdict, got.Message)
		}
	}
}

func TestPanicInJudgeIsOurError(t *testing.T) {
	b := newBook(t).scenario("s", "x/y")
	b.key(perWindow(1)).admit("ask", 0)
	r := Requirement{ID: "x/y", Level: Must, judge: func(v *view) finding { return *(*finding)(nil) }}
	got := judgeOne(newJoined(&b.h), r, history.Plan{Scenario: "s"})
	if got.Verdict != Error || !strings.Contains(got.Message, "please report this") {
		t.Errorf("%s: %s", got.Verdict, got.Message)
	}
}

func TestBrokenShouldIsWarning(t *testing.T) {
	b := newBook(t).scenario("s", "x/y")
	b.key(perWindow(1)).admit("ask", 0)
	for level, want := range map[Level]Verdict{Must: Fail, Should: Warn} {
		r := Requirement{ID: "x/y", Level: level, judge: func(*view) finding { return finding{verdict: Fail} }}
		if got := judgeOne(newJoined(&b.h), r, history.Plan{Scenario: "s"}); got.Verdict != want {
			t.Errorf("a broken %s: %s, want %s", level, got.Verdict, want)
		}
	}
}

func TestEachPlannedPairGetsOneResult(t *testing.T) {
	b := newBook(t)
	var all []string
	for _, r := range Catalogue() {
		all = append(all, r.ID)
	}
	slices.Reverse(all)
	b.scenario("everything", all...).scenario("nothing").scenario("some", "refusal/status", "x/y")
	// A scenario that was not planned has no result, whatever is in the history.
	b.h.Ends = append(b.h.Ends, history.End{Scenario: "unplanned"})
	b.h.Keys = append(b.h.Keys, history.Key{Alias: "k", Scenario: "unplanned"})
	results := Judge(&b.h).Results
	if want := len(all) + 2; len(results) != want {
		t.Fatalf("%d results, want %d", len(results), want)
	}
	type pair struct{ scenario, requirement string }
	seen := map[pair]bool{}
	for _, r := range results {
		p := pair{r.Scenario, r.Requirement}
		if seen[p] {
			t.Errorf("%v has two results", p)
		}
		seen[p] = true
		if r.Attempts == nil {
			t.Errorf("%v has nil for no attempts, which is null in JSON", p)
		}
	}
	// In the order of the catalogue, what is unknown before it.
	slices.Reverse(all)
	var order []string
	for _, r := range results[1:] {
		if r.Scenario == "everything" {
			order = append(order, r.Requirement)
		}
	}
	if !slices.Equal(order, all) {
		t.Errorf("reported in the order %v", order)
	}
}

func TestJudgeChangesNothingAndRepeats(t *testing.T) {
	b := newBook(t).scenario("s", "refusal/status", "requests/limit-kept")
	k := b.key(perWindow(2))
	k.admits(3, "burst", 2*sec)
	k.refuses(3, "burst", sec)
	before := slices.Clone(b.h.Attempts)
	first, second := Judge(&b.h), Judge(&b.h)
	if len(first.Results) != 2 || first.Class != second.Class {
		t.Fatalf("%+v, then %+v", first, second)
	}
	for i := range first.Results {
		if first.Results[i].Message != second.Results[i].Message {
			t.Errorf("%q, then %q", first.Results[i].Message, second.Results[i].Message)
		}
	}
	for i := range before {
		if before[i].ID != b.h.Attempts[i].ID {
			t.Fatal("judging reordered the history")
		}
	}
}

func TestBrokenHistoriesAreNotJudgedToDeath(t *testing.T) {
	var all []string
	for _, r := range Catalogue() {
		all = append(all, r.ID)
	}
	b := newBook(t).scenario("s", all...)
	b.h.Run.Window = 0
	k := b.key(both(0, 0))
	for _, step := range []string{"burst", "pace", "use-up", "after-one", "slow", "probe-1", "probe-2", "probe-3", "fail", "traffic", "quiet", "noisy", "obey", "hold"} {
		k.admit(step, 0)
		k.refuse(step, 0)
		k.lose(step, 0)
	}
	for _, r := range Judge(&b.h).Results {
		if r.Verdict == Error {
			t.Errorf("%s: %s", r.Requirement, r.Message)
		}
	}
}
