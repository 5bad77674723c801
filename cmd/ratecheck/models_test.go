package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/reports"
)

// leastAgreement is the part of the verdicts in which a model and its release
// must agree, by each source of verdicts.
const leastAgreement = 0.95

// source is a table of verdicts that real releases got.
type source struct {
	name string
	// path is where its verdicts stand, from this folder.
	path string
	// least is how many there are, so that an empty table agrees with nothing.
	least int
	read  func(t *testing.T) map[string]map[string]checker.Verdict
}

func sources() []source {
	return []source{
		{"runs and hand", "testdata/models.verdicts", 500, func(t *testing.T) map[string]map[string]checker.Verdict {
			return readVerdicts(t, "testdata/models.verdicts")
		}},
		{"each build", "testdata/litellm.verdicts", 300, func(t *testing.T) map[string]map[string]checker.Verdict {
			all := map[string]map[string]checker.Verdict{}
			for column, want := range litellmVerdicts(t) {
				all[column] = map[string]checker.Verdict{}
				for name, expected := range want {
					if expected.verdict != "" {
						all[column][string(name)] = expected.verdict
					}
				}
			}
			return all
		}},
		{"measured table", measuredPath, 500, measuredVerdicts},
	}
}

// modelsDisagree says why a model gets another verdict than its release did, by
// source, column and name.
func modelsDisagree() map[string]string {
	const (
		busy   = "on a busy machine the burst was spread over half a window, and met the next one"
		expiry = "a window turned on a whole second before its counter expired, which then forgot what the new one had used; the model's clock begins on a whole second"
	)
	return map[string]string{
		"runs and hand: 1.80.0 memory refusal/retry-after-tight in refusal-retry":    busy,
		"runs and hand: 1.88.0 redis requests/straddling-burst in requests-straddle": busy,
		"measured table: 1.109.1 memory tokens/limit-kept":                           expiry,
	}
}

// agreementPath is where the agreement of models and releases is told.
const agreementPath = root + "/docs/litellm-models.md"

// TestModelsAgreeWithReleases runs the whole check against the models, holds the
// verdicts to those that the real releases got, and the table of that in
// docs/litellm-models.md to what came of it (-update writes it).
func TestModelsAgreeWithReleases(t *testing.T) {
	reasons, used := modelsDisagree(), map[string]bool{}
	models := map[string]map[string]checker.Verdict{}
	counts, differ := map[string]map[string]string{}, []string{}
	for _, from := range sources() {
		agreed, all := 0, 0
		table := from.read(t)
		for _, column := range slices.SortedFunc(maps.Keys(table), compareColumns) {
			if models[column] == nil {
				models[column] = modelVerdicts(t, column)
			}
			columnAgreed, columnAll := 0, 0
			for _, name := range slices.Sorted(maps.Keys(table[column])) {
				want, got := table[column][name], models[column][name]
				columnAll++
				if got == want {
					columnAgreed++
					continue
				}
				at := from.name + ": " + column + " " + name
				if used[at] = true; reasons[at] == "" {
					t.Errorf("%s is %s on the model, and on the release it was %s; no reason is known", at, got, want)
				}
				differ = append(differ, fmt.Sprintf("| %s | %s | %s | %s | %s | %s |", column, name, from.name, want, got, reasons[at]))
			}
			if counts[column] == nil {
				counts[column] = map[string]string{}
			}
			counts[column][from.name] = fmt.Sprintf("%d / %d", columnAgreed, columnAll)
			agreed, all = agreed+columnAgreed, all+columnAll
		}
		share := float64(agreed) / float64(max(1, all))
		total := fmt.Sprintf("%d / %d (%.1f %%)", agreed, all, 100*share)
		t.Logf("%s: %s verdicts agree", from.path, total)
		if share < leastAgreement || all < from.least {
			t.Errorf("%s: %s verdicts agree, and %.0f %% of at least %d must", from.path, total, 100*leastAgreement, from.least)
		}
		if counts[""] == nil {
			counts[""] = map[string]string{}
		}
		counts[""][from.name] = total
	}
	for at := range reasons {
		if !used[at] {
			t.Errorf("%s is on the model as on the release now, or was not seen; take the reason away", at)
		}
	}
	tellAgreement(t, counts, differ)
}

