package faults

import (
	"net/http"
	"strings"
	"sync"

	"github.com/ratecheck/ratecheck/sim"
)

func providerFaults() []Fault {
	return []Fault{
		{
			Name: "providers-numbers-stale", Breaks: "headers/provider-fallback",
			Sentence: "where a key has no limit of a kind, the numbers told are those of the provider's answer before",
			Apply: func(p *sim.Parts) {
				last := &lastNumbers{told: map[string]string{}}
				onHeaders(last.tell)(p)
			},
		},
		{
			Name: "provider-headers-twice", Breaks: "headers/provider-passed",
			Sentence: "what the provider said is passed on twice, as where two layers do so",
			Apply: onHeaders(func(h http.Header, _ int) int {
				for name, values := range h {
					if strings.HasPrefix(strings.ToLower(name), "llm_provider-x-ratelimit-") {
						h[name] = append(values, values...)
					}
				}
				return 0
			}),
		},
		{
			Name: "provider-headers-lost-on-streams", Breaks: "headers/provider-passed",
			Sentence: "streams do not pass on what the provider's headers say, plain answers do",
			Apply: onHeaders(func(h http.Header, _ int) int {
				if !strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
					return 0
				}
				for name := range h {
					if strings.HasPrefix(strings.ToLower(name), "llm_provider-") {
						h.Del(name)
					}
				}
				return 0
			}),
		},
	}
}

// lastNumbers remembers what the provider told last.
type lastNumbers struct {
	mu   sync.Mutex
	told map[string]string
}

func (l *lastNumbers) tell(h http.Header, _ int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, kind := range []string{"requests", "tokens"} {
		for _, what := range []string{"limit-", "remaining-"} {
			name := "x-ratelimit-" + what + kind
			if l.told[name] != "" && h.Get("x-ratelimit-api_key-limit-"+kind) == "" {
				h.Set(name, l.told[name])
			}
			if now := h.Get("llm_provider-" + name); now != "" {
				l.told[name] = now
			}
		}
	}
	return 0
}
