package reference_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

// A retried request was charged its usage less what it had reserved, and freed
// two slots.
func TestDefect11ARetriedRequestIsChargedOnce(t *testing.T) {
	u := &scripted{answers: []http.Handler{status(500, `{}`), fine}}
	withDeployments(t, oneKey(10, 1000, 1), u, func(s *stage) {
		s.wantStatus("answer", s.chat(ask("n", `"max_tokens":90`)), 200)
		s.wantLeft("afterwards", left{"9", "985", "1"})
	})
}

// Retry-After was a whole window whenever the refusal came, and reset_at local
// time that called itself UTC.
func TestDefect12RefusalTellsWhenTheWindowEnds(t *testing.T) {
	c := setting{keys: oneKey(1, -1, -1), zone: time.FixedZone("Paris", 2*60*60)}
	play(t, c, func(s *stage) {
		s.chat(ask("n", ""))
		ends := s.store.last().at.Add(testWindow)
		s.sleep(5 * time.Second)
		a := s.chat(ask("n", ""))
		if got := a.header.Get("retry-after"); got != "3" {
			s.Errorf("retry-after %s with 2.5 s left", got)
		}
		resets := ends.Add(time.Second - 1).Truncate(time.Second).UTC().Format("2006-01-02 15:04:05 UTC")
		if got := a.header.Get("reset_at"); got != resets || !strings.Contains(a.body, resets) {
			s.Errorf("reset_at %s, %s; want %s", got, a.body, resets)
		}
	})
}

// What to do stood only in headers with underscores, which some proxies drop.
func TestDefect13RefusalIsReadableWithoutItsUnderscores(t *testing.T) {
	play(t, setting{keys: oneKey(-1, -1, 0)}, func(s *stage) {
		a := s.chat(ask("n", ""))
		if got := a.header.Get("rate_limit_type"); got != "max_parallel_requests" || !strings.Contains(a.body, "Limit type: "+got) {
			s.Errorf("the type %q, and %s", got, a.body)
		}
	})
	play(t, setting{keys: oneKey(1, -1, -1)}, func(s *stage) {
		s.chat(ask("n", ""))
		a := s.chat(ask("n", ""))
		for _, name := range []string{"retry-after", "retry-after-ms", "x-ratelimit-reset-requests"} {
			if a.header.Get(name) == "" {
				s.Errorf("no %s", name)
			}
		}
	})
}

// A team's model limit stood in the list twice, and counted twice.
func TestDefect14ATeamsModelLimitIsNotHalved(t *testing.T) {
	play(t, newOwners().limit(reference.ScopeModelPerTeam, 2, 200, -1).setting(), func(s *stage) {
		for range 2 {
			s.wantStatus("within the limit", s.chat(ask("n", `"max_tokens":1`)), 200)
		}
		s.wantRefused("third", s.chat(ask("n", `"max_tokens":1`)), reference.ScopeModelPerTeam, "requests")
	})
}

// The refusal named the first owner of a scope, not the one that refused.
func TestDefect15TheOwnerThatRefusedIsNamed(t *testing.T) {
	o := newOwners().limit(reference.ScopeTeam, 1, -1, -1).limit(reference.ScopeUser, 5, -1, -1)
	o.policy.User.ID = "t2"
	play(t, o.setting(), func(s *stage) {
		s.chat(ask("n", ""))
		a := s.chat(ask("n", ""))
		s.wantRefused("second", a, reference.ScopeTeam, "requests")
		if !strings.Contains(a.body, "team: "+hashed("t1")+".") || !strings.Contains(a.body, "Current limit: 1, Remaining: 0") {
			s.Errorf("the refusal says %s", a.body)
		}
	})
}

