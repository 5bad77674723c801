package history

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// drawHistory draws a history that keeps the rules of Read, its attempts and
// calls in the order of their IDs.
func drawHistory(t *rapid.T) *History {
	h := &History{
		Run:      rapid.Make[Run]().Draw(t, "run"),
		Keys:     rapid.SliceOfN(rapid.Make[Key](), 1, 4).Draw(t, "keys"),
		Attempts: rapid.SliceOf(rapid.Make[Attempt]()).Draw(t, "attempts"),
		Calls:    rapid.SliceOf(rapid.Make[Call]()).Draw(t, "calls"),
		Ends:     rapid.SliceOf(rapid.Make[End]()).Draw(t, "ends"),
	}
	h.Run.Schema = Schema
	id := 0
	for i := range h.Attempts {
		a := &h.Attempts[i]
		id += rapid.IntRange(1, 3).Draw(t, "gap")
		a.ID = id
		a.Key = rapid.SampledFrom(h.Keys).Draw(t, "key").Alias
		a.Sent, a.Done = min(a.Sent, a.Done), max(a.Sent, a.Done)
	}
	slices.SortStableFunc(h.Calls, func(a, b Call) int { return cmp.Compare(a.ID, b.ID) })
	return h
}

func TestReadGivesWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		var file bytes.Buffer
		if err := writeWhole(&file, h); err != nil {
			t.Fatal(err)
		}
		got, err := Read(bytes.NewReader(file.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(h, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("written (-), read (+):\n%s", d)
		}
		var again bytes.Buffer
		if err := writeWhole(&again, got); err != nil || !bytes.Equal(file.Bytes(), again.Bytes()) {
			t.Fatalf("equal histories, other bytes (%v):\n%s\n%s", err, file.Bytes(), again.Bytes())
		}
	})
}

func TestReadSortsWhatIsWrittenAsItFinishes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		mixed := *h
		mixed.Attempts = rapid.Permutation(h.Attempts).Draw(t, "finished")
		for i := range h.Calls {
			h.Calls[i].ID = i
		}
		mixed.Calls = rapid.Permutation(h.Calls).Draw(t, "ended")
		var file bytes.Buffer
		if err := writeWhole(&file, &mixed); err != nil {
			t.Fatal(err)
		}
		got, err := Read(&file)
		if err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(h, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("sorted (-), read (+):\n%s", d)
		}
	})
}

// TestTornAtEveryByte cuts a file where a kill can cut it.
func TestTornAtEveryByte(t *testing.T) {
	lines := strings.SplitAfter(smallFile, "\n")
	lines = lines[:len(lines)-1]
	for cut := range len(smallFile) + 1 {
		whole, torn := 0, cut
		for whole < len(lines) && torn >= len(lines[whole]) {
			torn -= len(lines[whole])
			whole++
		}
		if whole < len(lines) && torn == len(lines[whole])-1 {
			// Only the line end is missing.
			whole, torn = whole+1, 0
		}
		got, err := Read(strings.NewReader(smallFile[:cut]))
		if whole == 0 {
			var serr *SyntaxError
			if !errors.As(err, &serr) || serr.Line != 1 || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		want, err := Read(strings.NewReader(strings.Join(lines[:whole], "")))
		if err != nil {
			t.Fatal(err)
		}
		if n := 1 + len(want.Keys) + len(want.Attempts) + len(want.Calls) + len(want.Ends); n != whole {
			t.Fatalf("%d lines gave %d records", whole, n)
		}
		want.Torn = torn
		if d := gocmp.Diff(want, got); d != "" {
			t.Fatalf("cut at %d: want (-), got (+):\n%s", cut, d)
		}
	}
}

func TestReadTolerates(t *testing.T) {
	want, err := Read(strings.NewReader(smallFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{
		"CRLF":              strings.ReplaceAll(smallFile, "\n", "\r\n"),
		"CRLF, last LF cut": strings.TrimSuffix(strings.ReplaceAll(smallFile, "\n", "\r\n"), "\n"),
		"byte order mark":   "\ufeff" + smallFile,
		"blank lines":       "\n \t\r\n" + strings.ReplaceAll(smallFile, "\n", "\n\n") + "  ",
		"unknown members":   strings.ReplaceAll(smallFile, `,"scenario":`, `,"since_v1_1":{"a":[1,null]},"scenario":`),
		"indented members":  strings.ReplaceAll(smallFile, `{"kind":`, ` { "kind" : `),
		"kind not first":    strings.Replace(smallFile, `{"kind":"key","key":"k1"`, `{"key":"k1","kind":"key"`, 1),
		"escaped kind":      strings.Replace(smallFile, `"kind":"key"`, `"k\u0069nd":"k\u0065y"`, 1),
		"null for empty":    strings.Replace(smallFile, `"asks":[]`, `"asks":null`, 1),
		"empty for nil":     strings.Replace(smallFile, `"key":"k2","endpoint"`, `"key":"k2","asks":[],"header":{},"endpoint"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			if file == smallFile {
				t.Fatal("the case changes nothing")
			}
			for _, r := range []io.Reader{strings.NewReader(file), iotest.OneByteReader(strings.NewReader(file)), iotest.DataErrReader(strings.NewReader(file))} {
				got, err := Read(r)
				if err != nil {
					t.Fatal(err)
				}
				if d := gocmp.Diff(want, got); d != "" {
					t.Errorf("want (-), got (+):\n%s", d)
				}
			}
		})
	}
}

func TestReadGivesNilForEmptyLists(t *testing.T) {
	h, err := Read(strings.NewReader(`{"kind":"run","schema":"` + Schema + `","planned":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(&History{Run: Run{Schema: Schema}}, h); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
}

// failsOnce is a reader that tells its error a single time.
type failsOnce struct{ err error }

func (f *failsOnce) Read([]byte) (int, error) {
	err := f.err
	f.err = io.EOF
	return 0, err
}

func TestReaderErrorIsTold(t *testing.T) {
	broken := errors.New("input/output error")
	for _, at := range []int{0, 2, 100, len(smallFile)} {
		_, err := Read(io.MultiReader(strings.NewReader(smallFile[:at]), &failsOnce{broken}))
		var serr *SyntaxError
		if !errors.Is(err, broken) || errors.As(err, &serr) {
			t.Errorf("after %d bytes: %v", at, err)
		}
	}
}

// FuzzRead holds that Read never panics, and that what it takes is written and
// read again as the same history and the same bytes.
func FuzzRead(f *testing.F) {
	f.Add([]byte(smallFile))
	f.Add([]byte(smallFile[:len(smallFile)-20]))
	f.Add([]byte("\ufeff" + strings.ReplaceAll(smallFile, "\n", "\r\n")))
	for _, c := range brokenFiles() {
		f.Add([]byte(c.file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := Read(bytes.NewReader(file))
		if err != nil {
			if h != nil || err.Error() == "" {
				t.Fatalf("history %v beside error %q", h, err)
			}
			return
		}
		if h.Torn < 0 || h.Torn >= len(file) {
			t.Fatalf("%d bytes of %d are torn", h.Torn, len(file))
		}
		h.Torn = 0
		var first, second bytes.Buffer
		if err := writeWhole(&first, h); err != nil {
			t.Fatal(err)
		}
		again, err := Read(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatalf("%v\n%s", err, first.Bytes())
		}
		if d := gocmp.Diff(h, again); d != "" {
			t.Fatalf("read (-), written and read again (+):\n%s", d)
		}
		if err := writeWhole(&second, again); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatalf("other bytes (%v)", err)
		}
	})
}
