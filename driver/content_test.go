package driver_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
)

func TestExcerptIsShortAndWholeText(t *testing.T) {
	for name, c := range map[string]struct{ sent, want string }{
		"long":              {strings.Repeat("a", 1000), strings.Repeat("a", 400)},
		"between two runes": {strings.Repeat("é", 1000), strings.Repeat("é", 200)},
		"within a rune":     {"a" + strings.Repeat("é", 1000), "a" + strings.Repeat("é", 199)},
		"not UTF-8":         {"caf\xe9 \xff\xfe", "caf� �"},
		"NUL":               {"a\x00b", "a\x00b"},
	} {
		t.Run(name, func(t *testing.T) {
			a := do(t, serve(t, body(503, typeHTML, c.sent)), false)
			check(t, a, history.Attempt{Status: 503, Excerpt: c.want})
		})
	}
}

func TestKeyIsRedacted(t *testing.T) {
	const redacted = "key [key] is not known"
	echo := func(status int, contentType, before, after string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			w.Header().Set("X-Litellm-Key", key)
			body(status, contentType, before+"key "+key+" is not known"+after)(w, r)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   history.Attempt
	}{
		"in an error": {
			answer: echo(401, typeJSON, "", ""),
			want:   history.Attempt{Status: 401, Excerpt: redacted},
		},
		"in a page": {
			answer: echo(200, typeHTML, "", ""),
			want:   history.Attempt{Status: 200, Error: history.Garbled, Excerpt: redacted},
		},
		"across the end of the excerpt": {
			answer: echo(500, typeHTML, strings.Repeat("-", 390), ""),
			want:   history.Attempt{Status: 500, Excerpt: strings.Repeat("-", 390) + "key [key] "},
		},
		"in an event": {
			answer: echo(200, typeSSE, `data: {"error":"`, "\"}\n\n"),
			want:   history.Attempt{Status: 200, Events: 1, ErrorEvent: true, Excerpt: `{"error":"` + redacted + `"}`},
		},
		"in a content type": {
			answer: func(w http.ResponseWriter, r *http.Request) { body(200, "text/"+bearer, "")(w, r) },
			want:   history.Attempt{Status: 200, Error: history.Garbled},
		},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, do(t, serve(t, c.answer), strings.Contains(name, "event")), c.want) // do looks for the key
		})
	}
}

// zipped answers in gzip, flushing after every few bytes.
func zipped(contentType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			http.Error(w, "gzip is not accepted", http.StatusNotAcceptable)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		for rest := text; rest != ""; {
			n := min(len(rest), 10)
			_, _ = io.WriteString(z, rest[:n])
			_ = z.Flush()
			w.(http.Flusher).Flush()
			rest = rest[n:]
		}
		_ = z.Close()
	}
}

func TestCompressedAnswers(t *testing.T) {
	plain := history.Attempt{Status: 200, Usage: plainUsage}
	check(t, do(t, serve(t, zipped(typeJSON, plainAnswer)), false), plain)

	check(t, do(t, serve(t, zipped(typeSSE, wholeStream)), true),
		history.Attempt{Status: 200, Usage: plainUsage, Events: 4, DoneSeen: true})

	lie := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		body(200, typeJSON, plainAnswer)(w, r)
	}
	check(t, do(t, serve(t, lie), false), history.Attempt{Status: 200, Error: history.Garbled}, "gzip")

	corrupt := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		body(200, typeJSON, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"+strings.Repeat("\xff", 100))(w, r)
	}
	check(t, do(t, serve(t, corrupt), false), history.Attempt{Status: 200, Error: history.Garbled}, "gzip")

	short := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		body(200, typeJSON, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")(w, r)
	}
	check(t, do(t, serve(t, short), false), history.Attempt{Status: 200, Error: history.Cut})

	unasked := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		body(200, typeJSON, "\x0b\x02")(w, r)
	}
	check(t, do(t, serve(t, unasked), false), history.Attempt{Status: 200, Error: history.Garbled, Excerpt: "\x0b\x02"})
}

func TestOversizedBody(t *testing.T) {
	fill := func(status int, n int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", typeJSON)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"usage":null,"x":"`)
			for block := strings.Repeat("x", 1<<16); n > 0; n -= len(block) {
				if _, err := io.WriteString(w, block[:min(n, len(block))]); err != nil {
					return
				}
			}
			_, _ = io.WriteString(w, `"}`)
		}
	}
	const frame = len(`{"usage":null,"x":""}`)
	check(t, do(t, serve(t, fill(200, driver.MaxBody-frame)), false), history.Attempt{Status: 200})
	a := do(t, serve(t, fill(200, driver.MaxBody-frame+1)), false)
	check(t, a, history.Attempt{Status: 200, Error: history.Oversized}, "8388608")
	a = do(t, serve(t, fill(429, driver.MaxBody)), false)
	if a.Status != 429 || a.Error != history.Oversized || len(a.Excerpt) != 400 {
		t.Errorf("status %d, error %s, excerpt of %d bytes", a.Status, a.Error, len(a.Excerpt))
	}
}

// closeCounter counts how often a body is closed.
type closeCounter struct {
	io.Reader
	closed int
}

func (c *closeCounter) Close() error {
	c.closed++
	return nil
}

func TestBodyIsClosed(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header http.Header
		text   string
	}{
		"whole":          {200, http.Header{"Content-Type": {typeJSON}}, plainAnswer},
		"garbled":        {200, http.Header{"Content-Type": {typeHTML}}, "<p>"},
		"refused":        {429, nil, "no"},
		"101":            {101, nil, ""},
		"oversized":      {200, nil, strings.Repeat("x", driver.MaxBody+10)},
		"a stream":       {200, http.Header{"Content-Type": {typeSSE}}, wholeStream},
		"a wrong stream": {200, http.Header{"Content-Type": {typeSSE}}, "data: x\n\n" + wholeStream},
	} {
		t.Run(name, func(t *testing.T) {
			counter := &closeCounter{Reader: strings.NewReader(c.text)}
			d := to(t, "http://target.internal")
			d.Transport = transport(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: c.status, Header: c.header, Body: counter}, nil
			})
			if a := do(t, d, false); a.Status != c.status || counter.closed != 1 {
				t.Errorf("status %d, closed %d times", a.Status, counter.closed)
			}
		})
	}
}
