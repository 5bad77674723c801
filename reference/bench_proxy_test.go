package reference

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

// benchBody is a chat completion as a client sends it, some 340 bytes.
const benchBody = `{"model":"m","messages":[{"role":"system","content":"You are a helpful assistant that answers in one short paragraph."},` +
	`{"role":"user","content":"Explain in plain words what a token bucket is, how it differs from a sliding window, and when one would take which of the two for a public API."}],` +
	`"max_tokens":100,"temperature":0.2}`

// benchAnswer is a chat completion as a provider answers it, some 600 bytes.
const benchAnswer = `{"id":"chatcmpl-9f8e7d6c5b4a","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant",` +
	`"content":"A token bucket refills at a steady rate and lets short bursts through; a sliding window counts what came in the last minute. Take the bucket where bursts are welcome, and the window where a promise about any minute has to be kept to the letter."},` +
	`"finish_reason":"stop"}],"usage":{"prompt_tokens":58,"completion_tokens":52,"total_tokens":110},"system_fingerprint":"fp_0123456789"}`

// cannedUpstream answers without a network.
type cannedUpstream struct{}

func (cannedUpstream) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}, "Date": {"Sun, 22 Nov 2026 12:00:00 GMT"}},
		ContentLength: int64(len(benchAnswer)), Body: io.NopCloser(strings.NewReader(benchAnswer)),
	}, nil
}

// everybody has one policy.
type everybody struct{ policy Policy }

func (e everybody) Lookup(string) (Policy, bool) { return e.policy, true }

// BenchmarkProxyHandler is what a chat completion costs beside the sockets: in
// the standard library's reverse proxy, and in ours with a request limit and a
// token limit, and with slots.
func BenchmarkProxyHandler(b *testing.B) {
	upstream := &url.URL{Scheme: "http", Host: "127.0.0.1:4001", Path: "/v1"}
	most := ample
	ours := func(slots *int64) http.Handler {
		return NewProxy(ProxyConfig{
			Clock: clock.System{}, Store: NewMemory(), Keys: everybody{NewPolicy(&most, &most, slots)}, Window: time.Minute,
			Upstream: upstream, Transport: cannedUpstream{}, Version: "1.2.3",
		})
	}
	for _, of := range []struct {
		name string
		http.Handler
	}{
		{"plain", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(upstream) }, Transport: cannedUpstream{}}},
		{"ours", ours(nil)},
		{"ours, slots", ours(&most)},
	} {
		b.Run(of.name, func(b *testing.B) {
			b.ReportAllocs()
			w := httptest.NewRecorder()
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(benchBody))
				r.Header.Set("Authorization", "Bearer sk-1")
				clear(w.Header())
				w.Body.Reset()
				of.ServeHTTP(w, r)
				if w.Body.Len() != len(benchAnswer) {
					b.Fatalf("answered %d %s", w.Code, w.Body)
				}
			}
		})
	}
}
