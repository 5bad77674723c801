package faults

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
)

func numberFaults() []Fault {
	return []Fault{
		{
			Name: "limit-told-wrong", Breaks: "headers/limit-true",
			Sentence: "the limits told are ten times those enforced",
			Apply: onHeaders(func(h http.Header, _ int) int {
				for name := range h {
					if n, err := strconv.Atoi(h.Get(name)); err == nil && strings.HasPrefix(strings.ToLower(name), "x-ratelimit-api_key-limit-") {
						h.Set(name, strconv.Itoa(10*n))
					}
				}
				return 0
			}),
		},
		{
			Name: "remaining-never-falls", Breaks: "headers/remaining-true",
			Sentence: "remaining is told as it was before anything was charged (Envoy AI Gateway 1754)",
			Apply: onHeaders(func(h http.Header, _ int) int {
				if h.Get("x-ratelimit-api_key-limit-requests") == "" {
					return 0 // the numbers told are the provider's
				}
				for name := range h {
					lower := strings.ToLower(name)
					if strings.HasPrefix(lower, "x-ratelimit-") && strings.HasSuffix(lower, "-remaining-requests") {
						h.Set(name, h.Get(strings.Replace(lower, "remaining", "limit", 1)))
					}
				}
				return 0
			}),
		},
		{
			Name: "providers-numbers", Breaks: "headers/key-before-provider",
			Sentence: "the unprefixed rate headers carry the provider's numbers though the key has limits (LiteLLM, all releases)",
			Apply: onHeaders(func(h http.Header, _ int) int {
				for _, what := range []string{"limit-requests", "remaining-requests", "limit-tokens", "remaining-tokens"} {
					if v := h.Get("llm_provider-x-ratelimit-" + what); v != "" {
						h.Set("x-ratelimit-"+what, v)
					}
				}
				return 0
			}),
		},
	}
}

func fairnessFaults() []Fault {
	return []Fault{
		{
			Name: "calls-twice", Breaks: "requests/one-upstream-call",
			Sentence: "every tenth upstream call is made again although it succeeded",
			Apply:    func(p *sim.Parts) { p.Transport = &repeater{next: p.Transport} },
		},
		{
			Name: "refusals-charged", Breaks: "requests/refused-not-charged",
			Sentence: "a request that is refused for its slot or its tokens is charged as a request (LiteLLM 39309)",
			Apply:    func(p *sim.Parts) { p.Store = &refusalCharger{p.Store} },
		},
		{
			Name: "half-of-tokens-usable", Breaks: "tokens/limit-usable",
			Sentence: "only half of a token limit can be used",
			Apply: func(p *sim.Parts) {
				p.Store = &altered{Store: p.Store, alter: func(it *reference.Item, _ time.Time) {
					if it.Limits[reference.Tokens] == 500 {
						it.Limits[reference.Tokens] /= 2
					}
				}}
			},
		},
		{
			Name: "floor-of-1024", Breaks: "tokens/small-limit-usable",
			Sentence: "a request without max_tokens reserves 1024 tokens, however small the limit (LiteLLM 28805)",
			Apply: func(p *sim.Parts) {
				p.Wrap = floorOf1024
				// It is a reservation: the provider does not hear of it.
				onBodies(func(body map[string]any) {
					if body["max_tokens"] == json.Number("1024") {
						delete(body, "max_tokens")
					}
				})(p)
			},
		},
		{
			Name: "refusal-as-text", Breaks: "refusal/body",
			Sentence: "a refusal's body is plain text",
			Apply:    refusalBody("text/plain", "slow down\n"),
		},
		{
			Name: "refusal-as-detail", Breaks: "refusal/body",
			Sentence: `a refusal's body is {"detail": ...}, which no SDK shows`,
			Apply:    refusalBody("application/json", `{"detail":"slow down"}`),
		},
		{
			Name: "never-fits-comes-back", Breaks: "refusal/never-fits",
			Sentence: "a request that can never fit is told to come back after a second (LiteLLM)",
			Apply: onHeaders(func(h http.Header, _ int) int {
				if h.Get("X-Should-Retry") == "false" {
					h.Del("X-Should-Retry")
					h.Set("Retry-After", "1")
				}
				return 0
			}),
		},
	}
}

// repeater makes every tenth small call twice.
type repeater struct {
	next http.RoundTripper
	made int
}

func (t *repeater) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	again := req.Clone(req.Context())
	req.Body, again.Body = io.NopCloser(bytes.NewReader(body)), io.NopCloser(bytes.NewReader(body))
	const every = 10
	small := bytes.Contains(body, []byte(`"max_tokens":4,`))
	if small {
		t.made++
	}
	if small && t.made%every == 0 {
		first, err := t.next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(io.Discard, first.Body); err != nil {
			return nil, err
		}
		if err := first.Body.Close(); err != nil {
			return nil, err
		}
		return t.next.RoundTrip(again)
	}
	return t.next.RoundTrip(req)
}

// refusalCharger charges a request for each that was refused for anything else.
type refusalCharger struct{ reference.Store }

func (s *refusalCharger) Reserve(now time.Time, items []reference.Item) reference.Decision {
	d := s.Store.Reserve(now, items)
	if !d.Admitted && d.Kind != reference.Requests && items[0].Limits[reference.Requests] != reference.Unlimited {
		charge := reference.Item{Descriptor: items[0].Descriptor}
		charge.Amounts[reference.Requests] = 1
		s.Store.Reserve(now, []reference.Item{charge})
	}
	return d
}

// floorOf1024 states max_tokens where the client of a chat did not and its key's
// token limit is below that.
func floorOf1024(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if isOf(r, history.Chat) && !bytes.Contains(body, []byte(`"max_tokens"`)) {
			body = bytes.Replace(body, []byte("{"), []byte(`{"max_tokens":1024,`), 1)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// refusalBody writes another body into every 429.
func refusalBody(kind, text string) func(*sim.Parts) {
	return func(p *sim.Parts) { p.Wrap = rewriteRefusal(kind, text) }
}

func rewriteRefusal(kind, text string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			refusal := false
			next.ServeHTTP(&rewriter{headerWriter{ResponseWriter: w, change: func(h http.Header, status int) int {
				if refusal = status == http.StatusTooManyRequests; refusal {
					h.Set("Content-Type", kind)
				}
				return 0
			}}, func(p []byte) []byte {
				if refusal {
					return []byte(text)
				}
				return p
			}}, r)
		})
	}
}

// rewriter writes other bodies.
type rewriter struct {
	headerWriter
	body func([]byte) []byte
}

func (w *rewriter) Write(p []byte) (int, error) {
	if _, err := w.headerWriter.Write(w.body(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
