package driver

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/ratecheck/ratecheck/history"
)

// MaxBody is the most of an answer that is read, in bytes; what is larger is
// recorded as oversized.
const MaxBody = 8 << 20

// parse reads an answer or an event. What is no object is an error, null too,
// which decodes into anything.
func parse(text []byte) (body, error) {
	var b body
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return b, errors.New("it does not begin with a brace")
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return body{}, err
	}
	return b, nil
}

func (e *exchange) read(ctx context.Context, res *http.Response) {
	if res.StatusCode == http.StatusSwitchingProtocols {
		// Its body would be the bare connection, on which the transport keeps
		// no deadline.
		e.fail(history.Garbled, errors.New("status 101 to a request that asked for no other protocol"))
		return
	}
	stamped := &stampingReader{from: res.Body, exchange: e}
	if res.StatusCode == http.StatusOK && mediaType(res.Header) == "text/event-stream" {
		e.readStream(ctx, stamped)
		return
	}
	content, err := io.ReadAll(io.LimitReader(stamped, MaxBody+1))
	switch {
	case err != nil:
		e.cut(ctx, err)
	case len(content) > MaxBody:
		e.fail(history.Oversized, fmt.Errorf("the body is larger than %d bytes", MaxBody))
	}
	if res.StatusCode != http.StatusOK {
		e.excerpt(content)
		return
	}
	if e.attempt.Error != "" {
		return
	}
	e.readPlain(content, res.Header.Get("Content-Type"))
}

func (e *exchange) readPlain(content []byte, contentType string) {
	b, err := parse(content)
	switch {
	case err != nil:
		e.fail(history.Garbled, fmt.Errorf("status 200 with a body that is not the JSON object of an answer (content-type %q): %w", contentType, err))
		e.excerpt(content)
	case b.isError():
		e.fail(history.Garbled, errors.New("status 200 with an error for a body"))
		e.excerpt(content)
	case !b.isAnswerOf(e.attempt.Endpoint):
		e.fail(history.Garbled, fmt.Errorf("status 200 with a body that is no answer of %s", history.EndpointPath(e.attempt.Endpoint)))
		e.excerpt(content)
	case e.attempt.Stream:
		e.fail(history.Garbled, errors.New("a stream was asked for and the answer is none"))
	}
	e.note(b)
}

func mediaType(h http.Header) string {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

// cut records a body that could not be read to its end.
func (e *exchange) cut(ctx context.Context, err error) {
	var corrupt flate.CorruptInputError
	switch {
	case ctx.Err() != nil:
		e.fail(history.Deadline, err)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		e.fail(history.Garbled, fmt.Errorf("the body is not the gzip that it is said to be: %w", err))
	default:
		e.fail(history.Cut, err)
	}
}

func (e *exchange) note(b body) {
	if u := b.usage(e.attempt.Endpoint, e.attempt.Usage); u != nil {
		e.attempt.Usage = u
	}
}

// readStream reads an SSE answer to its end, and not to its last event alone: a
// client that closes there may be taken for one that left.
func (e *exchange) readStream(ctx context.Context, r io.Reader) {
	a := e.attempt
	for event, err := range events(r) {
		switch {
		case a.DoneSeen:
			continue // the answer was whole by then, whatever comes
		case errors.Is(err, errEventTooLong):
			e.fail(history.Oversized, err)
			return
		case err != nil:
			e.cut(ctx, err)
			return
		}
		a.Events++
		if bytes.HasPrefix(event.data, []byte(doneMark)) {
			a.DoneSeen = endsWithMark(a.Endpoint)
			continue
		}
		if !e.readEvent(event) {
			return
		}
		if a.Events == e.leaveAt && a.Error == "" {
			e.fail(history.Left, fmt.Errorf("left as planned when event %d was read", a.Events))
			return
		}
	}
	switch {
	case a.ErrorEvent, a.Error != "":
	case !a.DoneSeen:
		e.fail(history.Cut, errors.New("the stream ended without "+lastEvent(a.Endpoint)))
	case !a.Stream:
		e.fail(history.Garbled, errors.New("no stream was asked for and the answer is one"))
	}
}

// readEvent takes in one event; false says that the stream is not worth reading
// on.
func (e *exchange) readEvent(event event) bool {
	a := e.attempt
	b, err := parse(event.data)
	switch {
	case event.name == "error" || err == nil && b.isErrorEvent(event.name, a.Endpoint):
		e.excerpt(event.data)
		if a.Events == 1 {
			a.ErrorEvent = true
		} else {
			e.fail(history.Cut, fmt.Errorf("event %d is an error", a.Events))
		}
	case err != nil:
		e.fail(history.Garbled, fmt.Errorf("event %d is not the JSON object of a chunk: %w", a.Events, err))
		e.excerpt(event.data)
		return false
	}
	e.note(b)
	a.DoneSeen = b.isLast(event.name, a.Endpoint)
	return true
}

// stampingReader notes when the first byte of a body was there. It sits below
// the decoder, which hides comments and partial events.
type stampingReader struct {
	from     io.Reader
	exchange *exchange
}

func (r *stampingReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	if n > 0 && r.exchange.attempt.FirstByte == 0 {
		r.exchange.attempt.FirstByte = r.exchange.driver.now()
	}
	return n, err
}

// excerpt keeps the beginning of an answer that is no success.
func (e *exchange) excerpt(content []byte) {
	e.attempt.Excerpt = shorten(e.clean(string(content)))
}
