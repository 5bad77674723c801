package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/sim/faults"
)

// TestDetectionTable holds docs/detection.md to what the checker finds.
func TestDetectionTable(t *testing.T) {
	if few() {
		t.Skip("RATECHECK_FEW_SEEDS is set: the table takes a whole run of each fault, which TestEachFaultIsCaughtByItsRequirement makes in part")
	}
	const path = root + "/docs/detection.md"
	var b strings.Builder
	b.WriteString(`# What is caught

Each way in which the embedded reference can be broken (` + "`ratecheck run --fault NAME`" + `), the requirement that must catch it, and all that are not kept with it at seed 1. A test holds this table to what is found; it is written by ` + "`go test ./cmd/ratecheck -run TestDetectionTable -update`" + `.

| fault | what it does | breaks | not kept |
|---|---|---|---|
`)
	for _, f := range faults.Catalogue() {
		var found []string
		for _, result := range judged(t, faultArgs(f)...).Results {
			told := strings.TrimSuffix(string(result.Verdict)+" "+result.Requirement+"@"+result.Endpoint, "@")
			// Once, whatever scenarios ask it.
			if result.Verdict != checker.Pass && !slices.Contains(found, told) {
				found = append(found, told)
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
