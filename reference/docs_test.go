package reference_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestDocsNameTheTests: docs/reference.md names every test of a rule or a
// defect, and none that is not there.
func TestDocsNameTheTests(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "reference.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	there := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`(?m)^func (Test(?:Rule|Defect|Table|Law)\w+)\(t \*testing`).FindAllStringSubmatch(string(text), -1) {
			there[found[1]] = true
		}
	}
	named := map[string]bool{}
	for _, found := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(page), -1) {
		named[found[1]] = true
		if !there[found[1]] {
			t.Errorf("docs/reference.md names %s, which is not there", found[1])
		}
	}
	for test := range there {
		if !named[test] {
			t.Errorf("docs/reference.md does not name %s", test)
		}
	}
}
