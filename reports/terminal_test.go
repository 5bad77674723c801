package reports

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares what was written with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (write it anew with -update): -want +got\n%s", path, diff)
	}
}

func rendered(t *testing.T, h *history.History, color bool) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Terminal(&out, New(h, "http://127.0.0.1:4000", "ratecheck run http://127.0.0.1:4000 --window 5s"), h, color); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestTerminal(t *testing.T) {
	for name, h := range map[string]*history.History{
		"kept": kept(), "broken": broken(), "interrupted": interrupted(), "torn": torn(), "empty": {}, "others": others(),
	} {
		t.Run(name, func(t *testing.T) { golden(t, name+".txt", rendered(t, h, false)) })
	}
	t.Run("colour", func(t *testing.T) { golden(t, "broken.ansi.txt", rendered(t, broken(), true)) })
}

// What is coloured is the same text.
func TestColourAddsNothingElse(t *testing.T) {
	codes := regexp.MustCompile("\x1b\\[[0-9;]*m")
	plain, coloured := rendered(t, broken(), false), rendered(t, broken(), true)
	if bytes.ContainsRune(plain, '\x1b') {
		t.Error("there are escape codes without colour")
	}
	if !bytes.ContainsRune(coloured, '\x1b') {
		t.Error("there is no colour")
	}
	if diff := cmp.Diff(string(plain), codes.ReplaceAllString(string(coloured), "")); diff != "" {
		t.Errorf("-plain +coloured\n%s", diff)
	}
}

// Every FAIL tells all that a maintainer needs.
func TestFailureTellsAll(t *testing.T) {
	h := broken()
	report := New(h, "", "")
	text := string(rendered(t, h, false))
	failures := 0
	for _, r := range report.Results {
		if r.Verdict != checker.Fail {
			continue
		}
		failures++
		at := strings.Index(text, "\nFAIL "+r.Requirement+" ")
		if at < 0 {
			t.Fatalf("no FAIL on %s in\n%s", r.Requirement, text)
		}
		block := text[at+1:]
		if end := strings.Index(block, "\n\n"); end >= 0 {
			block = block[:end]
		}
		words := strings.Join(strings.Fields(block), " ")
		for _, want := range []string{r.Sentence, r.Source, r.Message, r.Expected, r.Observed, "--only " + r.Requirement} {
			for _, part := range parts(want) {
				if !strings.Contains(words, strings.Join(strings.Fields(part), " ")) {
					t.Errorf("the FAIL on %s does not tell %q:\n%s", r.Requirement, part, block)
				}
			}
		}
		for _, name := range []string{"sentence", "source", "seen", "expected", "observed", "attempts", "reproduce"} {
			if !strings.Contains(block, "\n  "+name) {
				t.Errorf("the FAIL on %s has no %s", r.Requirement, name)
			}
		}
	}
	if failures < 2 {
		t.Fatalf("%d failures in the history, it is to have more", failures)
	}
}

func TestManyAttemptsAreShownByAFew(t *testing.T) {
	h := broken()
	r := New(h, "", "")
	ids := make([]int, 20)
	for i := range ids {
		ids[i] = i + 1
	}
	r.Results[0].Attempts = append(ids, 99_999)
	var out bytes.Buffer
	if err := Terminal(&out, r, h, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "\n    and 9 more\n") {
		t.Errorf("it is not said how many are left out:\n%s", out.String())
	}
}

// What a target answers must not steer the terminal of who reads the report.
func TestControlCharactersAreShown(t *testing.T) {
	h := broken()
	for i := range h.Attempts {
		a := &h.Attempts[i]
		a.Excerpt, a.ErrorText = "\x1b[2Jgone\r\x07", "\x1b]0;title\x07"
		if a.Header == nil {
			a.Header = map[string]string{}
		}
		a.Header["retry-after"] = "\x1b[31m5"
	}
	if text := rendered(t, h, false); bytes.ContainsAny(text, "\x1b\x07\r") {
		t.Errorf("control characters reach the terminal:\n%q", text)
	}
}

func TestNoLineEndsInBlanks(t *testing.T) {
	for _, h := range []*history.History{kept(), broken(), interrupted(), torn()} {
		for _, color := range []bool{false, true} {
			for line := range strings.SplitSeq(string(rendered(t, h, color)), "\n") {
				if line != strings.TrimRight(line, " \t\r") {
					t.Errorf("%q ends in blanks", line)
				}
			}
		}
	}
}

// fullDisk takes so many bytes and fails.
type fullDisk struct{ left int }

var errFull = errors.New("no space left on device")

func (w *fullDisk) Write(b []byte) (int, error) {
	if len(b) > w.left {
		return w.left, errFull
	}
	w.left -= len(b)
	return len(b), nil
}

func TestWriteErrorsComeBack(t *testing.T) {
	h := broken()
	r := New(h, "", "")
	var out bytes.Buffer
	if err := Terminal(&out, r, h, false); err != nil {
		t.Fatal(err)
	}
	whole := out.Len()
	for room := 0; room < whole; room += 97 {
		if err := Terminal(&fullDisk{left: room}, r, h, false); !errors.Is(err, errFull) {
			t.Fatalf("with room for %d of %d bytes: %v", room, whole, err)
		}
	}
	if err := JSON(&fullDisk{left: 10}, r); !errors.Is(err, errFull) {
		t.Errorf("JSON: %v", err)
	}
}

func TestWrapped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.StringMatching(`[a-zé/=']{1,30}`)).Draw(t, "words")
		width := rapid.IntRange(1, 40).Draw(t, "width")
		lines := wrapped(strings.Join(words, " "), width)
		for i, line := range lines {
			if utf8.RuneCountInString(line) > width && strings.Contains(line, " ") {
				t.Fatalf("%q is wider than %d", line, width)
			}
			// No line is shorter than it need be.
			if i+1 < len(lines) {
				next, _, _ := strings.Cut(lines[i+1], " ")
				if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(next) <= width {
					t.Fatalf("%q had room for %q", line, next)
				}
			}
		}
		if got := strings.Fields(strings.Join(lines, " ")); !slices.Equal(got, words) {
			t.Fatalf("%q became %q", words, got)
		}
	})
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	long := strings.TrimSpace(strings.Repeat("word ", 30))
	if err := Table(&out, []string{"a", "b"}, [][]string{{"x", "one\ntwo"}, {"longer", long}}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if want := []string{"a       b", "x       one", "        two"}; !slices.Equal(lines[:3], want) {
		t.Errorf("%q, want %q", lines[:3], want)
	}
	for _, line := range lines[3:] {
		if text := strings.TrimSpace(strings.TrimPrefix(line, "longer")); utf8.RuneCountInString(text) > columnWidth {
			t.Errorf("%q is wider than %d", text, columnWidth)
		}
	}
	if got := strings.Count(out.String(), "word"); got != 30 {
		t.Errorf("%d words, want 30", got)
	}
}
