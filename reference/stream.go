package reference

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"github.com/tmaxmax/go-sse"
)

// maxEvent is the largest event of an upstream's stream that is passed on.
const maxEvent = 4 << 20

// codePointsPerToken is how much text counts as one token where nobody says
// (rule 11).
const codePointsPerToken = 4

// chunk is what a stream's event says, as far as it is counted.
type chunk struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
	} `json:"choices"`
	Usage *usage `json:"usage"`
}

// relayStream passes a stream on event by event and settles what it used before
// its last event goes out.
func (h *held) relayStream(ctx context.Context, w http.ResponseWriter, res *http.Response) {
	out := w.Header()
	out.Set("Content-Type", "text/event-stream; charset=utf-8")
	out.Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	flush(w)

	m := &streamMeter{}
	for event, err := range sse.Read(res.Body, &sse.ReadConfig{MaxEventSize: maxEvent}) {
		if err != nil {
			break
		}
		done := event.Data == "[DONE]"
		told := chunk{}
		if done {
			m.whole = true
			h.finish(h.streamed(m))
		} else if json.Unmarshal([]byte(event.Data), &told) == nil {
			m.count(told)
		}
		if told.Usage != nil && len(told.Choices) == 0 && !h.estimate.StreamUsage {
			continue // asked for by us, not by the client
		}
		if !h.pass(ctx, w, event) {
			m.left = true
			break
		}
	}
	if m.whole {
		return
	}
	if ctx.Err() != nil {
		m.left = true
	}
	h.finish(h.streamed(m))
	if !m.left {
		// The client must not take a broken stream for a whole one.
		panic(http.ErrAbortHandler)
	}
}

// pass sends one event on; false says that the client has left.
func (h *held) pass(ctx context.Context, w http.ResponseWriter, event sse.Event) bool {
	var text bytes.Buffer
	if event.Type != "" {
		text.WriteString("event: " + event.Type + "\n")
	}
	for line := range bytes.SplitSeq([]byte(event.Data), []byte("\n")) {
		text.WriteString("data: ")
		text.Write(line)
		text.WriteByte('\n')
	}
	text.WriteByte('\n')
	if _, err := w.Write(text.Bytes()); err != nil {
		return false
	}
	flush(w)
	return ctx.Err() == nil
}

// streamMeter counts what a stream used.
type streamMeter struct {
	usage      *usage
	codePoints int64
	// whole: the upstream ended it with [DONE]; left: the client did not wait
	// for that.
	whole, left bool
}

func (m *streamMeter) count(c chunk) {
	if c.Usage != nil {
		m.usage = c.Usage
	}
	for _, choice := range c.Choices {
		m.codePoints += int64(utf8.RuneCountInString(choice.Delta.Content))
	}
}

// streamed is what a stream is charged (rule 15): its usage where that was
// told; the whole reservation where a whole stream told none; else what was
// produced, and at most the reservation where the upstream broke it off.
func (h *held) streamed(m *streamMeter) int64 {
	reserved := h.estimate.Total()
	produced := h.estimate.Input + m.codePoints/codePointsPerToken
	switch {
	case m.usage != nil:
		return m.usage.total()
	case m.whole:
		return reserved
	case m.left:
		return produced
	case m.codePoints == 0:
		return 0
	default:
		return min(produced, reserved)
	}
}

func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

// askForUsage adds stream_options.include_usage to a chat body that does not
// ask for it, and leaves every other byte where it can as it was sent.
func askForUsage(body []byte) []byte {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return body
	}
	options := map[string]json.RawMessage{}
	if given, exists := fields["stream_options"]; exists {
		if json.Unmarshal(given, &options) != nil || options == nil {
			options = map[string]json.RawMessage{}
		}
		options["include_usage"] = json.RawMessage("true")
		merged, err := json.Marshal(options)
		if err != nil {
			return body
		}
		fields["stream_options"] = merged
		rewritten, err := json.Marshal(fields)
		if err != nil {
			return body
		}
		return rewritten
	}
	at := bytes.IndexByte(body, '{')
	return bytes.Join([][]byte{body[:at+1], []byte(`"stream_options":{"include_usage":true},`), body[at+1:]}, nil)
}
