package faults

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/ratecheck/ratecheck/sim"
)

func wireFaults() []Fault {
	return []Fault{
		{
			Name: "no-rate-headers", Breaks: "headers/on-answers",
			Sentence: "no answer carries rate headers",
			Apply:    onHeaders(func(h http.Header, _ int) int { dropRateHeaders(h); return 0 }),
		},
		{
			Name: "no-rate-headers-on-streams", Breaks: "headers/on-streams",
			Sentence: "streams carry no rate headers, plain answers do (LiteLLM 27748)",
			Apply: onHeaders(func(h http.Header, _ int) int {
				if strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
					dropRateHeaders(h)
				}
				return 0
			}),
		},
		{
			Name: "refuses-with-503", Breaks: "refusal/status",
			Sentence: "refuses with 503 instead of 429, as APISIX does by default",
			Apply: onHeaders(func(_ http.Header, status int) int {
				if status == http.StatusTooManyRequests {
					return http.StatusServiceUnavailable
				}
				return 0
			}),
		},
		{
			Name: "refuses-in-the-stream", Breaks: "refusal/before-stream",
			Sentence: "answers a stream with 200 and tells the refusal as its first event (Kuadrant wasm-shim 372)",
			Apply:    func(p *sim.Parts) { p.Wrap = refuseInStream },
		},
		{
			Name: "no-retry-after", Breaks: "refusal/retry-after",
			Sentence: "a refusal does not say when to come back",
			Apply:    onHeaders(func(h http.Header, _ int) int { h.Del("Retry-After"); return 0 }),
		},
		{
			Name: "retry-after-as-duration", Breaks: "refusal/retry-after",
			Sentence: "Retry-After is a duration such as 1m0s, which no SDK reads",
			Apply: onHeaders(func(h http.Header, _ int) int {
				if v := h.Get("Retry-After"); v != "" {
					h.Set("Retry-After", v+"s")
				}
				return 0
			}),
		},
		{
			Name: "retry-after-half", Breaks: "refusal/retry-after-sufficient",
			Sentence: "Retry-After tells half of the time that it takes",
			Apply: onHeaders(func(h http.Header, _ int) int {
				if n, err := strconv.Atoi(h.Get("Retry-After")); err == nil {
					h.Set("Retry-After", strconv.Itoa(n/2))
				}
				return 0
			}),
		},
	}
}

func dropRateHeaders(h http.Header) {
	for name := range h {
		if strings.HasPrefix(strings.ToLower(name), "x-ratelimit-") {
			h.Del(name)
		}
	}
}

// onHeaders changes the headers and the status of every answer just before they
// go out. A status of 0 leaves it.
func onHeaders(change func(h http.Header, status int) int) func(*sim.Parts) {
	return func(p *sim.Parts) { p.Wrap = changeHeaders(change) }
}

func changeHeaders(change func(h http.Header, status int) int) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&headerWriter{ResponseWriter: w, change: change}, r)
		})
	}
}

type headerWriter struct {
	http.ResponseWriter
	change func(http.Header, int) int
	wrote  bool
}

func (w *headerWriter) WriteHeader(status int) {
	if !w.wrote {
		w.wrote = true
		if other := w.change(w.Header(), status); other != 0 {
			status = other
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *headerWriter) Write(p []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

func (w *headerWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// refuseInStream turns the 429 of a stream into a stream.
func refuseInStream(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !bytes.Contains(body, []byte(`"stream":true`)) {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(&inStreamWriter{headerWriter{ResponseWriter: w, change: func(h http.Header, status int) int {
			if status != http.StatusTooManyRequests {
				return 0
			}
			h.Set("Content-Type", "text/event-stream")
			return http.StatusOK
		}}, false}, r)
	})
}

// inStreamWriter writes the body of a refusal as an event.
type inStreamWriter struct {
	headerWriter
	refusal bool
}

func (w *inStreamWriter) WriteHeader(status int) {
	w.refusal = status == http.StatusTooManyRequests
	w.headerWriter.WriteHeader(status)
}

func (w *inStreamWriter) Write(p []byte) (int, error) {
	if !w.refusal {
		return w.headerWriter.Write(p)
	}
	if _, err := w.ResponseWriter.Write([]byte("data: " + string(p) + "\n\n")); err != nil {
		return 0, err
	}
	return len(p), nil
}
