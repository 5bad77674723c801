package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
)

// writes keeps each Write apart.
type writes struct{ all []string }

func (w *writes) Write(p []byte) (int, error) {
	w.all = append(w.all, string(p))
	return len(p), nil
}

func TestWriterWritesOneWholeLineAtATime(t *testing.T) {
	var to writes
	if err := record(NewWriter(&to), smallHistory()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(to.all, ""); got != smallFile {
		t.Errorf("Writer and Write differ:\n%s", got)
	}
	for _, w := range to.all {
		if strings.Count(w, "\n") != 1 || !strings.HasSuffix(w, "\n") {
			t.Errorf("one Write of %q", w)
		}
	}
}

// record writes h as a run does, and goes on after an error.
func record(w *Writer, h *History) error {
	errs := []error{w.Run(h.Run)}
	for _, k := range h.Keys {
		errs = append(errs, w.Key(k))
	}
	for _, a := range h.Attempts {
		errs = append(errs, w.Attempt(a))
	}
	for _, c := range h.Calls {
		errs = append(errs, w.Call(c))
	}
	for _, e := range h.Ends {
		errs = append(errs, w.End(e))
	}
	return errors.Join(errs...)
}

// writeWhole writes a whole history: its run record, then its keys, attempts,
// calls and ends, each in the order in which h has them. Unlike a Writer it
// writes in large pieces.
func writeWhole(w io.Writer, h *History) error {
	buf := bufio.NewWriterSize(w, blockSize)
	if err := record(NewWriter(buf), h); err != nil {
		return err
	}
	return buf.Flush()
}

func TestConcurrentRecordsAreWholeLines(t *testing.T) {
	const hands, each = 8, 200
	var file bytes.Buffer
	w := NewWriter(&file)
	if err := w.Run(Run{Schema: Schema}); err != nil {
		t.Fatal(err)
	}
	if err := w.Key(Key{Alias: "k3"}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for hand := range hands {
		wg.Go(func() {
			for i := range each {
				id := 1 + i*hands + hand
				if err := w.Attempt(typicalAttempt(id)); err != nil {
					t.Error(err)
				}
				if err := w.Call(Call{ID: id}); err != nil {
					t.Error(err)
				}
			}
			if err := w.End(End{Scenario: fmt.Sprint(hand)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	h, err := Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Attempts) != hands*each || len(h.Calls) != hands*each || len(h.Ends) != hands {
		t.Errorf("%d attempts, %d calls, %d ends", len(h.Attempts), len(h.Calls), len(h.Ends))
	}
	for i, a := range h.Attempts {
		if a.ID != i+1 || h.Calls[i].ID != i+1 {
			t.Fatalf("place %d has attempt %d and call %d", i, a.ID, h.Calls[i].ID)
		}
	}
}

var errFull = errors.New("no space left on device")

// bounded takes so many bytes and then fails; it is quiet about it when short.
type bounded struct {
	room  int
	quiet bool
	taken bytes.Buffer
}

func (b *bounded) Write(p []byte) (int, error) {
	n := min(b.room, len(p))
	b.room -= n
	b.taken.Write(p[:n])
	if n < len(p) && !b.quiet {
		return n, errFull
	}
	return n, nil
}

func TestFirstWriteErrorSticks(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		cause := errFull
		if quiet {
			cause = io.ErrShortWrite
		}
		for room := range len(smallFile) {
			to := &bounded{room: room, quiet: quiet}
			w := NewWriter(to)
			err := record(w, smallHistory())
			if !errors.Is(err, cause) || w.err == nil {
				t.Fatalf("room for %d bytes, quiet %v: %v", room, quiet, err)
			}
			if to.taken.String() != smallFile[:room] {
				t.Fatalf("room for %d bytes: the file does not end where it broke off", room)
			}
			to.room = len(smallFile)
			for _, again := range []error{w.Run(Run{Schema: Schema}), w.End(End{})} {
				if again == nil || again != w.err || !errors.Is(again, cause) || to.taken.Len() != room {
					t.Fatalf("room for %d bytes: written after an error, %v", room, again)
				}
			}
		}
	}
}

func TestWriteErrorsTellWhatWasBeingWritten(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	run := func(w *Writer) error { return w.Run(Run{Schema: Schema}) }
	for name, c := range map[string]struct {
		before, do func(*Writer) error
		room       int
		want       string
	}{
		"run":          {do: run, want: "writing the run record: 0 of"},
		"key":          {before: run, do: func(w *Writer) error { return w.Key(Key{Alias: "k7"}) }, want: `writing key "k7": 0 of`},
		"attempt":      {before: run, do: func(w *Writer) error { return w.Attempt(Attempt{ID: 71}) }, want: "writing attempt 71: 0 of"},
		"call":         {before: run, do: func(w *Writer) error { return w.Call(Call{ID: 72}) }, want: "writing call 72: 0 of"},
		"end":          {before: run, do: func(w *Writer) error { return w.End(End{Scenario: "s"}) }, want: `writing the end of scenario "s": 0 of`},
		"long":         {before: run, do: func(w *Writer) error { return w.Attempt(Attempt{ID: 9, Excerpt: long}) }, room: 2 * MaxLine, want: "writing attempt 9: its line has"},
		"two runs":     {before: run, do: run, room: 1000, want: "has one already"},
		"wrong schema": {do: func(w *Writer) error { return w.Run(Run{Schema: "v0"}) }, room: 1000, want: `its schema is "v0"`},
		"no run":       {do: func(w *Writer) error { return w.Call(Call{ID: 3}) }, room: 1000, want: "writing call 3: the run record is not written yet"},
	} {
		t.Run(name, func(t *testing.T) {
			to := &bounded{room: 1000}
			w := NewWriter(to)
			if c.before != nil {
				if err := c.before(w); err != nil {
					t.Fatal(err)
				}
			}
			to.room = c.room
			had := to.taken.Len()
			err := c.do(w)
			if err == nil || !strings.Contains(err.Error(), c.want) || w.err != err {
				t.Errorf("got %v, want ... %s ...", err, c.want)
			}
			if to.taken.Len() != had {
				t.Errorf("%q was written", to.taken.String()[had:])
			}
			to.room = 1000
			for _, again := range []error{w.Key(Key{}), run(w)} {
				if again != err {
					t.Errorf("a later call returns %v", again)
				}
			}
		})
	}
}
