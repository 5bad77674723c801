package history

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// blockSize is how many bytes are read at a time: large enough that the system
// calls are lost among the decoding, small enough to be no matter.
const blockSize = 64 << 10

const byteOrderMark = "\xef\xbb\xbf"

var errTooLong = errors.New("line too long")

// Read reads a whole history. Attempts and Calls are sorted by ID, since they
// are written as they finish; Keys and Ends keep the order of the file. Empty
// lists and empty headers are nil.
//
// What was cut off while it was being written is recovered: a last line that has
// no line end and is no whole JSON value is left out, and Torn is its length in
// bytes. A whole record that merely lacks its line end is taken.
//
// Read is strict on what a verdict rests on. The first record is the one run
// record, with Schema as its schema; kinds are known; member names are exact in
// case and stand once; IDs of attempts are unique and above 0; an attempt is
// not done before it was sent; its key was told by an earlier record. Whatever
// breaks this is a *SyntaxError. It is lenient on members it does not know, so
// that a later release can add some, and tolerates a byte order mark, CRLF line
// ends and blank lines. A line is at most MaxLine bytes.
//
// An error of r is returned wrapped. With an error there is no history.
func Read(r io.Reader) (*History, error) {
	lines := lineReader{r: bufio.NewReaderSize(r, blockSize)}
	if err := lines.skip(byteOrderMark); err != nil {
		return nil, fmt.Errorf("history: reading its first bytes: %w", err)
	}
	rec := newRecorder()
	for n := 1; ; n++ {
		raw, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return rec.finish(n)
		case errors.Is(err, errTooLong):
			return nil, &SyntaxError{Line: n, Reason: fmt.Sprintf("the line is longer than %d bytes", MaxLine), advice: adviseNotOurs}
		case err != nil:
			return nil, fmt.Errorf("history: reading line %d: %w", n, err)
		}
		line := bytes.Trim(raw, " \t\r\n")
		if len(line) == 0 {
			continue
		}
		if raw[len(raw)-1] != '\n' && !whole(line) {
			rec.h.Torn = len(raw)
			return rec.finish(n)
		}
		if serr := rec.take(line, n); serr != nil {
			return nil, serr
		}
	}
}

// whole tells whether line is a complete JSON value. No proper beginning of a
// JSON object is one, so a line that is whole was not cut off, whatever else is
// wrong with it.
func whole(line []byte) bool {
	return jsontext.Value(line).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

func (rec *recorder) finish(line int) (*History, error) {
	if !rec.begun {
		err := &SyntaxError{Line: 1, Reason: "the history is empty", Err: io.ErrUnexpectedEOF, advice: adviseRerun}
		if rec.h.Torn > 0 {
			err.Line, err.Reason = line, "the history ends before its run record is whole"
		}
		return nil, err
	}
	slices.SortFunc(rec.h.Attempts, func(a, b Attempt) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortStableFunc(rec.h.Calls, func(a, b Call) int { return cmp.Compare(a.ID, b.ID) })
	return rec.h, nil
}

// lineReader cuts a stream into lines.
type lineReader struct {
	r    *bufio.Reader
	long []byte
}

// skip passes over prefix if the stream begins with it.
func (l *lineReader) skip(prefix string) error {
	begin, err := l.r.Peek(len(prefix))
	if err == nil && string(begin) == prefix {
		_, err = l.r.Discard(len(prefix))
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// next returns the next line with its line end, which only the last may lack.
// The line is good until the next call.
func (l *lineReader) next() ([]byte, error) {
	l.long = l.long[:0]
	for {
		chunk, err := l.r.ReadSlice('\n')
		if err == nil && len(l.long) == 0 {
			return chunk, nil
		}
		if len(l.long)+len(chunk) > MaxLine {
			return nil, errTooLong
		}
		l.long = append(l.long, chunk...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(l.long) == 0:
			return nil, io.EOF
		case err == nil || errors.Is(err, io.EOF):
			return l.long, nil
		default:
			return nil, err
		}
	}
}
