package history

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxLine is the longest line of a history, in bytes, its line end included. A
// reader must hold a line in memory, so a broken file must not be able to ask
// for more; a record with its headers and its excerpt is a few kilobytes.
const MaxLine = 16 << 20

// Writer writes records as they happen. Each record is one Write of one whole
// line, so a run that is killed loses at most the line that was being written.
//
// A Writer may be used by several goroutines at once. The first error sticks:
// the record it met and all later ones are not written, and every later call
// returns it, so that a full disk cannot leave a history with a gap in it.
//
// A Writer records what it is given: whether the attempts fit together is told
// by Read. It holds a history only to its form: the run record comes first,
// once, and in the version of Schema.
type Writer struct {
	mu      sync.Mutex
	w       io.Writer
	enc     encoder
	started bool
	err     error
}

// NewWriter returns a Writer on w. It does not buffer, and does not close w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Run writes the run record, which must be the first and the only one of its
// kind, with Schema as its schema.
func (w *Writer) Run(r Run) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err != nil:
	case w.started:
		w.err = errors.New("history: writing the run record: the history has one already; write it once, before all other records")
	case r.Schema != Schema:
		w.err = fmt.Errorf("history: writing the run record: its schema is %q and this writer writes %q alone; set Run.Schema to history.Schema", r.Schema, Schema)
	default:
		w.started = true
		r = r.told()
		w.put(runLine{kindRun, &r}, subject{kind: kindRun})
	}
	return w.err
}

// Key writes a key record. It must be written before the first attempt with
// that key, else Read refuses the history.
func (w *Writer) Key(k Key) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := (subject{kind: kindKey, name: k.Alias}); w.ready(s) {
		w.put(keyLine{kindKey, &k}, s)
	}
	return w.err
}

// Attempt writes an attempt record. Bytes of its texts that are not UTF-8 are
// written as U+FFFD.
func (w *Writer) Attempt(a Attempt) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := (subject{kind: kindAttempt, id: a.ID}); w.ready(s) {
		w.put(attemptLine{kindAttempt, &a}, s)
	}
	return w.err
}

// Call writes a ledger record.
func (w *Writer) Call(c Call) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := (subject{kind: kindCall, id: c.ID}); w.ready(s) {
		w.put(callLine{kindCall, &c}, s)
	}
	return w.err
}

// End writes the last record of a scenario.
func (w *Writer) End(e End) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := (subject{kind: kindEnd, name: e.Scenario}); w.ready(s) {
		w.put(endLine{kindEnd, &e}, s)
	}
	return w.err
}

func (w *Writer) ready(s subject) bool {
	if w.err == nil && !w.started {
		w.err = fmt.Errorf("history: writing %v: the run record is not written yet; write it first", s)
	}
	return w.err == nil
}

func (w *Writer) put(record any, s subject) {
	line, err := w.enc.encode(record)
	if err != nil {
		w.err = fmt.Errorf("history: writing %v: %w", s, err)
		return
	}
	if len(line) > MaxLine {
		w.err = fmt.Errorf("history: writing %v: its line has %d bytes and %d is the most a reader takes; cut its texts and headers before it is recorded", s, len(line), MaxLine)
		return
	}
	n, err := w.w.Write(line)
	if err == nil && n != len(line) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = fmt.Errorf("history: writing %v: %d of %d bytes were taken: %w; the history ends before this record: make room or choose another place, and run again", s, n, len(line), err)
	}
}

// subject is what an error says was being written. It is put into words only
// when there is an error.
type subject struct {
	kind string
	id   int
	name string
}

func (s subject) String() string {
	switch s.kind {
	case kindAttempt, kindCall:
		return fmt.Sprintf("%s %d", s.kind, s.id)
	case kindEnd:
		return fmt.Sprintf("the end of scenario %q", s.name)
	case kindKey:
		return fmt.Sprintf("key %q", s.name)
	}
	return "the run record"
}
