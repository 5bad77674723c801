package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/lab"
	"github.com/ratecheck/ratecheck/reports"
)

// labVariable names the folder for real LiteLLM releases; the tests that need
// one are left out where it is not set.
const labVariable = "RATECHECK_LAB"

// labRuns is how often each backend is run; RATECHECK_LAB_RUNS sets another
// number.
const labRuns = 1

// TestLiteLLM installs and runs real releases as run --litellm does, in memory
// and with Redis, and wants the verdicts of testdata/litellm.verdicts. Every run
// gets a fresh instance: in memory these releases go unlimited when they have seen
// some 100 keys.
func TestLiteLLM(t *testing.T) {
	dir := os.Getenv(labVariable)
	if dir == "" {
		t.Skipf("%s is not set: it names the folder into which real LiteLLM releases are installed", labVariable)
	}
	runs := labRuns
	if n, err := strconv.Atoi(os.Getenv(labVariable + "_RUNS")); err == nil {
		runs = n
	}
	want := litellmVerdicts(t)
	for _, version := range gatedReleases() {
		for run := range runs {
			for _, store := range stores() {
				t.Run(fmt.Sprintf("%s/%s/%d", version, store, run+1), func(t *testing.T) {
					out := filepath.Join(dir, "runs", fmt.Sprintf("%s-%s-%d", version, store, run+1))
					args := []string{"--litellm", version, "--window", gateWindow.String(), "--out", out}
					if store == "redis" {
						args = append(args, "--redis")
					}
					r := judgedIn(t, dir, args...)
					compareVerdicts(t, r, want[version+" "+store])
					if version == "1.82.3" {
						gate1823(t, out, store)
					}
					t.Logf("%s %s: %+v; the history is in %s", r.Target.Name, r.Target.Version, r.Summary, out)
				})
			}
		}
	}
}

// gateWindow is the window of these runs. In windows of 5 s a release that shares
// the machine with other work is often too slow for what must come within one.
const gateWindow = 10 * time.Second

// gatedReleases are those that every build runs: the one that most threads name,
// the first that counts slots, and the newest that was reviewed.
func gatedReleases() []string {
	all := lab.Reviewed()
	return []string{"1.82.3", "1.94.0", all[len(all)-1]}
}

func compareVerdicts(t *testing.T, r reports.Report, want verdicts) {
	t.Helper()
	got := map[judgedName]bool{}
	for _, result := range r.Results {
		name := want.nameOf(result)
		got[name] = true
		expected, known := want[name]
		if !known || !expected.allows(result.Verdict) {
			t.Errorf("%s: %s, want %s: %s (expected %s; observed %s; attempts %v)", name, result.Verdict,
				expected.verdict, result.Message, result.Expected, result.Observed, result.Attempts)
		}
	}
	for name := range want {
		if !got[name] {
			t.Errorf("%s was not judged", name)
		}
	}
}