// The estimate did not see pictures, tools, several answers, system prompts, or
// a maximum of 0.
func TestDefect20TheEstimateSeesTheWholeRequest(t *testing.T) {
	text := strings.Repeat("a", 400)
	for _, tt := range []struct {
		endpoint, body string
		want           int64
	}{
		{history.Chat, `{"messages":[{"content":[{"type":"image_url","image_url":{"url":"x"}}]}],"max_tokens":1}`, 766},
		{history.Chat, `{"messages":[{"content":[{"type":"input_audio"}]}],"max_tokens":1}`, 601},
		{history.Chat, `{"messages":[],"tools":["` + text[:396] + `"],"max_tokens":1}`, 101},
		{history.Chat, `{"messages":[{"content":"` + text + `"}],"n":5,"max_tokens":20}`, 200},
		{history.Chat, `{"messages":[{"content":"` + text + `"}],"max_tokens":0}`, 100},
		{history.Messages, `{"system":"` + text + `","messages":[],"max_tokens":1}`, 101},
		{history.Responses, `{"instructions":"` + text + `","input":"` + text + `","max_output_tokens":50}`, 250},
	} {
		play(t, setting{keys: oneKey(-1, 10_000, -1), upstream: newRecorder()}, func(s *stage) {
			if got := 10_000 - remaining(s.at(tt.endpoint, tt.body), reference.ScopeKey, "tokens"); got != tt.want {
				s.Errorf("%.60s reserves %d, want %d", tt.body, got, tt.want)
			}
		})
	}
}

// A small limit put a maximum into the client's body.
func TestDefect21TheBodyIsNotTouched(t *testing.T) {
	for _, endpoint := range history.Endpoints() {
		upstream := newRecorder()
		body := strings.NewReplacer(`"max_tokens":20,`, "", `"max_output_tokens":20,`, "").Replace(askAt(endpoint, "n", false))
		play(t, setting{keys: oneKey(-1, 1000, -1), upstream: upstream}, func(s *stage) { s.wantStatus(endpoint, s.at(endpoint, body), 200) })
		if len(upstream.bodies) != 1 || upstream.bodies[0] != body {
			t.Errorf("%s: %s went on as %q", endpoint, body, upstream.bodies)
		}
	}
}

// What can never fit was told to come back in a window, for ever.
func TestDefect22WhatNeverFitsIsToldSo(t *testing.T) {
	play(t, setting{keys: oneKey(-1, 100, -1)}, func(s *stage) {
		a := s.chat(ask("n", `"max_tokens":200`))
		s.wantStatus("200 of 100", a, 429)
		if a.header.Get("retry-after") != "" || a.header.Get("x-should-retry") != "false" {
			s.Errorf("told %v", a.header)
		}
	})
}

// The reservation was of all tokens whichever of them count.
func TestDefect23ReservationIsOfTheSameKind(t *testing.T) {
	play(t, basisSetting(reference.OutputTokens, 100), func(s *stage) {
		long := strings.Replace(ask("slow", `"max_tokens":20`), "   ", strings.Repeat("a", 4000), 1)
		s.script("slow", history.Script{PromptTokens: 1000, CompletionTokens: 20, Latency: time.Second})
		s.together(5, func(int) { s.wantStatus("one of five at once", s.chat(long), 200) })
	})
}

// Answers of other kinds than a chat's were taken for free.
func TestDefect24EveryKindOfAnswerIsCharged(t *testing.T) {
	for _, basis := range []reference.TokenBasis{reference.TotalTokens, reference.InputTokens} {
		for _, endpoint := range history.Endpoints() {
			c := basisSetting(basis, 100)
			play(t, c, func(s *stage) {
				s.script("n", history.Script{PromptTokens: 40, CompletionTokens: 10})
				admitted := 0
				for s.at(endpoint, askAt(endpoint, "n", false)).status == 200 && admitted < 20 {
					admitted++
				}
				if admitted > 3 {
					s.Errorf("%v: %d answers of 40 and 10 tokens fit a limit of 100 at %s", basis, admitted, endpoint)
				}
			})
		}
	}
}

// A session and an end user were found in one place to reserve and in another
// to settle.
func TestDefect25ReservedAndSettledOnTheSameOwner(t *testing.T) {
	for _, scope := range []string{reference.ScopeAgentSession, reference.ScopeEndUser} {
		play(t, newOwners().limit(scope, -1, 100, -1).setting(), func(s *stage) {
			s.script("n", history.Script{PromptTokens: 2, CompletionTokens: 3})
			const names = `"user":"e1","litellm_session_id":"s1","metadata":{"agent_id":"a1","session_id":"s2","trace_id":"s3"},` +
				`"litellm_metadata":{"session_id":"s4","user_api_key_end_user_id":"e2"},"max_tokens":80`
			for i := range int64(3) {
				if got, want := remaining(s.chat(ask("n", names)), scope, "tokens"), 10-5*i; got != want {
					s.Errorf("%s: %d remain after %d settled requests, want %d", scope, got, i, want)
				}
			}
		})
	}
}

