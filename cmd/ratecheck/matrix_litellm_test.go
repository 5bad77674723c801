package main

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/lab"
	"github.com/ratecheck/ratecheck/reports"
)

// TestLiteLLMMatrix starts two real releases, one with the token counter that
// outlives its window (24677) and one without, and wants that difference in the
// matrix. A third cannot be had, and is a column that says so.
func TestLiteLLMMatrix(t *testing.T) {
	dir := os.Getenv(labVariable)
	if dir == "" {
		t.Skipf("%s is not set: it names the folder into which real LiteLLM releases are installed", labVariable)
	}
	const never = "1.82.999"
	var out bytes.Buffer
	a := testApp(&out)
	a.stderr = t.Output()
	a.getenv = func(name string) string { return map[string]string{labVariable: dir}[name] }
	code := a.main([]string{"matrix", "--litellm", "1.82.3," + lab.NewestName + "," + never, "--real", "--only", "tokens/window-reopens", "--format", "json"})
	var m reports.Matrix
	if err := json.Unmarshal(out.Bytes(), &m); err != nil || code != 0 {
		t.Fatalf("exit %d, %v: %s", code, err, out.String())
	}
	if len(m.Rows) != 1 || len(m.Rows[0].Cells) != 3 {
		t.Fatalf("got %d rows: %s", len(m.Rows), out.String())
	}
	buggy, newest, missing := m.Rows[0].Cells[0], m.Rows[0].Cells[1], m.Rows[0].Cells[2]
	if buggy.Verdict != checker.Fail || buggy.Figure == nil || buggy.Figure.Value < 1 {
		t.Errorf("1.82.3: %+v, want FAIL and for how long it was locked", buggy)
	}
	if newest.Verdict != checker.Pass {
		t.Errorf("%s: %+v, want PASS", m.Columns[1].Name, newest)
	}
	if missing.Verdict != "" || m.Columns[2].Problem == "" {
		t.Errorf("%s: %+v, want that it could not be installed", never, m.Columns[2])
	}
}
