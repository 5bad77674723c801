package checker

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/history"
)

func TestOutcomeOf(t *testing.T) {
	call := []history.Call{{Status: 200}}
	failed := []history.Call{{Status: 500}}
	limited := []history.Call{{Status: 429}}
	for _, test := range []struct {
		ledger bool
		status int
		event  bool
		calls  []history.Call
		want   outcome
		why    string
	}{
		// With the ledger, what is in it was admitted, whatever the answer.
		{true, 200, false, call, admitted, "served"},
		{true, 0, false, call, admitted, "the answer was lost"},
		{true, 500, false, failed, admitted, "the upstream failed"},
		{true, 429, false, limited, admitted, "the 429 is the provider's"},
		{true, 200, true, call, admitted, "the error event is the provider's"},
		// What is not in it was refused if the answer says so.
		{true, 402, false, nil, refused, ""}, {true, 403, false, nil, refused, ""},
		{true, 408, false, nil, refused, ""}, {true, 412, false, nil, refused, ""},
		{true, 429, false, nil, refused, ""}, {true, 503, false, nil, refused, ""},
		{true, 529, false, nil, refused, ""}, {true, 200, true, nil, refused, "refused in the stream"},
		// And else nobody knows.
		{true, 200, false, nil, unknown, "answered from a cache?"},
		{true, 401, false, nil, unknown, ""}, {true, 404, false, nil, unknown, ""},
		{true, 500, false, nil, unknown, ""}, {true, 502, false, nil, unknown, ""},
		{true, 504, false, nil, unknown, ""}, {true, 0, false, nil, unknown, "no answer"},
		// Without a ledger the status decides.
		{false, 200, false, nil, admitted, ""}, {false, 201, false, nil, admitted, ""},
		{false, 200, true, nil, refused, ""}, {false, 429, false, nil, refused, ""},
		{false, 402, false, nil, refused, ""}, {false, 403, false, nil, refused, ""},
		{false, 408, false, nil, refused, ""}, {false, 412, false, nil, refused, ""},
		{false, 503, false, nil, refused, ""}, {false, 529, false, nil, refused, ""},
		{false, 401, false, nil, unknown, ""}, {false, 500, false, nil, unknown, ""},
		{false, 302, false, nil, unknown, ""}, {false, 0, false, nil, unknown, ""},
	} {
		got := outcomeOf(history.Run{Ledger: test.ledger}, history.Attempt{Status: test.status, ErrorEvent: test.event}, test.calls)
		if got != test.want {
			t.Errorf("ledger %t, status %d, error event %t, %d calls (%s): %s, want %s", test.ledger, test.status, test.event, len(test.calls), test.why, got, test.want)
		}
	}
}

func TestCatalogueIsWellFormed(t *testing.T) {
	path := regexp.MustCompile(`^[a-z]+/[a-z]+(-[a-z]+)*$`)
	sentence := regexp.MustCompile(`^[A-Z].*\.$`)
	seen := map[string]bool{}
	for _, r := range Catalogue() {
		if !path.MatchString(r.ID) {
			t.Errorf("%q is no path", r.ID)
		}
		if seen[r.ID] {
			t.Errorf("%s stands twice", r.ID)
		}
		seen[r.ID] = true
		if !sentence.MatchString(r.Sentence) {
			t.Errorf("%s: %q is no sentence", r.ID, r.Sentence)
		}
		if r.Source == "" {
			t.Errorf("%s has no source", r.ID)
		}
		if r.Level != Must && r.Level != Should {
			t.Errorf("%s: level %q", r.ID, r.Level)
		}
		if r.Layer != Enforcement && r.Layer != Contract && r.Layer != Advisory {
			t.Errorf("%s: layer %q", r.ID, r.Layer)
		}
		for _, tolerance := range r.Tolerances {
			if tolerance.Value == "" || tolerance.Reason == "" {
				t.Errorf("%s: the tolerance %+v lacks a value or a reason", r.ID, tolerance)
			}
		}
		if r.judge == nil {
			t.Errorf("%s has no judge", r.ID)
		}
		if found, ok := Find(r.ID); !ok || found.ID != r.ID {
			t.Errorf("%s is not found", r.ID)
		}
	}
	if _, ok := Find("no/such"); ok {
		t.Error("what does not exist is found")
	}
}

// The ids, levels and layers are contract: people's CI names them.
func TestCatalogueIsTheContract(t *testing.T) {
	want := []string{
		"requests/limit-kept MUST enforcement",
		"requests/limit-usable MUST enforcement",
		"requests/window-reopens MUST enforcement",
		"tokens/limit-kept MUST enforcement",
		"tokens/limit-kept-concurrent MUST enforcement",
		"tokens/window-reopens MUST enforcement",
		"refund/upstream-error MUST enforcement",
		"drift/remaining-matches-usage MUST enforcement",
		"parallel/limit-kept MUST enforcement",
		"isolation/keys MUST enforcement",
		"headers/on-answers SHOULD advisory",
		"headers/on-streams MUST advisory",
		"refusal/status MUST contract",
		"refusal/before-stream MUST contract",
		"refusal/retry-after MUST contract",
		"refusal/retry-after-sufficient MUST contract",
	}
	got := map[string]bool{}
	for _, r := range Catalogue() {
		got[fmt.Sprintf("%s %s %s", r.ID, r.Level, r.Layer)] = true
	}
	for _, w := range want {
		if !got[w] {
			t.Errorf("the catalogue lacks %s", w)
		}
	}
}

func TestImplicationsNameRequirements(t *testing.T) {
	for from, to := range Implications() {
		for _, id := range append([]string{from}, to...) {
			if _, ok := Find(id); !ok {
				t.Errorf("the implication %s -> %v names no requirement", from, to)
			}
		}
	}
}

// What a source names of this repository is there.
func TestSourcesCanBeRead(t *testing.T) {
	named := regexp.MustCompile(`docs/[a-z-]+\.md`)
	rules := regexp.MustCompile(`docs/reference\.md rules? ([0-9]+)(?:(?:-| and )([0-9]+))?`)
	text := map[string]string{}
	for _, name := range []string{"docs/reference.md", "docs/judging.md"} {
		page, err := os.ReadFile("../" + name)
		if err != nil {
			t.Fatal(err)
		}
		text[name] = string(page)
	}
	seen := 0
	for _, r := range Catalogue() {
		for _, name := range named.FindAllString(r.Source, -1) {
			if seen++; text[name] == "" {
				t.Errorf("%s: there is no %s", r.ID, name)
			}
		}
		for _, found := range rules.FindAllStringSubmatch(r.Source, -1) {
			for _, rule := range found[1:] {
				if rule != "" && !strings.Contains(text["docs/reference.md"], "\n| "+rule+" | ") {
					t.Errorf("%s: docs/reference.md has no rule %s", r.ID, rule)
				}
			}
		}
	}
	if seen == 0 {
		t.Error("no source names a page of ours")
	}
}
