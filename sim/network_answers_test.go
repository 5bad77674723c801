package sim_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/history"
)

const (
	chatAnswer = `{"object":"chat.completion","usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`
	chatEvent  = `data: {"choices":[{"delta":{"content":" the"}}]}` + "\n\n"
	chatEnd    = "data: [DONE]\n\n"
)

func flush(w http.ResponseWriter) { w.(http.Flusher).Flush() }

func send(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

// padded is a JSON answer of so many bytes.
func padded(size int) string {
	const head, tail = `{"pad":"`, `"}`
	return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
}

// handlers are what a handler may do to net/http's server. The in-process
// network must let a client see the same.
func handlers() map[string]http.HandlerFunc {
	set := func(w http.ResponseWriter, name, value string) { w.Header().Set(name, value) }
	stream := func(w http.ResponseWriter) { set(w, "Content-Type", "text/event-stream") }
	return map[string]http.HandlerFunc{
		"plain JSON": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "Content-Type", "application/json")
			send(w, chatAnswer)
		},
		"nothing at all":          func(http.ResponseWriter, *http.Request) {},
		"headers alone":           func(w http.ResponseWriter, _ *http.Request) { set(w, "X-RateLimit-Limit", "1") },
		"a status alone":          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"a body alone":            func(w http.ResponseWriter, _ *http.Request) { send(w, chatAnswer) },
		"an empty write":          func(w http.ResponseWriter, _ *http.Request) { send(w, "") },
		"a page":                  func(w http.ResponseWriter, _ *http.Request) { send(w, "<!doctype html><p>hi") },
		"a flush alone":           func(w http.ResponseWriter, _ *http.Request) { flush(w) },
		"a flush before the body": func(w http.ResponseWriter, _ *http.Request) { flush(w); send(w, chatAnswer) },
		"a body, then a flush":    func(w http.ResponseWriter, _ *http.Request) { send(w, chatAnswer); flush(w) },
		"no content type, said": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			send(w, chatAnswer)
		},
		"an encoding and no type": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "Content-Encoding", "br")
			send(w, "\x0b\x02\x80")
		},
		"a stream": func(w http.ResponseWriter, _ *http.Request) {
			stream(w)
			for range 3 {
				send(w, chatEvent)
				flush(w)
			}
			send(w, chatEnd)
		},
		"a stream without flushes": func(w http.ResponseWriter, _ *http.Request) { stream(w); send(w, chatEvent+chatEnd) },
		"2 KiB":                    func(w http.ResponseWriter, _ *http.Request) { send(w, padded(2048)) },
		"2 KiB and one byte":       func(w http.ResponseWriter, _ *http.Request) { send(w, padded(2049)) },
		"100 KiB":                  func(w http.ResponseWriter, _ *http.Request) { send(w, padded(100<<10)) },
		"100 KiB with its length": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "Content-Length", fmt.Sprint(100<<10))
			send(w, padded(100<<10))
		},
		"many small writes": func(w http.ResponseWriter, _ *http.Request) {
			for _, c := range []byte(padded(5000)) {
				_, _ = w.Write([]byte{c})
			}
		},
		"headers after the first write": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "X-RateLimit-Limit", "1")
			send(w, "{")
			set(w, "X-RateLimit-Limit", "2")
			set(w, "X-RateLimit-Remaining", "2")
			w.Header().Del("Content-Type")
			send(w, "}")
		},
		"headers after the first flush": func(w http.ResponseWriter, _ *http.Request) {
			stream(w)
			send(w, chatEvent)
			flush(w)
			set(w, "X-RateLimit-Limit", "2")
			send(w, chatEnd)
		},
		"headers after the status": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			set(w, "Retry-After", "2")
		},
		"429 with headers": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "Content-Type", "application/json")
			set(w, "Retry-After", "2")
			set(w, "X-RateLimit-Limit", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			send(w, `{"error":{"message":"no"}}`)
		},
		"two statuses": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			w.WriteHeader(http.StatusOK)
			send(w, "no")
		},
		"a status after the body": func(w http.ResponseWriter, _ *http.Request) {
			send(w, chatAnswer)
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"early hints": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "Link", "</a>")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"names that are not canonical": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["x-ratelimit-limit"] = []string{"1"}
			w.Header()["X-RATELIMIT-limit"] = []string{"0"}
			w.Header()["X-Ratelimit-Limit"] = []string{"2", "3"}
			send(w, "{}")
		},
		"odd values": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["X-Ratelimit-Limit"] = []string{" 1\r\n2 ", ""}
			w.Header()["X-Ratelimit-Reset"] = []string{}
		},
		"204 with a body": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
			if n, err := w.Write([]byte("no")); n != 0 || err == nil {
				panic(fmt.Sprintf("wrote %d bytes and %v", n, err))
			}
		},
		"304": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
		"less than was said": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "Content-Length", "1000")
			send(w, chatAnswer)
		},
		"more than was said": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "Content-Length", "2")
			send(w, "{}")
			if n, err := w.Write([]byte("more")); n != 0 || err == nil {
				panic(fmt.Sprintf("wrote %d bytes and %v", n, err))
			}
		},
		"abort at once": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"abort behind the status": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			panic(http.ErrAbortHandler)
		},
		"abort behind what was not flushed": func(w http.ResponseWriter, _ *http.Request) {
			send(w, chatAnswer)
			panic(http.ErrAbortHandler)
		},
		"abort in the body": func(w http.ResponseWriter, _ *http.Request) {
			set(w, "Content-Type", "application/json")
			send(w, chatAnswer[:10])
			flush(w)
			panic(http.ErrAbortHandler)
		},
		"abort in the stream": func(w http.ResponseWriter, _ *http.Request) {
			stream(w)
			send(w, chatEvent)
			flush(w)
			send(w, chatEvent)
			panic(http.ErrAbortHandler)
		},
		"abort behind 3 KiB": func(w http.ResponseWriter, _ *http.Request) {
			send(w, padded(3000))
			panic(http.ErrAbortHandler)
		},
		"abort in a stream of small writes": func(w http.ResponseWriter, _ *http.Request) {
			stream(w)
			for range 100 {
				send(w, chatEvent)
			}
			panic(http.ErrAbortHandler)
		},
		"the request": func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			again, errAgain := r.Body.Read(make([]byte, 1))
			_, _ = fmt.Fprintf(w, "%s %s %q, path %s, query %s, host set %t, uri %s, length %d, asked %s, body %q %v, then %d %v",
				r.Method, r.Proto, r.URL.Scheme, r.URL.Path, r.URL.RawQuery, r.Host != "", r.RequestURI, r.ContentLength,
				r.Header.Get("X-Asked"), body, err, again, errAgain)
		},
	}
}

