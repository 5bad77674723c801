package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/scenarios"
	"github.com/ratecheck/ratecheck/sim/litellm"
)

// modelMatrix is a matrix of models with both stores, as it is printed.
func modelMatrix(t testing.TB, versions []string, more ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	a := testApp(&out)
	if code := a.main(append([]string{"matrix", "--litellm", strings.Join(versions, ","), "--memory", "--redis", "-q", "--format", "json"}, more...)); code != reports.ExitKept {
		t.Fatalf("ratecheck matrix of %v exited with %d: %s", versions, code, out.String())
	}
	return out.Bytes()
}

// TestMatrixOfModels runs the whole check against all releases of the model with
// both stores. It prints how long that took; what it is held to does not depend
// on the machine: no column may cost much more than a run alone.
func TestMatrixOfModels(t *testing.T) {
	// Columns share their processors with each other and with other tests.
	const costMost = 3
	c := clock.System{}
	var alone []time.Duration
	for _, version := range []string{"1.82.3", "1.94.0", "1.109.1"} {
		begun := c.Now()
		judged(t, "--simulate", version, "--redis", "-q")
		alone = append(alone, c.Now().Sub(begun))
	}
	begun := c.Now()
	var m reports.Matrix
	if err := json.Unmarshal(modelMatrix(t, litellm.Releases()), &m); err != nil {
		t.Fatal(err)
	}
	took := c.Now().Sub(begun)
	const releases, requirements = 12, 60
	if len(m.Columns) != 2*releases || len(m.Rows) < requirements || len(m.Tokens) == 0 {
		t.Fatalf("%d columns, %d rows, %d of tokens", len(m.Columns), len(m.Rows), len(m.Tokens))
	}
	for i, column := range m.Columns {
		want := litellm.Releases()[i/2] + []string{" memory", " redis"}[i%2]
		if column.Name != want || column.Problem != "" || !column.Model || column.Summary.Pass == 0 || column.Summary.Error > 0 {
			t.Errorf("column %d is %+v, want %s with verdicts", i, column, want)
		}
	}
	slices.Sort(alone)
	t.Logf("%d columns took %s; one alone takes %s", len(m.Columns), took.Round(time.Millisecond), alone[1].Round(time.Millisecond))
	if most := costMost * time.Duration(len(m.Columns)) * alone[len(alone)-1]; took > most {
		t.Errorf("%d columns took %s, and one alone takes %s", len(m.Columns), took, alone[len(alone)-1])
	}
}

// TestMatrixOfModelsRepeatsItself whichever column is ready first, and each
// column is what run finds: what a matrix measures beside it changes nothing.
func TestMatrixOfModelsRepeatsItself(t *testing.T) {
	versions := []string{"1.82.3", "1.88.0", "1.109.1"}
	out := t.TempDir()
	first := modelMatrix(t, versions, "--out", out)
	if again := modelMatrix(t, versions); !bytes.Equal(first, again) {
		t.Errorf("the same matrix twice:\n%s\n%s", first, again)
	}
	report, err := reports.Parse(bytes.NewReader(readFile(t, filepath.Join(out, "1.88.0-redis", reportFile))))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(judged(t, "--simulate", "1.88.0", "--redis", "-q").Results, report.Results); d != "" {
		t.Errorf("a run finds (-) what its column does not (+):\n%s", d)
	}
	if folders, err := os.ReadDir(out); err != nil || len(folders) != 2*len(versions) {
		t.Errorf("%v, %v: want a folder for each column", folders, err)
	}
}

// BenchmarkMatrixOfModels is twelve releases with both stores; it is held to
// twenty seconds on two processors.
func BenchmarkMatrixOfModels(b *testing.B) {
	for b.Loop() {
		modelMatrix(b, litellm.Releases())
	}
}

// TestTokensByWindow: a release that reserves admits its limit in every window to
// the token, whoever asks; one that charges after the answer lets a burst through
// and one request more. What is played for it is within its plan, behind all else.
func TestTokensByWindow(t *testing.T) {
	out := t.TempDir()
	var m reports.Matrix
	if err := json.Unmarshal(modelMatrix(t, []string{"1.82.3", "1.109.1"}, "--window", "5s", "--out", out), &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Windows) != 2*len(history.TokensByWindowWays()) {
		t.Fatalf("%d rows", len(m.Windows))
	}
	for _, row := range m.Windows {
		for i, cell := range row.Cells {
			most := cell.Limit
			if i < 2 {
				most += cell.Limit / 8 // what is asked while the charge is late
				if row.Way == history.AtOnce {
					most = 20 * cell.Limit / 8
				}
			}
			if !slices.Equal(cell.Admitted, []int64{most, most, most}) {
				t.Errorf("%s, %s, request limit %t: %v of %d, want %d in each window", m.Columns[i].Name, row.Way, row.RequestLimit, cell.Admitted, cell.Limit, most)
			}
		}
	}
	h, err := readHistoryFile(filepath.Join(out, "1.109.1-memory", historyFile))
	if err != nil {
		t.Fatal(err)
	}
	plan := scenarios.TokensByWindow().Plan
	keys, attempts, last := 0, 0, time.Duration(0)
	first := time.Duration(-1)
	for _, k := range h.Keys {
		if k.Scenario == history.TokensByWindow {
			keys++
		}
	}
	for _, a := range h.Attempts {
		switch {
		case a.Scenario != history.TokensByWindow:
			last = max(last, a.Done)
		case first < 0:
			first = a.Sent
			fallthrough
		default:
			attempts++
		}
	}
	if keys != plan.Keys || attempts != plan.Requests || first < last {
		t.Errorf("%d keys and %d requests from %s on, planned are %+v behind %s", keys, attempts, first, plan, last)
	}
}
