package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/ratecheck/ratecheck/lab"
	"github.com/ratecheck/ratecheck/reports"
)

// TestLiteLLMRepro plays the two defects that most people come for on the release
// that most threads name and on the newest reviewed one: the window key is mended
// there, and streams still carry no headers.
func TestLiteLLMRepro(t *testing.T) {
	dir := os.Getenv(labVariable)
	if dir == "" {
		t.Skipf("%s is not set: it names the folder into which real LiteLLM releases are installed", labVariable)
	}
	for _, test := range []struct {
		id, version string
		more        []string
		exit        int
	}{
		{"litellm-24677", "1.82.3", nil, reports.ExitKept},
		{"litellm-24677", "1.82.3", []string{"--redis"}, reports.ExitKept},
		{"litellm-24677", lab.NewestName, nil, exitNotShown},
		{"litellm-27748", "1.82.3", nil, reports.ExitKept},
		{"litellm-27748", lab.NewestName, nil, reports.ExitKept},
	} {
		t.Run(test.id+"/"+test.version, func(t *testing.T) {
			var out bytes.Buffer
			a := testApp(&out)
			a.stderr = t.Output()
			a.getenv = func(name string) string { return map[string]string{labVariable: dir}[name] }
			if code := a.main(append([]string{"repro", test.id, "--real", test.version}, test.more...)); code != test.exit {
				t.Errorf("exit %d, want %d:\n%s", code, test.exit, out.String())
			}
		})
	}
}
