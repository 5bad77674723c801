package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/sim/faults"
)

// TestDetectionTable holds docs/detection.md to what the checker finds.
func TestDetectionTable(t *testing.T) {
	const path = root + "/docs/detection.md"
	var b strings.Builder
	b.WriteString(`# What is caught

Each way in which the embedded reference can be broken (` + "`ratecheck run --fault NAME`" + `), the requirement that must catch it, and all that are not kept with it at seed 1. A test holds this table to what is found; it is written by ` + "`go test ./cmd/ratecheck -run TestDetectionTable -update`" + `.

| fault | what it does | breaks | not kept |
|---|---|---|---|
`)
	for _, f := range faults.Catalogue() {
		var found []string
		for _, result := range judged(t, "--fault", f.Name).Results {
			if v := string(result.Verdict); v != "PASS" {
				found = append(found, strings.TrimSuffix(v+" "+result.Requirement+" on "+result.Endpoint, " on "))
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s |\n", f.Name, f.Sentence, f.Breaks, strings.Join(found, ", "))
	}
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(readFile(t, path)), b.String()); d != "" {
		t.Errorf("docs/detection.md says (-) what is not found (+); write it again with -update:\n%s", d)
	}
}