// tellAgreement holds the table of the docs to the counts by column and source,
// the sum under "", and to the rows of what differs.
func tellAgreement(t *testing.T, counts map[string]map[string]string, differ []string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("\n| release and store |")
	for _, from := range sources() {
		b.WriteString(" " + from.name + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(sources())) + "\n")
	columns := slices.DeleteFunc(slices.SortedFunc(maps.Keys(counts), compareColumns), func(c string) bool { return c == "" })
	for _, column := range append(columns, "") {
		name := column
		if column == "" {
			name = "all"
		}
		b.WriteString("| " + name + " |")
		for _, from := range sources() {
			cell := counts[column][from.name]
			if cell == "" {
				cell = "-"
			}
			b.WriteString(" " + cell + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n| release and store | requirement | source | release | model | why |\n|---|---|---|---|---|---|\n")
	for _, row := range differ {
		b.WriteString(strings.ReplaceAll(row, "@", "&#64;") + "\n")
	}
	b.WriteString("\n")
	const begin, end = "<!-- agreement, written by a test -->\n", "<!-- end of agreement -->"
	text := string(readFile(t, agreementPath))
	before, rest, found := strings.Cut(text, begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s lacks the lines %q and %q", agreementPath, begin, end)
	}
	got := before + begin + b.String() + end + after
	if *update {
		if err := os.WriteFile(agreementPath, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(text, got); d != "" {
		t.Errorf("%s says (-) what is not so (+); -update writes it:\n%s", agreementPath, d)
	}
}

// modelVerdicts are what the model of a column gets, such as "1.82.3 redis": by
// requirement, and by requirement "in" scenario. Without its scenario a
// requirement has the worst of its verdicts, as in a matrix.
func modelVerdicts(t *testing.T, column string) map[string]checker.Verdict {
	t.Helper()
	version, store, _ := strings.Cut(column, " ")
	args := []string{"--simulate", version, "--window", "5s"}
	if store == "redis" {
		args = append(args, "--redis")
	}
	report := judged(t, append(args, "--skip", owned)...)
	report.Results = append(report.Results, judged(t, append(args, "--only", owned)...).Results...)
	got := map[string]checker.Verdict{}
	for _, result := range report.Results {
		got[verdictName(result.Requirement, result.Endpoint)+" in "+result.Scenario] = result.Verdict
	}
	for _, row := range reports.NewMatrix("", []reports.Judged{{Name: column, Report: &report}}).Rows {
		got[verdictName(row.Requirement, row.Endpoint)] = row.Cells[0].Verdict
	}
	return got
}

func verdictName(requirement, endpoint string) string {
	if endpoint != "" {
		requirement += "@" + endpoint
	}
	return requirement
}

// readVerdicts reads a table of verdicts: by column what the requirements got.
// What is - was not seen.
func readVerdicts(t *testing.T, path string) map[string]map[string]checker.Verdict {
	t.Helper()
	letters := map[string]checker.Verdict{"P": checker.Pass, "F": checker.Fail, "W": checker.Warn, "S": checker.Skip, "-": ""}
	all := map[string]map[string]checker.Verdict{}
	var columns []string
	for i, line := range strings.Split(string(readFile(t, path)), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		fields := strings.Split(line, "|")
		for j := range fields {
			fields[j] = strings.TrimSpace(fields[j])
		}
		if columns == nil {
			columns = fields[1:]
			for _, c := range columns {
				all[c] = map[string]checker.Verdict{}
			}
			continue
		}
		if len(fields) != 1+len(columns) {
			t.Fatalf("%s:%d: %d columns, want %d", path, i+1, len(fields)-1, len(columns))
		}
		for j, c := range columns {
			verdict, known := letters[fields[1+j]]
			if !known {
				t.Fatalf("%s:%d: %q for %s: want P, F, W, S or -", path, i+1, fields[1+j], c)
			}
			if verdict != "" {
				all[c][fields[0]] = verdict
			}
		}
	}
	return all
}
