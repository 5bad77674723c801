package reference_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

// typed is a key with limits of 2 requests, 1000 tokens and 2 slots and these
// limit types.
func typed(requests, tokens reference.LimitType) keyring {
	p := limited(2, 1000, 2)
	p.Key.RPMType, p.Key.TPMType = requests, tokens
	return keyring{testKey: p}
}

// failing is an upstream that fails while it is told to, and else uses 10 and 5
// tokens.
type failing struct{ fails bool }

func (f *failing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.fails {
		status(503, `{}`).ServeHTTP(w, r)
		return
	}
	status(200, `{"usage":{"prompt_tokens":10,"completion_tokens":5}}`).ServeHTTP(w, r)
}

// TestRule10DynamicRefusesOnlyWhileADeploymentFails: more than one failure
// within a minute, and not a moment longer.
func TestRule10DynamicRefusesOnlyWhileADeploymentFails(t *testing.T) {
	f := &failing{}
	play(t, setting{keys: typed(reference.Dynamic, ""), upstream: f, window: time.Hour}, func(s *stage) {
		for range 5 {
			s.wantStatus("healthy, over the limit", s.chat(ask("", `"max_tokens":5`)), 200)
		}
		f.fails = true
		s.wantStatus("first failure", s.chat(ask("", `"max_tokens":5`)), 503)
		began := s.clock.Now()
		s.wantStatus("one failure is not more than one", s.chat(ask("", `"max_tokens":5`)), 503)
		f.fails = false
		a := s.chat(ask("", `"max_tokens":5`))
		s.wantRefused("two failures", a, reference.ScopeKey, "requests")
		// What was counted while nothing was refused still counts.
		if got := remaining(a, reference.ScopeKey, "requests"); got != 0 {
			s.Errorf("%d requests remain after seven of two", got)
		}
		s.sleep(began.Add(58 * time.Second).Sub(s.clock.Now()))
		s.wantRefused("58 s later", s.chat(ask("", `"max_tokens":5`)), reference.ScopeKey, "requests")
		s.sleep(3 * time.Second)
		s.wantStatus("after a minute", s.chat(ask("", `"max_tokens":5`)), 200)
	})
}

// TestRule10TypesAreIndependent: each limit by its own type, the slots always.
func TestRule10TypesAreIndependent(t *testing.T) {
	types := []reference.LimitType{"", reference.GuaranteedThroughput, reference.BestEffortThroughput, reference.Dynamic}
	for _, rpm := range types {
		for _, tpm := range types {
			what := "rpm " + string(rpm) + ", tpm " + string(tpm)
			play(t, setting{keys: typed(rpm, tpm), upstream: &failing{}}, func(s *stage) {
				tokens := s.chat(ask("", `"max_tokens":2000`))
				if tpm == reference.Dynamic {
					s.wantStatus(what+": too many tokens", tokens, 200)
				} else {
					s.wantRefused(what+": too many tokens", tokens, reference.ScopeKey, "tokens")
				}
				s.chat(ask("", `"max_tokens":5`))
				s.chat(ask("", `"max_tokens":5`))
				requests := s.chat(ask("", `"max_tokens":5`))
				if rpm == reference.Dynamic {
					s.wantStatus(what+": too many requests", requests, 200)
				} else {
					s.wantRefused(what+": too many requests", requests, reference.ScopeKey, "requests")
				}
			})
		}
	}
	play(t, setting{keys: typed(reference.Dynamic, reference.Dynamic)}, func(s *stage) {
		s.script("slow", history.Script{Latency: 5 * time.Second})
		s.inFlight(2, ask("slow", ""), func() {
			s.wantRefused("a third in flight", s.chat(ask("", "")), reference.ScopeKey, "max_parallel_requests")
		})
	})
}

// TestRule10OnlyTheKeysOwnLimitsAreDynamic: the type says nothing of other
// scopes.
func TestRule10OnlyTheKeysOwnLimitsAreDynamic(t *testing.T) {
	o := newOwners().limit(reference.ScopeTeam, 1, -1, -1).limit(reference.ScopeModelPerKey, 1, -1, -1)
	o.policy.Key.RPMType = reference.Dynamic
	play(t, o.setting(), func(s *stage) {
		s.wantStatus("first", s.chat(ask("", "")), 200)
		s.wantRefused("second", s.chat(ask("", "")), reference.ScopeTeam, "requests")
	})
}

// log is a FailureLog that says what it is told to.
type log struct {
	exceeds map[string]bool
	err     error
	asked   []int
}

