package reference

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxEvent is the largest event of an upstream's stream that is passed on.
const maxEvent = 4 << 20

var errLargeEvent = fmt.Errorf("an event of the upstream's stream is larger than %d bytes", maxEvent)

// isStream tells a stream from any other answer. That one was asked for tells
// little: upstreams answer JSON to that, too.
func (h *held) isStream(header http.Header) bool {
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	if kind == "" {
		return h.estimate.Stream
	}
	return strings.EqualFold(strings.TrimSpace(kind), "text/event-stream") && header.Get("Content-Encoding") == ""
}

// relayStream passes a stream on event by event, as it was sent, and settles
// what it used before its last event goes out.
func (h *held) relayStream(w http.ResponseWriter, res *http.Response, s step) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	flush(w)

	m := &streamMeter{}
	events := &eventReader{from: bufio.NewReader(res.Body)}
	for events.next() == nil {
		before := m.ended
		extra := h.endpoint.read(m, events.data)
		if m.ended && !before {
			h.endStream(m, s)
		}
		if extra && h.estimate.Stream && !h.estimate.StreamUsage {
			continue // asked for by us, not by the client
		}
		if _, err := w.Write(events.raw); err != nil {
			m.left = true
			break
		}
		flush(w)
	}
	if m.ended {
		_, _ = w.Write(events.raw) // what came behind the last event
		return
	}
	m.left = m.left || h.client.Err() != nil
	h.endStream(m, s)
	// The client must not take a broken stream for a whole one.
	panic(http.ErrAbortHandler)
}

func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

// eventReader cuts a stream of server-sent events into the bytes of one event
// each, comments and line ends included, so that what is passed on means to a
// client what the upstream said (HTML standard, 9.2.6).
type eventReader struct {
	from *bufio.Reader
	// raw is the event as it was sent, or the rest of the stream after an
	// error; data is what its data lines say. Both hold until the next call.
	raw, data []byte

	line    int // where in raw the current line begins
	hasData bool
	afterCR bool // an LF that comes now ends the line before
	begun   bool // the first line, which may start with a byte order mark, is over
}

// next reads up to the blank line that ends an event. An upstream may end its
// stream with [DONE] and neither blank line nor line end; nothing else that
// stops short is an event.
func (e *eventReader) next() error {
	e.raw, e.data, e.line, e.hasData = e.raw[:0], e.data[:0], 0, false
	for {
		if _, err := e.from.Peek(1); err != nil {
			e.field(e.raw[e.line:])
			e.line = len(e.raw)
			if errors.Is(err, io.EOF) && string(e.data) == "[DONE]" {
				return nil
			}
			e.data = e.data[:0]
			return err
		}
		there, _ := e.from.Peek(e.from.Buffered())
		end := lineEnd(there)
		taken := there[:min(end+1, len(there))]
		if len(e.raw)+len(taken) > maxEvent {
			return errLargeEvent
		}
		e.raw = append(e.raw, taken...)
		_, _ = e.from.Discard(len(taken))
		secondHalf := e.afterCR && taken[0] == '\n'
		e.afterCR = e.raw[len(e.raw)-1] == '\r'
		switch {
		case secondHalf:
			e.line = len(e.raw)
		case end < len(there) && e.endLine():
			return nil
		}
	}
}

// lineEnd is where the first CR or LF is, or len(text).
func lineEnd(text []byte) int {
	if lf := bytes.IndexByte(text, '\n'); lf >= 0 {
		text = text[:lf]
	}
	if cr := bytes.IndexByte(text, '\r'); cr >= 0 {
		return cr
	}
	return len(text)
}

// endLine takes in the line that raw ends with; true says that it was blank.
func (e *eventReader) endLine() bool {
	line := e.raw[e.line : len(e.raw)-1]
	e.line = len(e.raw)
	if len(line) > 0 {
		e.field(line)
		return false
	}
	// The LF of a CRLF belongs here, if it has come along: there are clients
	// that wait for it.
	if e.afterCR && e.from.Buffered() > 0 {
		if c, _ := e.from.Peek(1); c[0] == '\n' {
			e.raw = append(e.raw, '\n')
			_, _ = e.from.Discard(1)
			e.afterCR = false
		}
	}
	return true
}

// field takes in a line that is not blank.
func (e *eventReader) field(line []byte) {
	if !e.begun {
		e.begun = len(line) > 0
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	if string(name) != "data" {
		return
	}
	if e.hasData {
		e.data = append(e.data, '\n')
	}
	e.data = append(e.data, bytes.TrimPrefix(value, []byte(" "))...)
	e.hasData = true
}

// endStream settles a stream and counts what became of it.
func (h *held) endStream(m *streamMeter, s step) {
	h.finish(h.streamed(m))
	if !m.whole && !m.left {
		h.failed(s)
	}
	if m.used != nil {
		h.spent(s, *m.used)
	}
}

// streamed is what a stream is charged (rule 15): its usage where that was
// told; the whole reservation where a whole stream told none; else what was
// produced, and at most the reservation where the upstream broke it off.
func (h *held) streamed(m *streamMeter) int64 {
	reserved := h.estimate.Of(h.proxy.TokenBasis)
	produced := h.produced(m.codePoints)
	if m.used != nil {
		produced = m.used.of(h.proxy.TokenBasis)
	}
	switch {
	case m.whole && m.used == nil:
		return reserved
	case m.whole || m.left:
		return produced
	case m.used == nil && m.codePoints == 0:
		return 0
	default:
		return min(produced, reserved)
	}
}

// produced is what is charged for an answer of so many code points whose usage
// nobody told.
func (h *held) produced(codePoints int64) int64 {
	return newUsage(h.estimate.Input, codePoints/charsPerToken, 0, 0).of(h.proxy.TokenBasis)
}

// askForUsage adds stream_options.include_usage to a chat body that does not
// ask for it, and leaves every other byte as it was sent.
func askForUsage(body []byte) []byte {
	start, end := findMember(body, "stream_options")
	if end == 0 {
		at := bytes.IndexByte(body, '{') + 1
		return splice(body, at, at, `"stream_options":{"include_usage":true},`)
	}
	options := body[start:end]
	if string(options) == "null" {
		return splice(body, start, end, `{"include_usage":true}`)
	}
	if options[0] != '{' {
		return body // the upstream will say what is wrong with it
	}
	from, to := findMember(options, "include_usage")
	switch {
	case to > 0 && (string(options[from:to]) == "false" || string(options[from:to]) == "null"):
		return splice(body, start+from, start+to, "true")
	case to > 0:
		return body
	case len(bytes.TrimSpace(options[1:len(options)-1])) == 0:
		return splice(body, start+1, start+1, `"include_usage":true`)
	default:
		return splice(body, start+1, start+1, `"include_usage":true,`)
	}
}

// findMember is where the value of an object's member begins and ends; 0, 0
// where there is none. Of several the last counts, as it does for the
// providers.
func findMember(object []byte, name string) (start, end int) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return 0, 0
	}
	for d.More() {
		key, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return 0, 0
		}
		if key == name {
			end = int(d.InputOffset())
			start = end - len(value)
		}
	}
	return start, end
}

func splice(text []byte, from, to int, insert string) []byte {
	return bytes.Join([][]byte{text[:from], []byte(insert), text[to:]}, nil)
}
