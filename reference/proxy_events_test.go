package reference_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
)

// serveOnce has a proxy answer one request with testKey from one answer of an
// upstream. Aborted says that the connection was broken; any other panic goes
// on.
func serveOnce(t reporter, keys keyring, body string, answer *http.Response) (w *httptest.ResponseRecorder, store *ledgerStore, aborted bool) {
	store = newLedgerStore(t)
	proxy := reference.NewProxy(reference.ProxyConfig{
		Clock: clock.System{}, Store: store, Keys: keys, Window: time.Minute,
		Upstream:  &url.URL{Scheme: "http", Host: "provider.internal", Path: "/v1"},
		Transport: canned(func() *http.Response { return answer }),
	})
	closed := &closing{ReadCloser: answer.Body}
	answer.Body = closed
	w = httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+testKey)
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			panic(v)
		} else if v != nil {
			aborted = true
		}
		store.wantClosed()
		if len(store.deals) > 0 && !closed.done {
			t.Errorf("the upstream's answer was not closed")
		}
	}()
	proxy.ServeHTTP(w, r)
	return w, store, false
}

// closing notes that a body was closed.
type closing struct {
	io.ReadCloser
	done bool
}

func (c *closing) Close() error {
	c.done = true
	return c.ReadCloser.Close()
}

// inPieces is an upstream's stream that arrives in these pieces.
func inPieces(pieces ...string) *http.Response {
	var readers []io.Reader
	for _, p := range pieces {
		readers = append(readers, strings.NewReader(p))
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}},
		Body: io.NopCloser(io.MultiReader(readers...)),
	}
}

// sseEvent is what a client makes of an event.
type sseEvent struct{ Name, Data, ID string }

var lineEnds = regexp.MustCompile(`\r\n|\r|\n`)

// decode reads a whole stream by the HTML standard, 9.2.6. The retry times are
// those that it sets on the way.
func decode(stream string) (events []sseEvent, retries []string) {
	var e sseEvent
	var data []string
	lines := lineEnds.Split(strings.TrimPrefix(stream, "\ufeff"), -1)
	for _, line := range lines[:len(lines)-1] {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if data != nil {
				e.Data = strings.Join(data, "\n")
				events = append(events, e)
			}
			e.Name, e.Data, data = "", "", nil
		case name == "event":
			e.Name = value
		case name == "data":
			data = append(data, value)
		case name == "id":
			e.ID = value
		case name == "retry":
			retries = append(retries, value)
		}
	}
	return events, retries
}

func TestStreamMeansTheSameToAClient(t *testing.T) {
	const chunk = `{"choices":[{"delta":{"content":"a"}}]}`
	tests := map[string]string{
		"names, ids and retry":         "retry: 3000\n\nid: 1\nevent: message\ndata: " + chunk + "\n\nid\ndata:" + chunk + "\n\n",
		"data over several lines":      "data: {\"choices\":\ndata: []}\ndata\ndata:\n\n",
		"comments keep it alive":       ": ping\n\n:\n\ndata: " + chunk + "\n: between\n\n",
		"an event without data":        "event: ping\n\nid: 7\n\ndata: " + chunk + "\n\n",
		"an event with empty data":     "event: ping\ndata\n\n",
		"CRLF":                         "event: x\r\ndata: " + chunk + "\r\n\r\ndata: 2\r\n\r\n",
		"CR":                           "event: x\rdata: " + chunk + "\r\rdata: 2\r\r",
		"all of them":                  "data: 1\r\n\ndata: 2\r\r\ndata: 3\n\r\n",
		"a byte order mark":            "\ufeffdata: " + chunk + "\n\n",
		"spaces count but the first":   "data:  two \ndata:none\n\n",
		"unknown fields":               "foo: bar\ndatas: x\n data: x\ndata: " + chunk + "\n\n",
		"blank lines":                  "\n\n\ndata: 1\n\n\n\n",
		"control bytes and bad UTF-8":  "data: \x00\xff\xfe\n\nid: a\x00b\ndata: 1\n\n",
		"a long event":                 "data: " + strings.Repeat("x", 1<<20) + "\n\n",
		"[DONE] that is not the event": "event: [DONE]\ndata: x[DONE]\n\n",
		"something after the end":      "data: [DONE]\n\ndata: " + chunk + "\n\n: bye\n\n",
	}
	for name, stream := range tests {
		for _, end := range []string{"data: [DONE]\n\n", "data:[DONE]\r\n\r\n", "data: [DONE]\r\r", "data: [DONE]\n\n: bye"} {
			for _, fields := range []string{`"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`} {
				whole := stream + end
				w, _, aborted := serveOnce(t, oneKey(-1, 1000, 1), ask("n", fields), inPieces(whole))
				if got := w.Body.String(); aborted || got != whole {
					t.Errorf("%s: got %.200q, aborted %v, want %.200q", name, got, aborted, whole)
				}
				// One byte at a time is no other stream.
				if len(whole) < 1000 {
					again, _, _ := serveOnce(t, oneKey(-1, 1000, 1), ask("n", fields), inPieces(strings.Split(whole, "")...))
					if diff := cmp.Diff(w.Body.String(), again.Body.String()); diff != "" {
						t.Errorf("%s, byte by byte:\n%s", name, diff)
					}
				}
			}
		}
	}
}

