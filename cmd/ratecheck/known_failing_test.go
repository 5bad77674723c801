package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reports"
)

// fixedClock stands still.
type fixedClock struct {
	clock.Clock
	now time.Time
}

func (c fixedClock) Now() time.Time { return c.now }

// TestKnownFailuresExpireByTheClock: an entry holds through its last day.
func TestKnownFailuresExpireByTheClock(t *testing.T) {
	list := filepath.Join(t.TempDir(), "known.txt")
	if err := os.WriteFile(list, []byte("drift/* until=2026-11-22 # ours\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lastDay := time.Date(2026, 11, 22, 23, 59, 59, 0, time.UTC)
	for now, want := range map[time.Time]int{lastDay: reports.ExitKept, lastDay.Add(time.Second): exitUsage} {
		var out, diagnostics bytes.Buffer
		a := testApp(&out)
		a.stderr, a.clock = &diagnostics, fixedClock{now: now}
		got := a.main([]string{"run", "--fault", "one-token-more", "--only", "drift/*", "--skip", "drift/steady-state", "--known-failing", list})
		if got != want {
			t.Errorf("at %s: exit %d, want %d: %s%s", now, got, want, out.String(), diagnostics.String())
		}
		if want == exitUsage && !strings.Contains(diagnostics.String(), list+":1: ") {
			t.Errorf("%q does not name file and line", diagnostics.String())
		}
	}
}

// TestDocumentedLists: the lists that the guide shows can be read on the day they
// were written.
func TestDocumentedLists(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```text\n(.*?)```").FindAllStringSubmatch(string(readFile(t, root+"/docs/gate-ci.md")), -1)
	if len(blocks) == 0 {
		t.Fatal("the guide shows no list")
	}
	written := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, block := range blocks {
		list, err := reports.ParseKnownFailures(strings.NewReader(block[1]), "docs/gate-ci.md", written)
		if err != nil || len(list.Entries) == 0 {
			t.Errorf("%d entries, %v:\n%s", len(list.Entries), err, block[1])
		}
	}
}
