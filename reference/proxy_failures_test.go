package reference_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

func keyHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// says is an upstream that sends these pieces one by one, a second apart, and
// then ends or, with cut, breaks the connection.
func says(kind string, cut bool, clk func(time.Duration), pieces ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		for i, piece := range pieces {
			if i > 0 && clk != nil {
				clk(time.Second)
			}
			_, _ = io.WriteString(w, piece)
			w.(http.Flusher).Flush()
		}
		if cut {
			panic(http.ErrAbortHandler)
		}
	})
}

// status is an upstream that answers with a status and these headers.
func status(code int, body string, headers ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	})
}

func TestRule15UpstreamErrorGivesTokensAndSlotBack(t *testing.T) {
	tests := []struct {
		name string
		c    setting
		want int
	}{
		{"500", setting{upstream: status(500, `{"error":{}}`)}, 500},
		{"400", setting{upstream: status(400, `{"error":{}}`)}, 400},
		{"404", setting{upstream: status(404, `not found`)}, 404},
		{"429", setting{upstream: status(429, `{"error":{}}`)}, 429},
		{"503 with a usage", setting{upstream: status(503, `{"usage":{"total_tokens":77}}`)}, 503},
		{"500 that calls itself a stream", setting{upstream: status(500, "data: {}\n\n", "Content-Type", "text/event-stream")}, 500},
		{"redirect", setting{upstream: status(307, ``, "Location", "/elsewhere")}, 307},
		{"no content", setting{upstream: status(204, ``)}, 204},
		{"unreachable", setting{nowhere: true}, 502},
		{"cut before the headers", setting{upstream: abort()}, 502},
		{"JSON body cut", setting{upstream: says("application/json", true, nil, `{"choices":[`)}, 502},
		{"error body cut", setting{upstream: cutError()}, 502},
	}
	for _, tt := range tests {
		for _, fields := range []string{`"max_tokens":90`, `"max_tokens":90,"stream":true`} {
			t.Run(tt.name+" "+fields, func(t *testing.T) {
				tt.c.keys = oneKey(10, 1000, 1)
				play(t, tt.c, func(s *stage) {
					a := s.chat(ask("n", fields))
					s.wantStatus("answer", a, tt.want)
					if a.err != nil {
						s.Errorf("the error is not whole: %v", a.err)
					}
					s.wantLeft("afterwards", left{"9", "1000", "1"})
				})
			})
		}
	}
}

func cutError() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "{")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
}

func TestRule15FailFirstThenSucceed(t *testing.T) {
	play(t, setting{keys: oneKey(10, 1000, 1)}, func(s *stage) {
		s.script("n", history.Script{PromptTokens: 10, CompletionTokens: 5, Status: 500, FailFirst: 3})
		for range 3 {
			s.wantStatus("failing call", s.chat(ask("n", `"max_tokens":900`)), 500)
		}
		s.wantStatus("retry", s.chat(ask("n", `"max_tokens":900`)), 200)
		s.wantLeft("after three failures and a success", left{"6", "985", "1"})
	})
}

func TestRule15NoUsageLeavesTheReservation(t *testing.T) {
	for _, fields := range []string{`"max_tokens":90`, `"max_tokens":90,"stream":true`} {
		play(t, setting{keys: oneKey(10, 1000, 1)}, func(s *stage) {
			s.script("n", history.Script{PromptTokens: 10, CompletionTokens: 5, WithoutUsage: true})
			s.wantStatus(fields, s.chat(ask("n", fields)), 200)
			s.wantLeft(fields, left{"9", "900", "1"})
		})
	}
}

// What an upstream says of a plain answer, however odd, is charged or leaves the
// reservation; it never raises what is left above the limit.
func TestRule15UsageOfAPlainAnswer(t *testing.T) {
	tests := []struct {
		name, answer, want string
	}{
		{"total", `{"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":50}}`, "950"},
		{"no total", `{"usage":{"prompt_tokens":30,"completion_tokens":7}}`, "963"},
		{"more than was reserved", `{"usage":{"total_tokens":400}}`, "600"},
		{"more than the limit", `{"usage":{"total_tokens":4000}}`, "0"},
		{"negative", `{"usage":{"total_tokens":-400}}`, "1000"},
		{"null", `{"usage":null}`, "900"},
		{"no object", `{"usage":"many"}`, "900"},
		{"not JSON", `<html>`, "900"},
		{"nothing", ``, "900"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, setting{keys: oneKey(-1, 1000, -1), upstream: status(200, tt.answer)}, func(s *stage) {
				a := s.chat(ask("n", `"max_tokens":90`))
				if a.status != 200 || a.body != tt.answer {
					s.Errorf("got %d %q, want the upstream's bytes", a.status, a.body)
				}
				s.wantLeft("afterwards", left{tokens: tt.want})
			})
		})
	}
}