func (*log) Failed(string, time.Time) {}

func (l *log) Exceeds(deployment string, threshold int, _ time.Time) (bool, error) {
	l.asked = append(l.asked, threshold)
	return l.exceeds[deployment], l.err
}

// TestRule10WhoseFailuresCount: those of any deployment of the model; what
// cannot be read enforces; no model and no deployment are healthy.
func TestRule10WhoseFailuresCount(t *testing.T) {
	tests := []struct {
		name    string
		log     log
		body    string
		refused bool
	}{
		{"none fails", log{}, ask("", ""), false},
		{"one of two fails", log{exceeds: map[string]bool{"m-2": true}}, ask("", ""), true},
		{"another model's fails", log{exceeds: map[string]bool{"other-1": true}}, ask("", ""), false},
		{"failures cannot be read", log{err: errors.New("no store")}, ask("", ""), true},
		{"no model", log{err: errors.New("no store")}, `{"messages":[{"role":"user","content":"a"}]}`, false},
	}
	for _, tt := range tests {
		c := setting{keys: typed(reference.Dynamic, ""), upstream: &failing{}}
		threshold := 7
		c.configure = func(p *reference.ProxyConfig) {
			p.Deployments = []reference.Deployment{
				{ID: "m-1", Model: "m", Upstream: p.Upstream}, {ID: "m-2", Model: "m", Upstream: p.Upstream},
				{ID: "other-1", Model: "other", Upstream: p.Upstream},
			}
			p.Failures, p.FailureThreshold = &tt.log, &threshold
		}
		play(t, c, func(s *stage) {
			for i := range 3 {
				a := s.chat(tt.body)
				if refused := a.status == 429; refused != (tt.refused && i == 2) {
					s.Errorf("%s: request %d: %d %s", tt.name, i+1, a.status, a.body)
				}
			}
		})
		for _, asked := range tt.log.asked {
			if asked != threshold {
				t.Errorf("%s: asked for more than %d failures, want %d", tt.name, asked, threshold)
			}
		}
	}
}

// TestRule10WhatIsAFailure: an answer that says so or breaks, streamed or not;
// not what is wrong with the request, and not a client that leaves.
func TestRule10WhatIsAFailure(t *testing.T) {
	const stream = "text/event-stream"
	chunk := "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
	for _, tt := range []struct {
		name     string
		upstream http.Handler
		path     string
		want     bool
	}{
		{"500", status(500, `{}`), "/v1/chat/completions", true},
		{"429", status(429, `{}`), "/v1/chat/completions", true},
		{"no answer", abort(), "/v1/chat/completions", true},
		{"a plain answer that breaks", says("application/json", true, nil, `{"a":`), "/v1/chat/completions", true},
		{"a stream that breaks", says(stream, true, nil, chunk), "/v1/chat/completions", true},
		{"a stream that ends early", says(stream, false, nil, chunk), "/v1/chat/completions", true},
		{"a stream that says so", says(stream, false, nil, "data: {\"type\":\"response.failed\"}\n\n"), "/v1/responses", true},
		{"400", status(400, `{}`), "/v1/chat/completions", false},
		{"404", status(404, `{}`), "/v1/chat/completions", false},
		{"a whole stream", says(stream, false, nil, chunk, "data: [DONE]\n\n"), "/v1/chat/completions", false},
	} {
		play(t, setting{keys: typed(reference.Dynamic, ""), upstream: tt.upstream}, func(s *stage) {
			for range 2 {
				s.send(t.Context(), http.MethodPost, tt.path, testKey, ask("", `"max_tokens":5,"stream":true`))
			}
			a := s.send(t.Context(), http.MethodPost, tt.path, testKey, ask("", `"max_tokens":5`))
			if refused := a.header.Get("rate_limit_type") != ""; refused != tt.want {
				s.Errorf("%s twice: %d %s, refused %v", tt.name, a.status, a.body, refused)
			}
		})
	}
	for _, fields := range []string{``, `"stream":true`} {
		play(t, setting{keys: typed(reference.Dynamic, "")}, func(s *stage) {
			s.script("slow", history.Script{Latency: 2 * time.Second, Chunks: 5, ChunkDelay: time.Second})
			for _, patience := range []time.Duration{time.Second, time.Second, 4 * time.Second, 4 * time.Second} {
				s.chatFor(patience, ask("slow", fields))
			}
			s.wantStatus("after four that left", s.chat(ask("", "")), 200)
		})
	}
}
