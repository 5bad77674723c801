package driver

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// MaxEvent is the largest event of a stream that is read, in bytes, line ends
// not counted. Providers send whole images as one event; beyond this it is
// recorded as oversized.
const MaxEvent = 4 << 20

var (
	errEventTooLong = fmt.Errorf("an event is larger than %d bytes", MaxEvent)
	errWithinLine   = errors.New("the stream ended in the middle of a line")
)

// event is one event of a stream.
type event struct {
	name string
	data []byte // valid until the next event is read
}

// eventReader reads server-sent events as the HTML standard defines them
// (section 9.2.6), in time linear in their length however they are cut into
// packets, and tells a stream that ends within an event from one that does not.
type eventReader struct {
	from   *bufio.Reader
	line   []byte
	skipLF bool // the last line ended with CR, and an LF would belong to it
	begun  bool

	name    string
	data    []byte
	hasData bool
	size    int
}

// events yields the events of a stream that carry data, and last the error that
// kept the stream from coming to a clean end.
func events(r io.Reader) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		e := &eventReader{from: bufio.NewReader(r)}
		for {
			err := e.readLine()
			switch {
			case err == nil && len(e.line) > 0:
				e.field()
				continue
			case errors.Is(err, io.EOF) && len(e.line) > 0:
				yield(event{}, errWithinLine)
				return
			case err != nil && !errors.Is(err, io.EOF):
				yield(event{}, err)
				return
			}
			// A blank line ends an event. So does the end of the stream here:
			// by the standard an event without its blank line is lost, but
			// targets end with a bare [DONE] line and clients live with it.
			if e.hasData && !yield(event{name: e.name, data: e.data}, nil) {
				return
			}
			if err != nil {
				return
			}
			e.name, e.data, e.hasData, e.size = "", e.data[:0], false, 0
		}
	}
}

// readLine reads up to LF, CR or CRLF. At the end of the stream it returns
// io.EOF and leaves what came behind the last line end in line.
func (e *eventReader) readLine() error {
	e.line = e.line[:0]
	for {
		if _, err := e.from.Peek(1); err != nil {
			e.trimBOM()
			return err
		}
		there, _ := e.from.Peek(e.from.Buffered())
		if e.skipLF {
			e.skipLF = false
			if there[0] == '\n' {
				_, _ = e.from.Discard(1)
				continue
			}
		}
		end := bytes.IndexByte(there, '\n')
		before := there
		if end >= 0 {
			before = there[:end]
		}
		if cr := bytes.IndexByte(before, '\r'); cr >= 0 {
			end = cr
		}
		taken, skip := there, len(there)
		if end >= 0 {
			taken, skip = there[:end], end+1
			e.skipLF = there[end] == '\r'
		}
		if e.size+len(e.line)+len(taken) > MaxEvent {
			return errEventTooLong
		}
		e.line = append(e.line, taken...)
		_, _ = e.from.Discard(skip)
		if end >= 0 {
			e.trimBOM()
			return nil
		}
	}
}

// trimBOM takes a byte order mark from the first line.
func (e *eventReader) trimBOM() {
	if !e.begun {
		e.begun = true
		e.line = bytes.TrimPrefix(e.line, []byte("\ufeff"))
	}
}

// field takes in a line that is not blank. Fields other than event and data say
// nothing of an answer, but count for its size.
func (e *eventReader) field() {
	if e.line[0] == ':' {
		return // a comment: targets keep a stream alive with them
	}
	e.size += len(e.line)
	name, value, _ := bytes.Cut(e.line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "event":
		e.name = string(value)
	case "data":
		if e.hasData {
			e.data = append(e.data, '\n')
		}
		e.data, e.hasData = append(e.data, value...), true
	}
}
