package main

import (
	"context"
	"fmt"
	"net"
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

// TestLiteLLM installs real releases, starts each with our provider behind it,
// in memory and with Redis, and wants the verdicts of testdata/litellm.txt.
// Every run gets a fresh instance: in memory these releases go unlimited when
// they have seen some 100 keys.
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
	for _, version := range []string{"1.82.3", "1.94.0"} {
		release, err := lab.Install(t.Context(), dir, version, os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		for run := range runs {
			for _, store := range stores() {
				t.Run(fmt.Sprintf("%s/%s/%d", version, store, run+1), func(t *testing.T) {
					out := filepath.Join(dir, "runs", fmt.Sprintf("%s-%s-%d", version, store, run+1))
					r := runAgainst(t, release, store == "redis", out, lab.KeyTemplate, "--skip", owned)
					owners := runAgainst(t, release, store == "redis", out+"-scopes", lab.OwnersTemplate, "--only", owned)
					r.Results = append(r.Results, owners.Results...)
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

// owned are the requirements whose keys belong to somebody. They are asked of an
// instance of their own.
const owned = "scopes/*"

func runAgainst(t *testing.T, release *lab.Release, redis bool, out, template string, which ...string) reports.Report {
	t.Helper()
	const window = 5 * time.Second
	provider := freeAddress(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	instance, err := release.Start(ctx, lab.Options{
		Dir: t.TempDir(), Upstream: "http://" + provider + "/v1", Models: []string{"m"}, Redis: redis, Window: window,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := instance.Stop(); err != nil {
			t.Error(err)
		}
	}()
	return judged(t, append(which, instance.URL(), "--key-template", template, "--provider-listen", provider, "--window", window.String(), "--out", out)...)
}

// freeAddress is a loopback address that nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func compareVerdicts(t *testing.T, r reports.Report, want verdicts) {
	t.Helper()
	got := map[judgedName]bool{}
	for _, result := range r.Results {
		name := want.nameOf(result)
		got[name] = true
		if result.Verdict != want[name] {
			t.Errorf("%s: %s, want %s: %s (expected %s; observed %s; attempts %v)", name, result.Verdict,
				want[name], result.Message, result.Expected, result.Observed, result.Attempts)
		}
	}
	for name := range want {
		if !got[name] {
			t.Errorf("%s was not judged", name)
		}
	}
}
