package main

import (
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/reports"
)

// judgedName names results: ID, ID@endpoint where it is not chat, and "ID in
// scenario" where scenarios differ.
type judgedName string

// endpoint takes a name apart; the endpoint is empty for chat.
func (n judgedName) endpoint() (id, endpoint string) {
	id, _, _ = strings.Cut(string(n), " in ")
	id, endpoint, _ = strings.Cut(id, "@")
	return id, endpoint
}

// expectation is the verdict that is expected; empty where it differs from run to
// run. On a busy machine a run may not be able to tell it: what was sent came too
// late, or a slow target is taken for one that queues.
type expectation struct {
	verdict checker.Verdict
	orBusy  bool
}

func (e expectation) allows(got checker.Verdict) bool {
	return e.verdict == "" || got == e.verdict || e.orBusy && (got == checker.Inconclusive || got == checker.Skip)
}

// verdicts are what is expected of one release with one store.
type verdicts map[judgedName]expectation

// nameOf is the name under which a result is expected.
func (v verdicts) nameOf(r reports.Result) judgedName {
	name := r.Requirement
	if r.Endpoint != "" {
		name += "@" + r.Endpoint
	}
	in := judgedName(name + " in " + r.Scenario)
	if _, apart := v[in]; apart {
		return in
	}
	return judgedName(name)
}

func stores() []string { return []string{"memory", "redis"} }

// litellmVerdicts reads testdata/litellm.verdicts: by release and store, as in
// "1.82.3 redis", what is expected.
func litellmVerdicts(t *testing.T) map[string]verdicts {
	t.Helper()
	const path = "testdata/litellm.verdicts"
	all := map[string]verdicts{}
	var columns []string
	letters := map[string]checker.Verdict{"P": checker.Pass, "F": checker.Fail, "W": checker.Warn, "S": checker.Skip, "-": ""}
	for i, line := range strings.Split(string(readFile(t, path)), "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Split(line, "|")
		for j := range fields {
			fields[j] = strings.TrimSpace(fields[j])
		}
		switch {
		case strings.TrimSpace(line) == "":
			continue
		case columns == nil:
			columns = fields[1:]
			for _, c := range columns {
				all[c] = verdicts{}
			}
			continue
		case len(fields) != 1+len(columns):
			t.Fatalf("%s:%d: %d columns, want %d", path, i+1, len(fields)-1, len(columns))
		}
		for j, c := range columns {
			letter, orBusy := strings.CutSuffix(fields[1+j], "?")
			verdict, known := letters[letter]
			if _, twice := all[c][judgedName(fields[0])]; !known || twice {
				t.Fatalf("%s:%d: %s is %q for %s: want P, F, W, S, one of them with a ?, or -, and each once", path, i+1, fields[0], fields[1+j], c)
			}
			all[c][judgedName(fields[0])] = expectation{verdict, orBusy}
		}
	}
	return all
}
