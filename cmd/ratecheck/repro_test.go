package main

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/repro"
)

// TestReproIsTold: the story that most people come for, as it is printed.
func TestReproIsTold(t *testing.T) {
	for format, path := range map[string]string{
		formatText: "testdata/repro-litellm-24677.golden", formatMarkdown: "testdata/repro-litellm-24677.md",
	} {
		got := reproOutput(t, "litellm-24677", "--format", format)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(string(readFile(t, path)), string(got)); d != "" {
			t.Errorf("%s says (-) what is not printed (+); -update writes it:\n%s", path, d)
		}
	}
}

func reproOutput(t *testing.T, args ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	if code := testApp(&out).main(append([]string{"repro"}, args...)); code != reports.ExitKept {
		t.Fatalf("ratecheck repro %v exited with %d:\n%s", args, code, out.String())
	}
	return out.Bytes()
}

// TestEachReproIsTold on what it names itself, in every format, the controls as
// they are to be.
func TestEachReproIsTold(t *testing.T) {
	for _, r := range repro.Catalogue() {
		var story repro.Story
		if err := json.Unmarshal(reproOutput(t, r.ID, "--format", formatJSON), &story); err != nil {
			t.Fatal(err)
		}
		if story.Finding.Outcome != repro.Reproduced || story.Reference.Outcome != repro.NotReproduced {
			t.Errorf("%s: %+v, on the reference %+v", r.ID, story.Finding, story.Reference)
		}
		for _, c := range story.Controls {
			if !c.Wanted {
				t.Errorf("%s: %s: %+v", r.ID, c.Name, c.Finding)
			}
		}
		if len(story.Timeline) == 0 || story.Timeline[0].At != 0 || story.Timeline[0].Counter == nil {
			t.Errorf("%s: the timeline is %+v", r.ID, story.Timeline)
		}
		reproOutput(t, r.ID, "--format", formatMarkdown)
		reproOutput(t, r.ID)
	}
}

// BenchmarkRepro is one story with its controls and all models; it is held to
// one second.
func BenchmarkRepro(b *testing.B) {
	for b.Loop() {
		var out bytes.Buffer
		if code := testApp(&out).main([]string{"repro", "litellm-24677"}); code != reports.ExitKept {
			b.Fatalf("exited with %d", code)
		}
	}
}
