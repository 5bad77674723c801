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

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/lab"
	"github.com/ratecheck/ratecheck/reports"
)

// labVariable names the folder for real LiteLLM releases; the tests that need
// one are left out where it is not set.
const labVariable = "RATECHECK_LAB"

// labRuns is how often each backend is run; RATECHECK_LAB_RUNS sets another
// number.
const labRuns = 1

// litellm1823 is what LiteLLM 1.82.3 does, on both of its stores: a request
// limiter that is sound, a token limiter that charges after the answer and one
// token too many per request, loses its window where a request limit stands
// beside it (24677), and sends no rate headers on streams (27748).
func litellm1823() map[string]checker.Verdict {
	return map[string]checker.Verdict{
		"requests/limit-kept":            checker.Pass,
		"requests/limit-usable":          checker.Pass,
		"requests/window-reopens":        checker.Pass,
		"tokens/limit-kept":              checker.Pass,
		"tokens/limit-kept-concurrent":   checker.Fail,
		"tokens/window-reopens":          checker.Fail,
		"refund/upstream-error":          checker.Fail,
		"drift/remaining-matches-usage":  checker.Fail,
		"parallel/limit-kept":            checker.Pass,
		"isolation/keys":                 checker.Pass,
		"headers/on-answers":             checker.Pass,
		"headers/on-streams":             checker.Fail,
		"refusal/status":                 checker.Pass,
		"refusal/before-stream":          checker.Pass,
		"refusal/retry-after":            checker.Pass,
		"refusal/retry-after-sufficient": checker.Pass,
		"refusal/quick":                  checker.Pass,

		"parallel/kept-across-windows":         checker.Fail,
		"parallel/slot-freed":                  checker.Fail, // after the client left
		"tokens/streams-counted":               checker.Pass,
		"tokens/streams-without-usage-counted": checker.Pass,
		"refund/unused-estimate":               checker.Pass, // it reserves nothing
		"headers/limit-true":                   checker.Pass,
		"headers/remaining-true":               checker.Pass,
		"headers/key-before-provider":          checker.Fail,
		"requests/one-upstream-call":           checker.Pass,
		"requests/refused-not-charged":         checker.Fail,
		"tokens/limit-usable":                  checker.Pass,
		"tokens/small-limit-usable":            checker.Pass,
		"refusal/body":                         checker.Pass,
		"refusal/never-fits":                   checker.Skip, // max_tokens are not looked at
	}
}

// TestLiteLLM1823 installs the real release, starts it with our provider behind
// it, and wants the verdicts that are known to be true. Every run gets a fresh
// instance: in memory this release goes unlimited when it has seen some 100
// keys.
func TestLiteLLM1823(t *testing.T) {
	dir := os.Getenv(labVariable)
	if dir == "" {
		t.Skipf("%s is not set: it names the folder into which the real LiteLLM is installed", labVariable)
	}
	release, err := lab.Install(t.Context(), dir, "1.82.3", os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	runs := labRuns
	if n, err := strconv.Atoi(os.Getenv(labVariable + "_RUNS")); err == nil {
		runs = n
	}
	for run := range runs {
		for _, store := range []string{"memory", "redis"} {
			t.Run(fmt.Sprintf("%s-%d", store, run+1), func(t *testing.T) {
				out := filepath.Join(dir, "runs", fmt.Sprintf("1.82.3-%s-%d", store, run+1))
				r := runAgainst(t, release, store == "redis", out)
				compareVerdicts(t, r, litellm1823())
				t.Logf("%s %s: %+v; the history is in %s", r.Target.Name, r.Target.Version, r.Summary, out)
			})
		}
	}
}

func runAgainst(t *testing.T, release *lab.Release, redis bool, out string) reports.Report {
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
	return judged(t, instance.URL(), "--key-template", lab.KeyTemplate, "--provider-listen", provider, "--window", window.String(), "--out", out)
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

func compareVerdicts(t *testing.T, r reports.Report, want map[string]checker.Verdict) {
	t.Helper()
	got := map[string]bool{}
	for _, result := range r.Results {
		got[result.Requirement] = true
		if result.Verdict != want[result.Requirement] {
			t.Errorf("%s: %s, want %s: %s (expected %s; observed %s; attempts %v)", result.Requirement, result.Verdict,
				want[result.Requirement], result.Message, result.Expected, result.Observed, result.Attempts)
		}
	}
	for id := range want {
		if !got[id] {
			t.Errorf("%s was not judged", id)
		}
	}
}
