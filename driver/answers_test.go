package driver_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/ratecheck/ratecheck/history"
)

const (
	typeJSON = "application/json"
	typeHTML = "text/html; charset=utf-8"
)

func TestPlainAnswers(t *testing.T) {
	html := "<!doctype html><title>Welcome</title>"
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   history.Attempt
		words  []string
	}{
		"an answer": {
			answer: body(200, typeJSON, plainAnswer),
			want:   history.Attempt{Status: 200, Usage: plainUsage},
		},
		"without usage": {
			answer: body(200, typeJSON, `{"choices":[]}`),
			want:   history.Attempt{Status: 200},
		},
		"usage null": {
			answer: body(200, typeJSON, `{"choices":[],"usage":null,"error":null}`),
			want:   history.Attempt{Status: 200},
		},
		"JSON under another type": {
			answer: body(200, "text/plain", "\n "+plainAnswer),
			want:   history.Attempt{Status: 200, Usage: plainUsage},
		},
		"HTML": {
			answer: body(200, typeHTML, html),
			want:   history.Attempt{Status: 200, Error: history.Garbled, Excerpt: html},
			words:  []string{"status 200", "text/html"},
		},
		"HTML that says it is JSON": {
			answer: body(200, typeJSON, html),
			want:   history.Attempt{Status: 200, Error: history.Garbled, Excerpt: html},
		},
		"nothing": {
			answer: body(200, typeJSON, ""),
			want:   history.Attempt{Status: 200, Error: history.Garbled},
		},
		"an array": {
			answer: body(200, typeJSON, `[{"usage":{}}]`),
			want:   history.Attempt{Status: 200, Error: history.Garbled, Excerpt: `[{"usage":{}}]`},
		},
		"null": {
			answer: body(200, typeJSON, ` null`),
			want:   history.Attempt{Status: 200, Error: history.Garbled, Excerpt: ` null`},
		},
		"a string": {
			answer: body(200, typeJSON, `"ok"`),
			want:   history.Attempt{Status: 200, Error: history.Garbled, Excerpt: `"ok"`},
		},
		"half an object": {
			answer: body(200, typeJSON, `{"choices":[`),
			want:   history.Attempt{Status: 200, Error: history.Garbled, Excerpt: `{"choices":[`},
		},
		"usage that is no count": {
			answer: body(200, typeJSON, `{"usage":{"total_tokens":"many"}}`),
			want:   history.Attempt{Status: 200, Error: history.Garbled, Excerpt: `{"usage":{"total_tokens":"many"}}`},
			words:  []string{"total_tokens"},
		},
		"an error with status 200": {
			answer: body(200, typeJSON, plainError),
			want:   history.Attempt{Status: 200, Error: history.Garbled, Excerpt: plainError},
			words:  []string{"an error"},
		},
		"a stream where none was asked for": {
			answer: body(200, typeSSE, wholeStream),
			want:   history.Attempt{Status: 200, Error: history.Garbled, Usage: plainUsage, Events: 4, DoneSeen: true},
			words:  []string{"no stream was asked for"},
		},
		"a refusal in a stream where none was asked for": {
			answer: body(200, typeSSE, "data: "+plainError+"\n\n"),
			want:   history.Attempt{Status: 200, Events: 1, ErrorEvent: true, Excerpt: plainError},
		},
		"401 JSON": {
			answer: body(401, typeJSON, plainError),
			want:   history.Attempt{Status: 401, Excerpt: plainError},
		},
		"401 HTML": {
			answer: body(401, typeHTML, html),
			want:   history.Attempt{Status: 401, Excerpt: html},
		},
		"429 JSON": {
			answer: body(429, typeJSON, plainError),
			want:   history.Attempt{Status: 429, Excerpt: plainError},
		},
		"429 HTML": {
			answer: body(429, typeHTML, html),
			want:   history.Attempt{Status: 429, Excerpt: html},
		},
		"429 as a stream": {
			answer: body(429, typeSSE, "data: "+plainError+"\n\n"),
			want:   history.Attempt{Status: 429, Excerpt: "data: " + plainError + "\n\n"},
		},
		"500 JSON": {
			answer: body(500, typeJSON, plainError),
			want:   history.Attempt{Status: 500, Excerpt: plainError},
		},
		"500 HTML": {
			answer: body(500, typeHTML, html),
			want:   history.Attempt{Status: 500, Excerpt: html},
		},
		"204": {
			answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
			want:   history.Attempt{Status: 204},
		},
		"a redirect": {
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(http.StatusTemporaryRedirect)
			},
			want: history.Attempt{Status: 307},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v1/chat/completions" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				c.answer(w, r)
			})
			check(t, do(t, d, false), c.want, c.words...)
		})
	}
}

func TestPlainAnswerWhereAStreamWasAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   history.Attempt
	}{
		"JSON": {
			answer: body(200, typeJSON, plainAnswer),
			want:   history.Attempt{Status: 200, Error: history.Garbled, Usage: plainUsage},
		},
		"HTML": {
			answer: body(200, typeHTML, "<p>"),
			want:   history.Attempt{Status: 200, Error: history.Garbled, Excerpt: "<p>"},
		},
		"a refusal by status": {
			answer: body(429, typeJSON, plainError),
			want:   history.Attempt{Status: 429, Excerpt: plainError},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, do(t, serve(t, c.answer), true), c.want)
		})
	}
}

// TestWhatIsSent holds the request itself to what a target may expect.
func TestWhatIsSent(t *testing.T) {
	for name, stream := range map[string]bool{"plain": false, "stream": true} {
		t.Run(name, func(t *testing.T) {
			d := serve(t, func(w http.ResponseWriter, r *http.Request) {
				content, err := io.ReadAll(r.Body)
				if err != nil || string(content) != `{"model":"m"}` || r.ContentLength != int64(len(content)) {
					t.Errorf("the body is %q, its length %d, %v", content, r.ContentLength, err)
				}
				accept := ""
				if stream {
					accept = typeSSE
				}
				for name, want := range map[string]string{
					"Authorization": "Bearer " + bearer, "Content-Type": typeJSON, "User-Agent": "ratecheck", "Accept": accept,
				} {
					if got := r.Header.Get(name); got != want {
						t.Errorf("%s: %s, want %s", name, got, want)
					}
				}
				if r.Method != http.MethodPost {
					t.Errorf("method %s", r.Method)
				}
				w.WriteHeader(http.StatusNoContent)
			})
			d.URL.Path = "/prefix/"
			check(t, do(t, d, stream), history.Attempt{Status: 204})
		})
	}
}
