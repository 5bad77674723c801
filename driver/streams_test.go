package driver_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
)

const typeSSE = "text/event-stream"

const (
	usageChunk = `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":2}}}`
	textChunk  = `{"choices":[{"delta":{"content":" the"}}],"usage":null}`

	wholeStream = "data: " + textChunk + "\n\n" + "data: " + textChunk + "\n\n" + "data: " + usageChunk + "\n\n" + "data: [DONE]\n\n"
)

// streams are what a target may send as a stream, and what the record says.
func streams() map[string]struct {
	sent  string
	want  history.Attempt
	words []string
} {
	whole := history.Attempt{Status: 200, Usage: plainUsage, Events: 4, DoneSeen: true}
	cut := func(events int) history.Attempt {
		return history.Attempt{Status: 200, Error: history.Cut, Events: events}
	}
	garbled := func(events int, excerpt string) history.Attempt {
		return history.Attempt{Status: 200, Error: history.Garbled, Events: events, Excerpt: excerpt}
	}
	refused := func(excerpt string) history.Attempt {
		return history.Attempt{Status: 200, Events: 1, ErrorEvent: true, Excerpt: excerpt}
	}
	return map[string]struct {
		sent  string
		want  history.Attempt
		words []string
	}{
		"whole":                     {sent: wholeStream, want: whole},
		"CRLF":                      {sent: strings.ReplaceAll(wholeStream, "\n", "\r\n"), want: whole},
		"CR":                        {sent: strings.ReplaceAll(wholeStream, "\n", "\r"), want: whole},
		"BOM":                       {sent: "\ufeff" + wholeStream, want: whole},
		"no blank after the colon":  {sent: strings.ReplaceAll(wholeStream, "data: ", "data:"), want: whole},
		"comments":                  {sent: ": hello\n\n:\n\n" + strings.ReplaceAll(wholeStream, "data: ", ": keep-alive\ndata: ") + ": bye\n\n", want: whole},
		"blank lines":               {sent: "\n\n\r\n" + strings.ReplaceAll(wholeStream, "\n\n", "\n\n\n\n"), want: whole},
		"other fields":              {sent: "retry: 100\nid: 7\nfoo: bar\nfoo\n" + wholeStream, want: whole},
		"events without data":       {sent: "event: ping\n\nid: 7\n\nretry: 10\n\n" + wholeStream, want: whole},
		"named events":              {sent: strings.ReplaceAll(wholeStream, "data: ", "event: chunk\ndata: "), want: whole},
		"data over several lines":   {sent: strings.ReplaceAll(wholeStream, `"choices":`, "\ndata: \"choices\":"), want: whole},
		"more after the end":        {sent: wholeStream + "data: bye\n\ndata: {}\n\n", want: whole},
		"end without a blank line":  {sent: strings.TrimSuffix(wholeStream, "\n"), want: whole},
		"end without a line end":    {sent: strings.TrimSuffix(wholeStream, "\n\n"), want: cutWithUsage(3), words: []string{"[DONE]"}},
		"without [DONE]":            {sent: "data: " + textChunk + "\n\n", want: cut(1), words: []string{"[DONE]"}},
		"nothing":                   {sent: "", want: cut(0), words: []string{"[DONE]"}},
		"comments alone":            {sent: ": a\n\n: b\n\n", want: cut(0), words: []string{"[DONE]"}},
		"broken off in an event":    {sent: "data: " + textChunk + "\n\ndata: {\"choi", want: cut(1)},
		"broken off in a name":      {sent: "data: " + textChunk + "\n\nda", want: cut(1)},
		"no blank line at the end":  {sent: "data: " + textChunk + "\n\ndata: " + textChunk + "\n", want: cut(2)},
		"an error event":            {sent: "event: error\ndata: " + plainError + "\n\n", want: refused(plainError)},
		"an error event of words":   {sent: "event: error\ndata: too many requests\n\n", want: refused("too many requests")},
		"an error object":           {sent: "data: " + plainError + "\n\n", want: refused(plainError)},
		"an error object, and more": {sent: ": hi\n\ndata: " + plainError + "\n\ndata: [DONE]\n\n", want: history.Attempt{Status: 200, Events: 2, DoneSeen: true, ErrorEvent: true, Excerpt: plainError}},
		"error null":                {sent: "data: {\"error\":null}\n\ndata: [DONE]\n\n", want: history.Attempt{Status: 200, Events: 2, DoneSeen: true}},
		"an error in the middle": {
			sent: "data: " + textChunk + "\n\ndata: " + plainError + "\n\ndata: [DONE]\n\n",
			want: history.Attempt{Status: 200, Error: history.Cut, Events: 3, DoneSeen: true, Excerpt: plainError}, words: []string{"event 2"},
		},
		"an error event in the middle": {
			sent: "data: " + textChunk + "\n\nevent: error\ndata: gone\n\n",
			want: history.Attempt{Status: 200, Error: history.Cut, Events: 2, Excerpt: "gone"}, words: []string{"event 2"},
		},
		"words":          {sent: "data: " + textChunk + "\n\ndata: hello\n\ndata: [DONE]\n\n", want: garbled(2, "hello"), words: []string{"event 2"}},
		"null":           {sent: "data: null\n\ndata: [DONE]\n\n", want: garbled(1, "null"), words: []string{"event 1"}},
		"an array":       {sent: "data: []\n\ndata: [DONE]\n\n", want: garbled(1, "[]"), words: []string{"event 1"}},
		"half an object": {sent: "data: {\"a\":\n\ndata: [DONE]\n\n", want: garbled(1, `{"a":`), words: []string{"event 1"}},
		"not UTF-8":      {sent: "data: \xff\xfe\n\n", want: garbled(1, "�"), words: []string{"event 1"}},
		"no SSE at all":  {sent: "<html>\n\n<body>\n", want: cut(0)},
		"two usages": {
			sent: "data: {\"usage\":{\"total_tokens\":1}}\n\ndata: " + usageChunk + "\n\ndata: [DONE]\n\n",
			want: history.Attempt{Status: 200, Usage: plainUsage, Events: 3, DoneSeen: true},
		},
	}
}

