package driver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/tmaxmax/go-sse"
)

// MaxEvent is the largest event of a stream that is read, in bytes. Providers
// send whole images as one event; beyond this it is recorded as oversized.
const MaxEvent = 4 << 20

// lineEnds is what go-sse counts beside an event: its last line end and the
// blank line, either of which may be CRLF, and one byte to see that it is over.
const lineEnds = 5

var errEventTooLong = fmt.Errorf("an event is larger than %d bytes", MaxEvent)

// event is one event of a stream.
type event struct {
	name string
	data []byte
}

// events yields the events of a stream that carry data, and last the error that
// kept the stream from coming to a clean end. go-sse also yields events without
// data, which say nothing of an answer, and one that lacks its blank line, as
// targets end with a bare [DONE] line and clients live with it.
func events(r io.Reader) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		from := &remembering{from: r}
		for e, err := range sse.Read(from, &sse.ReadConfig{MaxEventSize: MaxEvent + lineEnds}) {
			switch {
			case errors.Is(err, bufio.ErrTooLong):
				yield(event{}, errEventTooLong)
				return
			case errors.Is(err, sse.ErrUnexpectedEOF) && from.err == nil:
				return // ended within a line: what lacks is [DONE], and that is told
			case errors.Is(err, sse.ErrUnexpectedEOF):
				yield(event{}, from.err)
				return
			case err != nil:
				yield(event{}, err)
				return
			case e.Data == "":
				continue
			}
			if !yield(event{name: e.Type, data: []byte(e.Data)}, nil) {
				return
			}
		}
	}
}

// remembering keeps the error that broke a stream off, which go-sse takes for
// its end where it comes within a line.
type remembering struct {
	from io.Reader
	err  error
}

func (r *remembering) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}
