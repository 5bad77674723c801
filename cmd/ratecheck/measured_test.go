package main

import (
	"bytes"
	"html"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/semver"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/lab"
	"github.com/ratecheck/ratecheck/reports"
)

// measuredPath holds what real releases were measured to do.
const measuredPath = root + "/docs/litellm.md"

// The part of it that is measured, between two headings.
const measuredBegin, measuredEnd = "## Summary\n", "## Differences from a measurement by hand\n"

// TestMeasuredTable holds the table of docs/litellm.md to be whole: all reviewed
// releases with both stores, known requirements, verdicts. One command measures
// it anew, on a machine with nothing else to do, in about ten minutes once the
// releases are installed:
//
//	RATECHECK_LAB=FOLDER RATECHECK_LAB_MEASURE=yes go test ./cmd/ratecheck -count=1 -timeout 60m -run 'TestMeasuredTable$'
//
// -update alone does not, since it is given to many tests at once.
// What differs from the models behind that is told by TestModelsAgreeWithReleases,
// which wants a reason for each.
func TestMeasuredTable(t *testing.T) {
	if dir := os.Getenv(labVariable); dir != "" && os.Getenv(labVariable+"_MEASURE") != "" {
		measure(t, dir)
	}
	table := measuredVerdicts(t)
	var want []string
	for _, version := range lab.Reviewed() {
		for _, store := range stores() {
			want = append(want, version+" "+store)
		}
	}
	for _, column := range want {
		if len(table[column]) == 0 {
			t.Errorf("%s has no column for %s", measuredPath, column)
		}
		for name := range table[column] {
			id, _, _ := strings.Cut(name, "@")
			if _, known := checker.Find(id); !known {
				t.Errorf("%s, %s: %s is no requirement", measuredPath, column, name)
			}
		}
	}
	if len(table) != len(want) {
		t.Errorf("%s has %d columns, want %v", measuredPath, len(table), want)
	}
}

// measure runs the matrix of all reviewed releases and writes it into the docs.
func measure(t *testing.T, dir string) {
	t.Helper()
	var out bytes.Buffer
	a := testApp(&out)
	a.stderr = os.Stderr
	a.getenv = func(name string) string { return map[string]string{labVariable: dir}[name] }
	args := []string{"matrix", "--litellm", strings.Join(lab.Reviewed(), ","), "--real", "--memory", "--redis", "--format", "markdown"}
	if code := a.main(args); code != reports.ExitKept {
		t.Fatalf("ratecheck %v exited with %d:\n%s", args, code, out.String())
	}
	text := withMeasured(t, string(readFile(t, measuredPath)), out.String())
	if err := os.WriteFile(measuredPath, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// withMeasured is the text of the docs with another matrix.
func withMeasured(t *testing.T, text, matrix string) string {
	t.Helper()
	matrix, _, _ = strings.Cut(matrix, "\n```sh\n") // the command stands above
	before, rest, found := strings.Cut(text, measuredBegin)
	_, after, ended := strings.Cut(rest, measuredEnd)
	if !found || !ended {
		t.Fatalf("%s lacks the headings %q and %q", measuredPath, measuredBegin, measuredEnd)
	}
	return before + measuredBegin + "\n" + strings.ReplaceAll(matrix, "### ", "## ") + "\n" + measuredEnd + after
}

// TestMeasuredTableIsWrittenAnew: the matrix of models in its place is read as
// what the models got, and nothing around it changes.
func TestMeasuredTableIsWrittenAnew(t *testing.T) {
	args := []string{"matrix", "--litellm", "1.80.0,1.82.3", "--window", "5s", "-q", "--format", "markdown"}
	var out bytes.Buffer
	if code := testApp(&out).main(args); code != reports.ExitKept {
		t.Fatalf("ratecheck %v exited with %d", args, code)
	}
	text := withMeasured(t, "before\n## Summary\nold\n"+measuredEnd+"after\n", out.String())
	if !strings.HasPrefix(text, "before\n## Summary\n\n- 1.80.0 memory: ") || !strings.HasSuffix(text, "\n\n"+measuredEnd+"after\n") || strings.Contains(text, "```") {
		t.Errorf("it is written as:\n%s", text)
	}
	table := verdictsIn(t, text)
	for _, column := range []string{"1.80.0 memory", "1.82.3 memory"} {
		want := modelVerdicts(t, column)
		if len(table[column]) < 60 {
			t.Errorf("%s: %d verdicts were read", column, len(table[column]))
		}
		for name, got := range table[column] {
			if got != want[name] {
				t.Errorf("%s, %s is read as %s, want %s", column, name, got, want[name])
			}
		}
	}
}

// measuredVerdicts reads the verdicts of docs/litellm.md, by column. What was
// inconclusive is left out, and so is what a run of its own asks.
func measuredVerdicts(t *testing.T) map[string]map[string]checker.Verdict {
	t.Helper()
	return verdictsIn(t, string(readFile(t, measuredPath)))
}

func verdictsIn(t *testing.T, text string) map[string]map[string]checker.Verdict {
	t.Helper()
	text = strings.ReplaceAll(html.UnescapeString(text), "\u200b", "")
	_, rest, found := strings.Cut(text, "\n## Verdicts\n")
	table, _, ended := strings.Cut(rest, "\n## ")
	if !found || !ended {
		t.Fatalf("%s has no section of verdicts", measuredPath)
	}
	all := map[string]map[string]checker.Verdict{}
	var columns []string
	for line := range strings.Lines(strings.TrimSpace(table)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case columns == nil:
			columns = slices.DeleteFunc(cells[1:], func(c string) bool { return c == "known as" })
			for _, c := range columns {
				all[c] = map[string]checker.Verdict{}
			}
			continue
		case strings.HasPrefix(cells[0], "---"):
			continue
		case len(cells) < 1+len(columns):
			t.Fatalf("%s: %d cells in %q, want %d", measuredPath, len(cells), line, 1+len(columns))
		}
		for i, c := range columns {
			word, _, _ := strings.Cut(cells[1+i], " ")
			if word == string(checker.Skip) && strings.HasPrefix(cells[0], "scopes/") {
				continue // a run of their own asks them
			}
			switch verdict := checker.Verdict(word); verdict {
			case checker.Pass, checker.Fail, checker.Warn, checker.Skip:
				all[c][cells[0]] = verdict
			case checker.Inconclusive, checker.Error, "-":
			default:
				t.Errorf("%s: %q is no verdict, of %s for %s", measuredPath, cells[1+i], cells[0], c)
			}
		}
	}
	return all
}

// compareColumns orders columns such as "1.82.3 redis" by release.
func compareColumns(a, b string) int {
	x, _, _ := strings.Cut(a, " ")
	y, _, _ := strings.Cut(b, " ")
	if by := semver.Compare("v"+x, "v"+y); by != 0 {
		return by
	}
	return strings.Compare(a, b)
}