func cutWithUsage(events int) history.Attempt {
	return history.Attempt{Status: 200, Error: history.Cut, Usage: plainUsage, Events: events}
}

func TestStreams(t *testing.T) {
	for name, c := range streams() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := serve(t, body(200, typeSSE+"; charset=utf-8", c.sent))
			check(t, do(t, d, true), c.want, c.words...)
		})
	}
}

// TestStreamsInPieces sends every stream byte by byte: how a text is cut into
// packets must not change the record.
func TestStreamsInPieces(t *testing.T) {
	for name, c := range streams() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := serve(t, pieces(c.sent, 1))
			check(t, do(t, d, true), c.want, c.words...)
		})
	}
}

// pieces flushes a stream every few bytes.
func pieces(text string, size int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", typeSSE)
		w.WriteHeader(http.StatusOK)
		for rest := []byte(text); len(rest) > 0; {
			n := min(len(rest), size)
			if _, err := w.Write(rest[:n]); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			rest = rest[n:]
		}
	}
}

// bigEvent is one event of so many bytes, its line ends not counted.
func bigEvent(size int) string {
	const head, tail = `data: {"choices":[{"delta":{"content":"`, `"}}]}`
	return head + strings.Repeat("x", size-len(head)-len(tail)) + tail + "\n\n"
}

// transport is a http.RoundTripper made of a function.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestBigEventInTime reads an event of one MiB in small pieces. go-sse looks
// through an event from its beginning at every piece, which at this size is
// still quick.
func TestBigEventInTime(t *testing.T) {
	// bound is some ten times what it takes under the race detector on a busy
	// machine.
	const bound = 5 * time.Second
	text := bigEvent(1<<20) + "data: [DONE]\n\n"
	a := do(t, serve(t, pieces(text, 1<<10)), true)
	check(t, a, history.Attempt{Status: 200, Events: 2, DoneSeen: true})
	took := a.Done - a.Headers
	t.Logf("1 MiB over a socket in pieces of 1 KiB: %v", took)
	if took > bound {
		t.Errorf("an event of 1 MiB took %v", took)
	}
}

func TestOversizedEvent(t *testing.T) {
	d := serve(t, body(200, typeSSE, bigEvent(driver.MaxEvent)+"data: [DONE]\n\n"))
	check(t, do(t, d, true), history.Attempt{Status: 200, Events: 2, DoneSeen: true})

	oversized := history.Attempt{Status: 200, Error: history.Oversized}
	d = serve(t, body(200, typeSSE, bigEvent(driver.MaxEvent+8)+"data: [DONE]\n\n"))
	check(t, do(t, d, true), oversized, "4194304")

	lines := strings.Repeat("data: "+strings.Repeat("x", 1<<16)+"\n", driver.MaxEvent>>16)
	d = serve(t, body(200, typeSSE, lines+"\ndata: [DONE]\n\n"))
	check(t, do(t, d, true), oversized, "4194304")
}

// TestEndlessStreams meets targets that never come to the end of a line, of an
// event or of a comment.
func TestEndlessStreams(t *testing.T) {
	for name, c := range map[string]struct {
		block string
		want  history.ErrorClass
	}{
		"line":    {"x", history.Oversized},
		"data":    {"data: x\n", history.Oversized},
		"comment": {": x", history.Oversized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			block := bytes.Repeat([]byte(c.block), 1<<12)
			d := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", typeSSE)
				for r.Context().Err() == nil {
					_, _ = w.Write(block)
				}
			})
			check(t, do(t, d, true), history.Attempt{Status: 200, Error: c.want})
		})
	}
}
