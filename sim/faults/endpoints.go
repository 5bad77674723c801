package faults

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/sim"
)

func endpointFaults() []Fault {
	return []Fault{
		{
			Name: "no-rate-headers-on-plain-messages", Breaks: "headers/on-answers", Endpoints: []string{history.Messages},
			Sentence: "plain answers of /v1/messages carry no rate headers (LiteLLM 27748, up to 1.98)",
			Apply: onHeadersOf([]string{history.Messages}, func(h http.Header, status int) int {
				if status == http.StatusOK && !strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
					dropRateHeaders(h)
				}
				return 0
			}),
		},
		{
			Name: "no-rate-headers-on-message-streams", Breaks: "headers/on-streams", Endpoints: []string{history.Messages},
			Sentence: "streams of /v1/messages carry no rate headers, plain answers do (LiteLLM 27748)",
			Apply: onHeadersOf([]string{history.Messages}, func(h http.Header, status int) int {
				if status == http.StatusOK && strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
					dropRateHeaders(h)
				}
				return 0
			}),
		},
		{
			Name: "other-streams-free", Breaks: "tokens/streams-counted", Endpoints: []string{history.Responses, history.Messages},
			Sentence: "streams of /v1/responses and /v1/messages cost nothing (AISIX 688)",
			Apply: freeWhere(func(r *http.Request, body []byte) bool {
				return isOf(r, history.Responses, history.Messages) && bytes.Contains(body, []byte(`"stream":true`))
			}),
		},
		{
			Name: "no-retry-after-on-completions-and-messages", Breaks: "refusal/retry-after", Endpoints: []string{history.Completions, history.Messages},
			Sentence: "refusals on /v1/completions and /v1/messages do not say when to come back (LiteLLM, all releases)",
			Apply: onHeadersOf([]string{history.Completions, history.Messages}, func(h http.Header, _ int) int {
				h.Del("Retry-After")
				return 0
			}),
		},
		{
			Name: "embeddings-uncounted", Breaks: "tokens/endpoints-counted", Endpoints: []string{history.Embeddings},
			Sentence: "an embedding costs one token, whatever it used (LiteLLM 17706, up to 1.89)",
			Apply:    usageWhere("1", func(r *http.Request, _ []byte) bool { return isOf(r, history.Embeddings) }),
		},
		{
			Name: "completions-uncounted", Breaks: "tokens/endpoints-counted", Endpoints: []string{history.Completions},
			Sentence: "a text completion that is not streamed costs one token, whatever it used (LiteLLM 30105, up to 1.89)",
			Apply: usageWhere("1", func(r *http.Request, body []byte) bool {
				return isOf(r, history.Completions) && !bytes.Contains(body, []byte(`"stream":true`))
			}),
		},
		{
			Name: "messages-refused-as-detail", Breaks: "refusal/body", Endpoints: []string{history.Messages},
			Sentence: `a refusal's body on /v1/messages is {"detail": ...}, which no SDK shows`,
			Apply: func(p *sim.Parts) {
				p.Wrap = onlyOn([]string{history.Messages}, rewriteRefusal("application/json", `{"detail":"slow down"}`))
			},
		},
	}
}

// isOf says whether a request is to one of these endpoints.
func isOf(r *http.Request, endpoints ...string) bool {
	return slices.ContainsFunc(endpoints, func(name string) bool { return r.URL.Path == history.EndpointPath(name) })
}

// onlyOn wraps the handler for requests to these endpoints alone.
func onlyOn(endpoints []string, wrap func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		wrapped := wrap(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isOf(r, endpoints...) {
				wrapped.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// onHeadersOf is onHeaders for the answers of these endpoints.
func onHeadersOf(endpoints []string, change func(h http.Header, status int) int) func(*sim.Parts) {
	return func(p *sim.Parts) { p.Wrap = onlyOn(endpoints, changeHeaders(change)) }
}
