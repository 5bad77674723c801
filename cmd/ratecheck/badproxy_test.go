package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim/provider"
	"github.com/ratecheck/ratecheck/target"
)

// badProxy is a program: the reference proxy with our provider behind it, and
// around it what its argument names. It serves until its input or its patience
// ends.
func badProxy() {
	template, err := target.ParseTemplate(defaultTemplate)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	c := clock.System{}
	p := httptest.NewServer(provider.New(c, c.Now()))
	upstream, err := url.Parse(p.URL + "/v1")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	sound := reference.NewProxy(reference.ProxyConfig{
		Clock: c, Store: reference.NewMemory(), Keys: templateKeys{template}, Window: 3 * time.Second,
		Upstream: upstream, Transport: driver.NewTransport(),
	})
	modes := map[string]func(http.Handler) http.Handler{
		"unauthorized": always(401, "application/json", `{"error":{"message":"no such key: sk-secret"}}`),
		"commanding":   always(500, "text/plain", "\x1b[2J\x1b]0;mine\x07 an error"),
		"full":         always(429, "application/json", `{"error":{"message":"budget"}}`),
		"moved":        func(http.Handler) http.Handler { return http.RedirectHandler("/elsewhere", http.StatusFound) },
		"unknown":      always(404, "application/json", `{"error":{"message":"no such model"}}`),
		"html":         always(200, "text/html", "<html><body>Welcome to nginx!</body></html>"),
		"html-later":   laterOnly(always(200, "text/html", "<html>maintenance</html>")),
		"hang":         hang,
		"elsewhere":    always(200, "application/json", `{"object":"chat.completion","choices":[]}`),
		"gzip":         gzipped,
		"early-hints":  earlyHints,
		"large-events": largeEvents,
		"cut-streams":  cutStreams,
		"chat-only":    chatOnly,
	}
	wrap, known := modes[os.Args[1]]
	if !known {
		fmt.Printf("no such mode: %q\n", os.Args[1])
		os.Exit(1)
	}
	proxy := httptest.NewServer(wrap(sound))
	fmt.Printf("bad proxy at %s with provider %s is ready\n", proxy.URL, p.URL)
	const longest = 3 * time.Minute
	_ = c.Sleep(context.Background(), longest)
}

func always(status int, kind, body string) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
}

// laterOnly lets the first request, the handshake, through.
func laterOnly(wrap func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var seen atomic.Int64
		bad := wrap(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if seen.Add(1) == 1 {
				next.ServeHTTP(w, r)
				return
			}
			bad.ServeHTTP(w, r)
		})
	}
}

// chatOnly has messages answered with 404, responses with an embedding,
// completions by somebody else and embeddings not at all.
func chatOnly(next http.Handler) http.Handler {
	others := map[string]http.Handler{
		"/v1/messages":    always(404, "application/json", `{"detail":"Not Found"}`)(next),
		"/v1/responses":   always(200, "application/json", `{"object":"list","data":[]}`)(next),
		"/v1/completions": always(200, "application/json", `{"object":"text_completion","choices":[]}`)(next),
		"/v1/embeddings": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		}),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if other, has := others[r.URL.Path]; has {
			other.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hang(http.Handler) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
}

func earlyHints(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		next.ServeHTTP(w, r)
	})
}

func gzipped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer func() { _ = z.Close() }()
		next.ServeHTTP(&bodyWriter{ResponseWriter: w, write: func(p []byte) error {
			if _, err := z.Write(p); err != nil {
				return err
			}
			return z.Flush()
		}}, r)
	})
}

// largeEvents puts an event of 1 MiB before every stream's first.
func largeEvents(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first := true
		next.ServeHTTP(&bodyWriter{ResponseWriter: w, write: func(p []byte) error {
			if first && strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
				first = false
				if _, err := fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}\n\n", strings.Repeat("x", 1<<20)); err != nil {
					return err
				}
			}
			_, err := w.Write(p)
			return err
		}}, r)
	})
}

// cutStreams breaks every stream off after its first event.
func cutStreams(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		events := 0
		next.ServeHTTP(&bodyWriter{ResponseWriter: w, write: func(p []byte) error {
			if strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
				if events++; events > 1 {
					panic(http.ErrAbortHandler)
				}
			}
			_, err := w.Write(p)
			return err
		}}, r)
	})
}

// bodyWriter writes the body in another way.
type bodyWriter struct {
	http.ResponseWriter
	write func([]byte) error
}

func (w *bodyWriter) Write(p []byte) (int, error) {
	if err := w.write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *bodyWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}