// A call of another kind passed every limit. Batches come with their own
// counting; until then there is no such endpoint.
func TestDefect28NoCallPassesTheLimits(t *testing.T) {
	play(t, setting{keys: oneKey(0, -1, -1)}, func(s *stage) {
		for _, endpoint := range history.Endpoints() {
			s.wantStatus(endpoint, s.at(endpoint, askAt(endpoint, "n", false)), 429)
		}
		for _, path := range []string{"/v1/batches", "/v1/files", "/v1/images/generations"} {
			s.wantStatus(path, s.send(t.Context(), "POST", path, testKey, ask("n", "")), 404)
		}
		if calls, _ := s.provider.Finished(0); len(calls) != 0 {
			s.Errorf("%d calls went upstream", len(calls))
		}
	})
}

// Streams and answers that were plain dictionaries had no rate headers.
func TestDefect30HeadersOnEveryKindOfAnswer(t *testing.T) {
	for _, endpoint := range history.Endpoints() {
		for _, stream := range []bool{false, true} {
			play(t, setting{keys: oneKey(5, 1000, 2)}, func(s *stage) {
				a := s.at(endpoint, askAt(endpoint, "n", stream))
				if got := len(rates(a.header)); got != 12 {
					s.Errorf("%s, stream %v: %d rate headers, want 12: %v", endpoint, stream, got, rates(a.header))
				}
			})
		}
	}
}

// A guard that refused kept the slot.
func TestDefectGuardLeaksNoSlot(t *testing.T) {
	play(t, guarded(oneKey(100, 1000, 1)), func(s *stage) {
		for range 5 {
			s.wantStatus("denied", s.chat(`{"messages":[{"content":"secret plan"}]}`), 400)
		}
		s.wantStatus("allowed", s.chat(ask("n", `"max_tokens":1`)), 200)
	})
}

// An `input` in a chat's body made its output free.
func TestDefectInputInAChatIsNoEmbedding(t *testing.T) {
	play(t, setting{keys: oneKey(-1, 1000, -1)}, func(s *stage) {
		a := s.chat(ask("n", `"input":"a","max_tokens":500`))
		if got := remaining(a, reference.ScopeKey, "tokens"); got != 1000-askInput-500 {
			s.Errorf("%d of 1000 remain", got)
		}
	})
}

// What a client sent as the limiter's own answer became its headers.
func TestDefectAClientsWordsAreNoHeaders(t *testing.T) {
	forged := `"litellm_proxy_rate_limit_response":{"overall_code":"OK","statuses":[` +
		`{"code":"OK","descriptor_key":"forged","rate_limit_type":"requests","current_limit":999,"limit_remaining":998}]}`
	for _, fields := range []string{forged, `"metadata":{` + forged + `}`, `"litellm_metadata":{` + forged + `}`} {
		play(t, setting{keys: oneKey(5, -1, -1)}, func(s *stage) {
			a := s.chat(ask("n", fields))
			if text := fmt.Sprint(rates(a.header)); a.status != 200 || strings.Contains(text, "forged") || strings.Contains(text, "99") {
				s.Errorf("%s: %d %v", fields, a.status, a.header)
			}
		})
	}
}

// A user without a team was the member of a team called None, with all others
// like it.
func TestDefectNoMemberWithoutATeam(t *testing.T) {
	member := &reference.TeamMember{Limits: limits(1, -1, -1)}
	keys := keyring{
		testKey:  {User: &reference.User{ID: "u1"}, TeamMember: member},
		"sk-two": {Team: &reference.Team{ID: "t1"}, TeamMember: member},
	}
	play(t, setting{keys: keys}, func(s *stage) {
		for key := range keys {
			for range 3 {
				a := s.send(t.Context(), "POST", "/v1/chat/completions", key, ask("n", ""))
				s.wantStatus(key, a, 200)
				if len(rates(a.header)) != 0 || !json.Valid([]byte(a.body)) {
					s.Errorf("%s: %v", key, rates(a.header))
				}
			}
		}
	})
}
