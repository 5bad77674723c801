package driver_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
)

// serveTLS answers over TLS, and over HTTP/2 if that is wanted.
func serveTLS(t *testing.T, http2 bool, h http.HandlerFunc) *driver.Driver {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = http2
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	d := to(t, server.URL)
	trusting := server.Client().Transport.(*http.Transport).TLSClientConfig
	d.Transport.(*http.Transport).TLSClientConfig = trusting.Clone()
	return d
}

func TestHTTP2(t *testing.T) {
	event := "data: " + textChunk + "\n\n"
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		stream bool
		want   history.Attempt
	}{
		"plain": {
			answer: body(200, typeJSON, plainAnswer),
			want:   history.Attempt{Status: 200, Usage: plainUsage},
		},
		"stream": {
			answer: pieces(wholeStream, 50), stream: true,
			want: history.Attempt{Status: 200, Usage: plainUsage, Events: 4, DoneSeen: true},
		},
		"refused with the body unread": {
			answer: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTooManyRequests) },
			want:   history.Attempt{Status: 429, Excerpt: "no\n"},
		},
		"reset before the headers": {
			answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			want:   history.Attempt{Error: history.Reset},
		},
		"reset in the answer": {
			answer: func(w http.ResponseWriter, r *http.Request) {
				body(200, typeJSON, plainAnswer[:20])(w, r)
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			},
			want: history.Attempt{Status: 200, Error: history.Cut},
		},
		"reset in the stream": {
			answer: func(w http.ResponseWriter, r *http.Request) {
				body(200, typeSSE, event)(w, r)
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			},
			stream: true,
			want:   history.Attempt{Status: 200, Error: history.Cut, Events: 1},
		},
		"early hints": {
			answer: func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusEarlyHints)
				body(200, typeJSON, plainAnswer)(w, r)
			},
			want: history.Attempt{Status: 200, Usage: plainUsage},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := serveTLS(t, true, func(w http.ResponseWriter, r *http.Request) {
				if r.ProtoMajor != 2 {
					t.Errorf("asked over %s", r.Proto)
				}
				c.answer(w, r)
			})
			check(t, do(t, d, c.stream), c.want)
		})
	}
}

func TestHTTP2Hang(t *testing.T) {
	left := make(chan struct{})
	d := serveTLS(t, true, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(left)
	})
	d.Deadline = soon
	check(t, do(t, d, false), history.Attempt{Error: history.Deadline})
	<-left
}

func TestTLS(t *testing.T) {
	t.Run("HTTP/1.1", func(t *testing.T) {
		check(t, do(t, serveTLS(t, false, body(200, typeJSON, plainAnswer)), false), history.Attempt{Status: 200, Usage: plainUsage})
	})
	t.Run("a certificate that is not trusted", func(t *testing.T) {
		d := serveTLS(t, false, body(200, typeJSON, plainAnswer))
		d.Transport.(*http.Transport).TLSClientConfig = nil
		check(t, do(t, d, false), history.Attempt{Error: history.Unreachable}, "x509")
	})
	t.Run("a certificate for another host", func(t *testing.T) {
		d := serveTLS(t, false, body(200, typeJSON, plainAnswer))
		d.Transport.(*http.Transport).TLSClientConfig.ServerName = "elsewhere.test"
		a := do(t, d, false)
		check(t, a, history.Attempt{Error: history.Unreachable}, "for another host")
	})
	t.Run("a port without TLS", func(t *testing.T) {
		d := serve(t, body(200, typeJSON, plainAnswer))
		d.URL.Scheme = "https"
		check(t, do(t, d, false), history.Attempt{Error: history.Garbled}, "TLS handshake")
	})
	t.Run("no TLS to a port with it", func(t *testing.T) {
		d := serveTLS(t, false, body(200, typeJSON, plainAnswer))
		d.URL.Scheme = "http"
		check(t, do(t, d, false), history.Attempt{Status: 400, Excerpt: "Client sent an HTTP request to an HTTPS server.\n"})
	})
}