// Some upstreams forget to say that they stream.
func TestStreamWithoutAType(t *testing.T) {
	for fields, want := range map[string]string{`"stream":true`: "text/event-stream; charset=utf-8", ``: ""} {
		answer := inPieces(piece, streamEnd)
		answer.Header.Del("Content-Type")
		w, _, aborted := serveOnce(t, oneKey(-1, 1000, 1), ask("n", fields), answer)
		if got := w.Header().Get("Content-Type"); aborted || w.Body.String() != piece+streamEnd || got != want {
			t.Errorf("%s: got %q as %q, aborted %v", fields, w.Body, got, aborted)
		}
	}
}

// Clients that split at the blank line have an event when it is sent, not with
// the next one.
func TestEventIsPassedOnAtOnce(t *testing.T) {
	for _, event := range []string{"data: 1\n\n", "data: 1\r\n\r\n", "data: 1\r\r", ": ping\n\n", "event: ping\n\n"} {
		wait := func(time.Duration) {}
		upstream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			says("text/event-stream", false, wait, event, event, streamEnd).ServeHTTP(w, r)
		})
		play(t, setting{keys: oneKey(-1, -1, -1), upstream: upstream}, func(s *stage) {
			wait = s.sleep
			if a := s.chatFor(500*time.Millisecond, ask("n", `"stream":true`)); a.body != event {
				s.Errorf("after half a second the client has %q, want %q", a.body, event)
			}
		})
	}
}

