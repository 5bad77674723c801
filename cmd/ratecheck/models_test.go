package main

import (
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/checker"
)

// leastAgreement is the part of the verdicts in which a model and its release
// must agree.
const leastAgreement = 0.95

// modelsDisagree says why a model gets another verdict than its release did.
func modelsDisagree() map[string]string {
	const (
		rounded = "the limits are lawful to a second of how long the provider went on, which the model tells to the millisecond"
		busy    = "on a busy machine the burst was spread over half a window, and met the next one"
	)
	return map[string]string{
		"1.80.0 memory refund/disconnect in refund-disconnect":        rounded,
		"1.80.0 redis refund/disconnect in refund-disconnect":         rounded,
		"1.80.0 memory refusal/retry-after-tight in refusal-retry":    busy,
		"1.88.0 redis requests/straddling-burst in requests-straddle": busy,
	}
}

// TestModelsAgreeWithReleases runs the whole check against the models and holds
// the verdicts to those that the real releases got, in testdata/models.verdicts.
func TestModelsAgreeWithReleases(t *testing.T) {
	reasons := modelsDisagree()
	agreed, all := 0, 0
	for column, want := range readVerdicts(t, "testdata/models.verdicts") {
		version, store, _ := strings.Cut(column, " ")
		args := []string{"--simulate", version, "--window", "5s"}
		if store == "redis" {
			args = append(args, "--redis")
		}
		got := map[string]checker.Verdict{}
		for _, result := range judged(t, args...).Results {
			got[verdictName(result.Requirement, result.Endpoint, result.Scenario)] = result.Verdict
		}
		for name, verdict := range want {
			all++
			reason := reasons[column+" "+name]
			switch {
			case got[name] == verdict && reason != "":
				t.Errorf("%s: %s is %s now, as on the release; take the reason away", column, name, verdict)
			case got[name] == verdict:
				agreed++
			case reason == "":
				t.Errorf("%s: %s is %s, and on the release it was %s", column, name, got[name], verdict)
			default:
				t.Logf("%s: %s is %s, and on the release it was %s: %s", column, name, got[name], verdict, reason)
			}
		}
	}
	t.Logf("%d of %d verdicts agree: %.1f %%", agreed, all, 100*float64(agreed)/float64(all))
	if float64(agreed) < leastAgreement*float64(all) || all < 500 {
		t.Errorf("%d of %d verdicts agree, and %.0f %% must", agreed, all, 100*leastAgreement)
	}
}

func verdictName(requirement, endpoint, scenario string) string {
	if endpoint != "" {
		requirement += "@" + endpoint
	}
	return requirement + " in " + scenario
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