func TestRule15ClientThatLeavesAPlainAnswerPaysItsInput(t *testing.T) {
	play(t, setting{keys: oneKey(10, 1000, 1)}, func(s *stage) {
		s.script("n", history.Script{PromptTokens: 10, CompletionTokens: 50, Latency: 5 * time.Second})
		if a := s.chatFor(2*time.Second, ask("n", `"max_tokens":90`)); a.err == nil {
			s.Errorf("the client did not leave")
		}
		s.sleep(time.Millisecond)
		if calls, inFlight := s.provider.Finished(0); inFlight != 0 || !calls[0].Gone {
			s.Errorf("the upstream was not told to stop")
		}
		s.wantLeft("afterwards", left{"9", "990", "1"})
	})
}

// A plain answer is produced as a whole before its first byte, so a client that
// leaves within it does not get its tokens back.
func TestRule15ClientThatLeavesWithinAPlainAnswer(t *testing.T) {
	wait := func(time.Duration) {}
	upstream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		says("application/json", false, wait, `{"choices":[{"message":{"content":"`+strings.Repeat("a", 400), `"}}]}`).ServeHTTP(w, r)
	})
	play(t, setting{keys: oneKey(-1, 1000, 1), upstream: upstream}, func(s *stage) {
		wait = s.sleep
		s.chatFor(500*time.Millisecond, ask("n", `"max_tokens":190`))
		s.sleep(time.Millisecond)
		s.wantLeft("afterwards", left{tokens: "800", slots: "1"})
	})
}

func TestUpstreamRefusalIsPassedOn(t *testing.T) {
	for _, fields := range []string{``, `"stream":true`} {
		const body = `{"error":{"message":"slow down","type":"rate_limit_error"}}`
		upstream := status(429, body, "Retry-After", "17", "Retry-After-Ms", "16500", "X-Request-Id", "r1")
		play(t, setting{keys: oneKey(10, 1000, 1), upstream: upstream}, func(s *stage) {
			a := s.chat(ask("n", fields))
			if a.status != 429 || a.body != body {
				s.Errorf("got %d %s", a.status, a.body)
			}
			for name, want := range map[string]string{
				"Retry-After": "17", "Retry-After-Ms": "16500", "Content-Type": "application/json",
				"llm_provider-retry-after": "17", "llm_provider-x-request-id": "r1", "X-Request-Id": "",
				"rate_limit_type": "", // it was not this proxy that refused
			} {
				if got := a.header.Get(name); got != want {
					s.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

// No client may make the upstream take it for someone else, and the proxy's own
// keys are nobody's business upstream.
func TestNothingOfTheClientLeaksUpstream(t *testing.T) {
	var got http.Header
	upstream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		status(200, `{}`, "Connection", "keep-alive", "Keep-Alive", "timeout=5", "Set-Cookie", "a=b").ServeHTTP(w, r)
	})
	play(t, setting{keys: oneKey(10, -1, -1), upstream: upstream}, func(s *stage) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost,
			"http://proxy.internal/v1/chat/completions", strings.NewReader(ask("n", "")))
		if err != nil {
			s.Error(err)
			return
		}
		for _, name := range []string{
			"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "Api-Key", "Connection", "Te", "Trailer", "Upgrade",
			"Transfer-Encoding", "Keep-Alive", "X-Forwarded-For", "Openai-Organization",
		} {
			req.Header.Set(name, "x-secret")
		}
		req.Header.Set("Authorization", "Bearer "+testKey)
		a := s.do(req)
		s.wantStatus("request", a, 200)
		if text := fmt.Sprint(got); strings.Contains(text, "x-secret") || strings.Contains(text, testKey) {
			s.Errorf("the upstream saw %v", got)
		}
		if got.Get("Content-Type") != "application/json" {
			s.Errorf("Content-Type upstream: %q", got.Get("Content-Type"))
		}
		for _, name := range []string{"Connection", "Keep-Alive", "Set-Cookie"} {
			if v, there := a.header[name]; there {
				s.Errorf("the client got the upstream's %s: %v", name, v)
			}
		}
	})
}
