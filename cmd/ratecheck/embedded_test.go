package main

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/scenarios"
	"github.com/ratecheck/ratecheck/sim/faults"
	"github.com/ratecheck/ratecheck/sim/sound"
)

// judged runs the program in this process and returns its report.
func judged(t testing.TB, args ...string) reports.Report {
	t.Helper()
	return judgedIn(t, "", args...)
}

// judgedIn does so with a folder of the lab; "" is none.
func judgedIn(t testing.TB, labFolder string, args ...string) reports.Report {
	t.Helper()
	var out, diagnostics bytes.Buffer
	a := testApp(&out)
	a.stderr = &diagnostics
	if labFolder != "" {
		a.getenv = func(name string) string { return map[string]string{labVariable: labFolder}[name] }
	}
	code := a.main(append([]string{"run", "--format", "json"}, args...))
	report, err := reports.Parse(&out)
	if err != nil {
		t.Fatalf("ratecheck run %v exited with %d: %v\n%s", args, code, err, diagnostics.String())
	}
	if report.Exit != code {
		t.Errorf("ratecheck run %v exited with %d and its report says %d", args, code, report.Exit)
	}
	return report
}

// accused is a requirement with the endpoint that it was asked of.
type accused struct{ requirement, endpoint string }

// wrong lists the requirements with a FAIL or a WARN.
func wrong(r reports.Report) []accused {
	var list []accused
	for _, result := range r.Results {
		if result.Verdict == checker.Fail || result.Verdict == checker.Warn || result.Verdict == checker.Error {
			list = append(list, accused{result.Requirement, cmp.Or(result.Endpoint, history.Chat)})
		}
	}
	return list
}

// faultArgs are the arguments of a run that is to catch a fault.
func faultArgs(f faults.Fault, more ...string) []string {
	args := append([]string{"--fault", f.Name}, more...)
	if f.Flag != "" {
		args = append(args, f.Flag)
	}
	return args
}

// seedsOf is how many seeds a test tries: so many, or one where
// RATECHECK_FEW_SEEDS is set, as for the race detector, under which they take ten
// times as long and show nothing else.
func seedsOf(usual int) int {
	if few() {
		return 1
	}
	return usual
}

func few() bool { return os.Getenv("RATECHECK_FEW_SEEDS") != "" }

// someOf is the whole list, or a few of it where RATECHECK_FEW_SEEDS is set.
func someOf[T any](list []T) []T {
	if !few() {
		return list
	}
	const atMost = 4
	step := (len(list) + atMost - 1) / atMost
	var some []T
	for i := 0; i < len(list); i += step {
		some = append(some, list[i])
	}
	return some
}

// TestEachFaultIsCaughtByItsRequirement is what the checker is worth: each fault
// breaks its requirement, and no other but what the table of implications
// allows. A fault of some endpoints is caught on each, and accuses no other.
func TestEachFaultIsCaughtByItsRequirement(t *testing.T) {
	for _, fault := range faults.Catalogue() {
		t.Run(fault.Name, func(t *testing.T) {
			t.Parallel()
			for seed := range seedsOf(3) {
				args := faultArgs(fault, "--seed", strconv.Itoa(seed+1))
				if few() { // what it breaks, and what tells the limiter's class
					args = append(args, "--only", fault.Breaks+",requests/limit-kept,tokens/limit-kept")
				}
				got := wrong(judged(t, args...))
				if !slices.ContainsFunc(got, func(a accused) bool { return a.requirement == fault.Breaks }) {
					t.Errorf("seed %d: %s was not caught; caught were %v", seed+1, fault.Breaks, got)
				}
				for _, endpoint := range fault.Endpoints {
					if !slices.Contains(got, accused{fault.Breaks, endpoint}) {
						t.Errorf("seed %d: %s was not caught on %s; caught were %v", seed+1, fault.Breaks, endpoint, got)
					}
				}
				for _, a := range got {
					if a.requirement != fault.Breaks && !slices.Contains(checker.Implications()[fault.Breaks], a.requirement) {
						t.Errorf("seed %d: %s was accused on %s, and only %s is broken", seed+1, a.requirement, a.endpoint, fault.Breaks)
					}
					if len(fault.Endpoints) > 0 && !slices.Contains(fault.Endpoints, a.endpoint) {
						t.Errorf("seed %d: %s was accused on %s, and only %v are broken", seed+1, a.requirement, a.endpoint, fault.Endpoints)
					}
				}
			}
		})
	}
}

