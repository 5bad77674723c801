package faults

import (
	"bytes"
	"net/http"

	"github.com/ratecheck/ratecheck/sim"
)

func namingFaults() []Fault {
	return []Fault{
		{
			Name: "names-requests-always", Breaks: "refusal/names-limit",
			Sentence: "a refusal names requests, whichever limit refused (LiteLLM 15716)",
			Apply:    renameLimit("requests"),
		},
		{
			Name: "names-slots-for-tokens", Breaks: "refusal/names-limit",
			Sentence: "a refusal for tokens names requests in flight in its text alone",
			Apply: func(p *sim.Parts) {
				p.Wrap = rewriteLimitType([]byte("Limit type: tokens"), []byte("Limit type: max_parallel_requests"))
			},
		},
	}
}

// renameLimit has every refusal name one kind of limit, in header and text.
func renameLimit(kind string) func(*sim.Parts) {
	return func(p *sim.Parts) {
		inHeader := changeHeaders(func(h http.Header, status int) int {
			if status == http.StatusTooManyRequests {
				h.Set("Rate_limit_type", kind)
			}
			return 0
		})
		p.Wrap = func(next http.Handler) http.Handler {
			for _, other := range []string{"tokens", "max_parallel_requests"} {
				next = rewriteLimitType([]byte("Limit type: "+other), []byte("Limit type: "+kind))(next)
			}
			return inHeader(next)
		}
	}
}

// rewriteLimitType replaces words in what is answered.
func rewriteLimitType(words, by []byte) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&rewriter{
				headerWriter{ResponseWriter: w, change: func(http.Header, int) int { return 0 }},
				func(p []byte) []byte { return bytes.ReplaceAll(p, words, by) },
			}, r)
		})
	}
}