func TestRule15DroppedUsageIsAllThatIsMissing(t *testing.T) {
	text := rapid.SampledFrom([]string{
		"data: " + `{"choices":[{"delta":{"content":"aaaa"}}]}`, "data: [", "data: 1]", "data", ": ping", "event: x", "id: 4", "retry: 9", "data: [DONE]x", "", "x: y",
	})
	const usage = `data: {"choices":[],"usage":{"total_tokens":50}}`
	lineEnd := rapid.SampledFrom([]string{"\n", "\r\n", "\r"})
	rapid.Check(t, func(t *rapid.T) {
		var stream strings.Builder
		told := false
		for range rapid.IntRange(0, 6).Draw(t, "events") {
			end := lineEnd.Draw(t, "line end")
			if rapid.IntRange(0, 3).Draw(t, "usage") == 0 {
				told = true
				stream.WriteString(usage + end)
			} else {
				for range rapid.IntRange(0, 3).Draw(t, "lines") {
					stream.WriteString(text.Draw(t, "line") + end)
				}
			}
			stream.WriteString(end)
		}
		stream.WriteString("\n\ndata: [DONE]\n\n")
		whole := stream.String()
		var pieces []string
		for rest := whole; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		asked := rapid.Bool().Draw(t, "asked for by the client")
		fields := fmt.Sprintf(`"max_tokens":90,"stream":true,"stream_options":{"include_usage":%v}`, asked)
		w, store, aborted := serveOnce(t, oneKey(-1, 1000, -1), ask("n", fields), inPieces(pieces...))
		got, gotRetries := decode(w.Body.String())
		want, wantRetries := decode(whole)
		if !asked {
			want = slices.DeleteFunc(want, func(e sseEvent) bool { return strings.HasPrefix(e.Data, `{"choices":[],`) })
		}
		if diff := cmp.Diff(want, got) + cmp.Diff(wantRetries, gotRetries); diff != "" || aborted {
			t.Fatalf("stream %q: aborted %v, events (-want +got):\n%s", whole, aborted, diff)
		}
		if asked && w.Body.String() != whole {
			t.Fatalf("stream %q came out as %q", whole, w.Body)
		}
		charged := int64(100)
		if told {
			charged = 50
		}
		if s := store.last().settled; s == nil || *s != charged {
			t.Fatalf("stream %q was not settled as %d", whole, charged)
		}
	})
}

// Whatever is asked and whatever an upstream says to it, the proxy answers, lets
// go of all it holds, and panics with nothing but http.ErrAbortHandler.
func FuzzProxyChat(f *testing.F) {
	f.Add([]byte(ask("n", `"stream":true`)), "text/event-stream", []byte(piece+usageOf50+streamEnd), 200, true)
	f.Add([]byte(ask("n", `"stream":true`)), "text/event-stream", []byte(piece+"data: [DONE"), 200, false)
	f.Add([]byte(ask("n", `"max_tokens":5`)), "application/json", []byte(`{"usage":{"total_tokens":-9223372036854775808}}`), 200, true)
	f.Add([]byte(ask("n", `"max_tokens":9223372036854775807,"n":3`)), "", []byte(`{"usage":{"prompt_tokens":9223372036854775807,"completion_tokens":1}}`), 200, true)
	f.Add([]byte(`{"stream":true,"stream_options":{}}`), "", []byte("\r\n\r"), 200, true)
	f.Add([]byte(`{"messages":[{"content":[{"type":"text"},{"type":"image_url"},7]}]}`), "text/html", []byte("<p>"), 500, true)
	f.Add([]byte("{\"stream\":true,\"stream_options\"\r:null,\"\\ud800\":{}}"), "text/event-stream; x", []byte("data: [DONE]"), 204, true)
	f.Add([]byte(`[[[`), "\n", []byte(nil), 0, false)
	f.Fuzz(func(t *testing.T, body []byte, kind string, said []byte, code int, clean bool) {
		var from io.Reader = bytes.NewReader(said)
		if !clean {
			from = io.MultiReader(from, brokenReader{})
		}
		res := &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(from)}
		if kind != "" {
			res.Header.Set("Content-Type", kind)
		}
		w, store, aborted := serveOnce(t, oneKey(1, 1_000_000, 1), string(body), res)
		if w.Code < 200 || w.Code > 599 {
			t.Errorf("answered with the status %d", w.Code)
		}
		stream := strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream;") && w.Header().Get("Cache-Control") != ""
		switch {
		case w.Code != 200 && aborted:
			t.Errorf("an error of status %d was broken off", w.Code)
		case !stream:
		case aborted && bytes.HasSuffix(w.Body.Bytes(), []byte("data: [DONE]\n\n")):
			t.Errorf("a broken stream got a [DONE]: %q", w.Body)
		case !aborted && !bytes.Contains(said, []byte("[DONE]")):
			t.Errorf("a stream without [DONE] ended like a whole one")
		}
		if len(store.deals) == 1 && w.Code != 200 && store.last().settled == nil {
			t.Errorf("an error of status %d was charged tokens", w.Code)
		}
	})
}
