package reports

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
)

func TestExitPrecedence(t *testing.T) {
	for name, test := range map[string]struct {
		summary Summary
		want    int
	}{
		"all kept":                       {Summary{Pass: 3}, ExitKept},
		"warned":                         {Summary{Warn: 1}, ExitKept},
		"known to fail":                  {Summary{XFail: 1}, ExitKept},
		"kept and skipped":               {Summary{Pass: 1, Skip: 9}, ExitKept},
		"nothing":                        {Summary{}, ExitInconclusive},
		"nothing but skipped":            {Summary{Skip: 9}, ExitInconclusive},
		"one not told":                   {Summary{Pass: 9, Inconclusive: 1}, ExitInconclusive},
		"one failed":                     {Summary{Pass: 9, Fail: 1}, ExitFailed},
		"a stale list":                   {Summary{Pass: 9, XPass: 1}, ExitFailed},
		"failed weighs more than open":   {Summary{Fail: 1, Inconclusive: 9}, ExitFailed},
		"a stale list more than open":    {Summary{XPass: 1, Inconclusive: 9}, ExitFailed},
		"our fault":                      {Summary{Pass: 9, Error: 1}, ExitError},
		"our fault weighs more than all": {Summary{Fail: 9, Inconclusive: 9, XPass: 1, Error: 1}, ExitError},
	} {
		if got := exitOf(test.summary); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestExitOfRuns(t *testing.T) {
	failing := broken()
	failing.Run.Planned = failing.Run.Planned[:5]
	failing.Ends[0].Interrupted = true
	for name, test := range map[string]struct {
		h    *history.History
		want int
	}{
		"kept":                    {kept(), ExitKept},
		"broken, and a fault":     {broken(), ExitError},
		"interrupted":             {interrupted(), ExitInterrupted},
		"failing and interrupted": {failing, ExitInterrupted},
		"killed":                  {torn(), ExitInconclusive},
		"nothing planned":         {&history.History{}, ExitInconclusive},
	} {
		if got := New(test.h, "", "").Exit; got != test.want {
			t.Errorf("%s: exit %d, want %d", name, got, test.want)
		}
	}
}

func encoded(t *testing.T, r Report) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := JSON(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func histories() map[string]*history.History {
	return map[string]*history.History{
		"kept": kept(), "broken": broken(), "interrupted": interrupted(), "torn": torn(), "by class": byClass(), "others": others(), "empty": {},
	}
}

func TestNewIsPure(t *testing.T) {
	for name, h := range histories() {
		before, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		first, second := encoded(t, New(h, "u", "c")), encoded(t, New(h, "u", "c"))
		if !bytes.Equal(first, second) {
			t.Errorf("%s: two reports of one history differ", name)
		}
		after, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(before, after) {
			t.Errorf("%s: making the report changed the history", name)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for name, h := range histories() {
		want := New(h, "http://127.0.0.1:4000", "ratecheck run 'a & b' <c>")
		got, err := Parse(bytes.NewReader(encoded(t, want)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -written +read\n%s", name, diff)
		}
	}
}

func TestJSONIsGolden(t *testing.T) {
	golden(t, "broken.json", encoded(t, New(broken(), "http://127.0.0.1:4000", "ratecheck run http://127.0.0.1:4000 --window 5s")))
}

func TestParseRefuses(t *testing.T) {
	for text, says := range map[string]string{
		``:                                  "EOF",
		`{`:                                 "unexpected EOF",
		`[]`:                                "cannot unmarshal array",
		`{}`:                                `its schema is "", this version knows "ratecheck.report/v1"`,
		`{"schema":"ratecheck.report/v2"}`:  `its schema is "ratecheck.report/v2"`,
		`{"schema":"ratecheck.history/v1"}`: `its schema is "ratecheck.history/v1"`,
	} {
		if _, err := Parse(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	const url = "report.schema.json"
	if err := c.AddResource(url, document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, report []byte) error {
	t.Helper()
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(report))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(instance)
}

func TestReportsKeepTheSchema(t *testing.T) {
	s := schema(t)
	for name, h := range histories() {
		for _, url := range []string{"", "http://127.0.0.1:4000"} {
			if err := validate(t, s, encoded(t, New(h, url, ""))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestTokensKeepTheSchema: what each window was admitted, too.
func TestTokensKeepTheSchema(t *testing.T) {
	s := schema(t)
	r := New(kept(), "", "")
	r.Tokens = []checker.WindowTokens{{Way: history.Streams, RequestLimit: true, Limit: 440, Admitted: []int64{440, -1}}}
	if err := validate(t, s, encoded(t, r)); err != nil {
		t.Error(err)
	}
	r.Tokens[0].Way = "otherwise"
	if validate(t, s, encoded(t, r)) == nil {
		t.Error("the schema lets a way through that it does not know")
	}
}

// A schema that lets everything through holds nobody to anything.
func TestSchemaRefuses(t *testing.T) {
	s := schema(t)
	for name, spoil := range map[string]func(*Report){
		"another version":      func(r *Report) { r.Schema = "ratecheck.report/v2" },
		"no command":           func(r *Report) { r.Command = "" },
		"null for results":     func(r *Report) { r.Results = nil },
		"null for attempts":    func(r *Report) { r.Results[0].Attempts = nil },
		"an unknown verdict":   func(r *Report) { r.Results[0].Verdict = "MAYBE" },
		"an unknown level":     func(r *Report) { r.Results[0].Level = "MAY" },
		"an unknown layer":     func(r *Report) { r.Results[0].Layer = "deep" },
		"an id that is none":   func(r *Report) { r.Results[0].Requirement = "requests" },
		"no message":           func(r *Report) { r.Results[0].Message = "" },
		"no reproduction":      func(r *Report) { r.Results[0].Reproduce = "" },
		"a FAIL on nothing":    func(r *Report) { fail(r).Attempts = []int{} },
		"a FAIL unobserved":    func(r *Report) { fail(r).Observed = "" },
		"a FAIL of a SHOULD":   func(r *Report) { fail(r).Level = checker.Should },
		"an exit of no run":    func(r *Report) { r.Exit = 4 },
		"a negative count":     func(r *Report) { r.Summary.Pass = -1 },
		"an attempt 0":         func(r *Report) { fail(r).Attempts = []int{0} },
		"a negative window":    func(r *Report) { r.Target.WindowSeconds = -1 },
		"a scenario unnamed":   func(r *Report) { r.Results[0].Scenario = "" },
		"an empty expectation": func(r *Report) { fail(r).Expected = "" },
	} {
		r := New(broken(), "", "")
		spoil(&r)
		if validate(t, s, encoded(t, r)) == nil {
			t.Errorf("the schema lets %s through", name)
		}
	}
	r := bytes.Replace(encoded(t, New(broken(), "", "")), []byte(`"seed"`), []byte(`"more": 1, "seed"`), 1)
	if validate(t, s, r) == nil {
		t.Error("the schema lets a field through that it does not know")
	}
}

func fail(r *Report) *Result {
	for i := range r.Results {
		if r.Results[i].Verdict == checker.Fail {
			return &r.Results[i]
		}
	}
	return &Result{}
}

// A result of an endpoint beside chat is reproduced by that endpoint alone, with
// chat where the class is needed. Chat itself is not named.
func TestEndpointsInReports(t *testing.T) {
	r := New(others(), "", "ratecheck run X")
	want := []string{
		" headers/on-answers --seed 7", "embeddings headers/on-answers --endpoints embeddings --seed 7",
		"messages headers/on-answers --endpoints messages --seed 7", "messages refusal/retry-after --endpoints messages --seed 7",
	}
	var got []string
	for _, result := range r.Results {
		got = append(got, result.Endpoint+" "+strings.TrimPrefix(result.Reproduce, "ratecheck run X --only "))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	text := string(encoded(t, r))
	if n := strings.Count(text, `"endpoint"`); n != 3 {
		t.Errorf("%d results of 4 have an endpoint in\n%s", n, text)
	}
	back, err := Parse(strings.NewReader(text))
	if err != nil || cmp.Diff(r, back) != "" {
		t.Errorf("read back: %v\n%s", err, cmp.Diff(r, back))
	}
	needing := checker.Result{Endpoint: history.Messages, Needs: []string{"requests/limit-kept"}}
	if got := endpointsFlag(needing); got != " --endpoints chat,messages" {
		t.Errorf("%q", got)
	}
}

func TestSummaryCountsEveryResult(t *testing.T) {
	for name, h := range histories() {
		r := New(h, "", "")
		s := r.Summary
		if n := s.Pass + s.Fail + s.Warn + s.Skip + s.Inconclusive + s.Error + s.XFail + s.XPass; n != len(r.Results) {
			t.Errorf("%s: %d results, %d counted", name, len(r.Results), n)
		}
	}
	want := "1 ERROR, 2 FAIL, 1 WARN"
	if got := (Summary{Error: 1, Fail: 2, Warn: 1}).counts(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (Summary{}).counts(); got != "nothing was judged" {
		t.Errorf("%q", got)
	}
}

func TestTargetIsWhoTheAnswersSay(t *testing.T) {
	for _, test := range []struct {
		h             *history.History
		name, version string
	}{
		{kept(), "ratecheck reference", "0.1.0"},
		{broken(), "LiteLLM", "1.82.3"},
		{&history.History{}, "", ""},
	} {
		target := New(test.h, "u", "").Target
		if target.Name != test.name || target.Version != test.version || target.URL != "u" {
			t.Errorf("%+v, want %s %s", target, test.name, test.version)
		}
	}
}

// Where a verdict hangs on the class, the command plays the scenarios that tell
// it too.
func TestReproduceNamesWhatTheVerdictNeeds(t *testing.T) {
	report := New(byClass(), "", "ratecheck run X")
	want := "ratecheck run X --only drift/remaining-matches-usage,requests/limit-kept,tokens/limit-kept --seed 7"
	if got := fail(&report).Reproduce; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