// TestBothWorldsOnTheWire compares what net/http's own client sees.
func TestBothWorldsOnTheWire(t *testing.T) {
	for name, f := range handlers() {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			t.Run(name+", "+method, func(t *testing.T) {
				t.Parallel()
				var seen [2]wire
				for i, w := range worlds() {
					w.play(t, still(f), func(p place) {
						body := ""
						if method == http.MethodPost {
							body = "asked"
						}
						seen[i] = p.exchange(method, body)
					})
				}
				if diff := cmp.Diff(seen[1], seen[0]); diff != "" {
					t.Errorf("the worlds differ (-sockets +virtual):\n%s", diff)
				}
			})
		}
	}
}

// TestBothWorldsGiveOneRecord compares the records of the driver.
func TestBothWorldsGiveOneRecord(t *testing.T) {
	for name, f := range handlers() {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream %t", name, stream), func(t *testing.T) {
				t.Parallel()
				var records [2]history.Attempt
				for i, w := range worlds() {
					w.play(t, still(f), func(p place) {
						records[i] = untimed(p.driver().Do(t.Context(), p.request(stream)))
					})
				}
				if diff := cmp.Diff(records[1], records[0]); diff != "" {
					t.Errorf("the worlds differ (-sockets +virtual):\n%s", diff)
				}
				if name == "plain JSON" && !stream && (records[0].Status != 200 || records[0].Usage == nil || records[0].Error != "") {
					t.Errorf("an answer gave %+v", records[0])
				}
			})
		}
	}
}
