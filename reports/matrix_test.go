package reports

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
)

const matrixCommand = "ratecheck matrix --litellm 1.80.0,1.82.3 --real --memory --redis"

// someMatrix has a target that keeps all, one that breaks much, one that did not
// start, and one whose run broke off.
func someMatrix() Matrix {
	report := func(r Report) *Report { return &r }
	sound := New(kept(), "http://127.0.0.1:4000", "ratecheck run http://127.0.0.1:4000 --window 5s")
	sound.Tokens = []checker.WindowTokens{
		{Way: history.InTurn, Limit: 400, Admitted: []int64{400, 400, 400}},
		{Way: history.AtOnce, RequestLimit: true, Limit: 432, Admitted: []int64{1080, -1, 0}},
	}
	return NewMatrix(matrixCommand, []Judged{
		{Name: "sound", Report: &sound},
		{Name: "1.82.3 memory", Model: true, Report: report(New(broken(), "http://127.0.0.1:4001", command))},
		{Name: "1.80.0 redis", Problem: "lab: LiteLLM 1.80.0: starting LiteLLM 1.80.0 ended (exit status 1); the end of its log:\nTraceback <most recent> | call"},
		{Name: "late", Report: report(New(interrupted(), "http://127.0.0.1:4002", command)), Problem: "LiteLLM ended while the run went on"},
	})
}

func matrixFormats() map[string]func(io.Writer, Matrix) error {
	return map[string]func(io.Writer, Matrix) error{
		"txt": MatrixTerminal, "md": MatrixMarkdown, "html": MatrixHTML, "json": MatrixJSON,
	}
}

func TestMatrixIsGolden(t *testing.T) {
	for format, write := range matrixFormats() {
		for name, m := range map[string]Matrix{"matrix": someMatrix(), "matrix-empty": NewMatrix("", nil)} {
			var out bytes.Buffer
			if err := write(&out, m); err != nil {
				t.Fatal(err)
			}
			golden(t, name+"."+format, out.Bytes())
		}
	}
}

func TestMatrixReadsBack(t *testing.T) {
	want := someMatrix()
	var out bytes.Buffer
	if err := MatrixJSON(&out, want); err != nil {
		t.Fatal(err)
	}
	var got Matrix
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-written +read\n%s", diff)
	}
}

// Every row has a cell for every column, in the order of the columns.
func TestMatrixIsRectangular(t *testing.T) {
	m := someMatrix()
	if len(m.Rows) == 0 || len(m.Tokens) == 0 {
		t.Fatalf("%d rows and %d of tokens", len(m.Rows), len(m.Tokens))
	}
	for _, r := range append(slices.Clone(m.Rows), m.Tokens...) {
		if len(r.Cells) != len(m.Columns) {
			t.Errorf("%s has %d cells for %d columns", r.name(), len(r.Cells), len(m.Columns))
			continue
		}
		if r.Cells[2] != (MatrixCell{}) {
			t.Errorf("%s: a target that did not start has %+v", r.name(), r.Cells[2])
		}
	}
}

// A requirement that several scenarios ask has the worst verdict, wherever that
// stands, with its own figure.
func TestMatrixTakesTheWorst(t *testing.T) {
	results := func(verdicts ...checker.Verdict) *Report {
		r := &Report{}
		for _, v := range verdicts {
			r.Results = append(r.Results, Result{Result: checker.Result{
				Requirement: "tokens/limit-kept", Verdict: v, Message: string(v), Figure: &checker.Figure{Name: string(v), Unit: checker.UnitTokens},
			}})
		}
		return r
	}
	order := []checker.Verdict{checker.Skip, checker.Pass, checker.Warn, checker.Inconclusive, checker.Error, checker.Fail}
	for i, worst := range order {
		for _, milder := range order[:i] {
			for _, r := range []*Report{results(milder, worst), results(worst, milder)} {
				m := NewMatrix("", []Judged{{Name: "a", Report: r}})
				if c := m.Rows[0].Cells[0]; len(m.Rows) != 1 || c.Verdict != worst || c.Figure.Name != string(worst) {
					t.Errorf("of %s and %s: %+v, want %s", milder, worst, c, worst)
				}
			}
		}
	}
}

// TestMatrixKeepsTextText has a target whose answers hold markup.
func TestMatrixKeepsTextText(t *testing.T) {
	nasty := "</td><script>alert(1)</script> | `x` \x1b[31m @all"
	r := &Report{Command: nasty, Results: []Result{{Result: checker.Result{Requirement: "tokens/limit-kept", Verdict: checker.Inconclusive, Message: nasty}}}}
	m := NewMatrix(nasty, []Judged{{Name: nasty, Report: r, Problem: nasty}})
	for format, write := range matrixFormats() {
		var out bytes.Buffer
		if err := write(&out, m); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s holds a control character", format)
		}
		if format == "html" && (strings.Contains(out.String(), "<script") || strings.Contains(out.String(), "</td></td>")) {
			t.Error("markup got into the page")
		}
		beforeCode, _, _ := strings.Cut(out.String(), "\n```")
		if format == "md" && strings.Contains(beforeCode, "<script") {
			t.Error("markup got into the Markdown")
		}
	}
}

func TestMatrixTellsWhatCannotBeWritten(t *testing.T) {
	for format, write := range matrixFormats() {
		if err := write(&fullDisk{}, someMatrix()); err == nil {
			t.Errorf("%s was written to a full disk", format)
		}
	}
}