// TestEachRequirementHasAFault: a requirement whose breach was never caught is a
// sentence, not a check.
func TestEachRequirementHasAFault(t *testing.T) {
	var ids, broken, asked []string
	for _, r := range checker.Catalogue() {
		ids = append(ids, r.ID)
	}
	for _, f := range faults.Catalogue() {
		broken = append(broken, f.Breaks)
	}
	for _, s := range append(scenarios.Catalogue(), scenarios.OptIns()...) {
		asked = append(asked, s.Asks...)
	}
	for _, id := range ids {
		if !slices.Contains(broken, id) {
			t.Errorf("no fault breaks %s", id)
		}
		if !slices.Contains(asked, id) {
			t.Errorf("no scenario asks %s", id)
		}
	}
	for _, id := range append(broken, asked...) {
		if !slices.Contains(ids, id) {
			t.Errorf("there is no requirement %s", id)
		}
	}
	for id, implied := range checker.Implications() {
		for _, other := range append(implied, id) {
			if !slices.Contains(ids, other) {
				t.Errorf("the table of implications names %s, and there is no such requirement", other)
			}
		}
	}
}

// TestSoundInEverySeed: 50 interleavings, and fewer on a short window, each
// twice with the same history.
func TestSoundInEverySeed(t *testing.T) {
	for window, seeds := range map[time.Duration]int{time.Minute: 50, 5 * time.Second: 10} {
		t.Run(window.String(), func(t *testing.T) {
			t.Parallel()
			for i := range seedsOf(seeds) {
				seed := uint64(i) + 1
				f := runFlags{seed: seed, window: window, model: "m"}
				recorded := recordedWith(t, f, nil)
				if again := recordedWith(t, f, nil); !bytes.Equal(recorded, again) {
					t.Fatalf("seed %d gave two histories", seed)
				}
				h, err := history.Read(bytes.NewReader(recorded))
				if err != nil {
					t.Fatal(err)
				}
				if r := reports.New(h, "", ""); r.Summary.Pass != asked() || r.Exit != reports.ExitKept {
					t.Errorf("seed %d: %+v, not passed: %v", seed, r.Summary, notPassed(r))
				}
			}
		})
	}
}

// TestManyKeysAreSound: the opt-in run passes on everything too, its plan is a
// bound, and what it adds is played alone and last.
func TestManyKeysAreSound(t *testing.T) {
	for _, window := range []time.Duration{time.Minute, 5 * time.Second} {
		for seed := uint64(1); seed <= 3; seed++ {
			h := playWith(t, runFlags{seed: seed, window: window, model: "m", manyKeys: true}, nil)
			if r := reports.New(h, "", ""); r.Summary.Pass != asked()+1 {
				t.Errorf("seed %d, window %s: %+v, not passed: %v", seed, window, r.Summary, notPassed(r))
			}
			var first, others time.Duration
			keys, attempts := 0, 0
			plan := scenarios.OptIns()[0]
			for _, k := range h.Keys {
				if k.Scenario == plan.Name {
					keys++
				}
			}
			for _, a := range h.Attempts {
				if a.Scenario != plan.Name {
					others = max(others, a.Done)
					continue
				}
				if attempts++; attempts == 1 {
					first = a.Sent
				}
			}
			if keys != plan.Plan.Keys || attempts > plan.Plan.Requests || keys < scenarios.ManyKeys {
				t.Errorf("%d keys and %d requests, planned are %+v", keys, attempts, plan.Plan)
			}
			if first < others {
				t.Errorf("it began at %s, and others were under way until %s", first, others)
			}
		}
	}
}

// TestManyKeysAccuseNothingSound: on every class of limiter the old, the last and
// the new key are limited.
func TestManyKeysAccuseNothingSound(t *testing.T) {
	for _, limiter := range someOf(sound.Catalogue()) {
		for _, window := range []time.Duration{time.Minute, 5 * time.Second} {
			for seed := uint64(1); seed <= uint64(seedsOf(2)); seed++ {
				f := runFlags{seed: seed, window: window, model: "m", manyKeys: true, only: []string{"isolation/many-keys", "requests/limit-kept"}}
				if r := reports.New(playWith(t, f, limiter.Apply), "", ""); len(wrong(r)) > 0 {
					t.Errorf("%s, seed %d, window %s: %v", limiter.Name, seed, window, notPassed(r))
				}
			}
		}
	}
}

// asked is how many results the default run has: a requirement may be asked by
// several scenarios.
func asked() int {
	n := 0
	for _, s := range scenarios.Catalogue() {
		n += len(s.Asks)
	}
	return n
}

func notPassed(r reports.Report) []string {
	var list []string
	for _, result := range r.Results {
		if result.Verdict != checker.Pass {
			list = append(list, result.Requirement+": "+string(result.Verdict)+": "+result.Message)
		}
	}
	return list
}

// BenchmarkEmbeddedRun is the whole check on virtual time, judged and rendered;
// it is held to one second.
func BenchmarkEmbeddedRun(b *testing.B) {
	for b.Loop() {
		a := &app{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }, isTerminal: func(any) bool { return false }}
		if code := a.main([]string{"run"}); code != reports.ExitKept {
			b.Fatalf("exited with %d", code)
		}
	}
}
