package reference_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

func TestRule01ProxyAdmitsExactlyTheLimit(t *testing.T) {
	const limit = 7
	for seed := range uint64(5) {
		play(t, setting{keys: oneKey(limit, -1, -1), seed: seed}, func(s *stage) {
			for window := range 3 {
				got := map[int]int{}
				s.together(5*limit, func(int) { got[s.chat(ask("n", "")).status]++ })
				if got[200] != limit || got[429] != 4*limit {
					s.Errorf("seed %d, window %d: statuses %v, want %d admitted and the rest refused", seed, window+1, got, limit)
				}
				s.sleep(testWindow)
			}
		})
	}
}

func TestRule02ProxyUsesTheConfiguredWindow(t *testing.T) {
	for _, window := range []time.Duration{700 * time.Millisecond, testWindow, time.Minute, 2 * time.Hour} {
		t.Run(window.String(), func(t *testing.T) {
			play(t, setting{keys: oneKey(2, 1000, -1), window: window}, func(s *stage) {
				s.script("n", history.Script{PromptTokens: 3, CompletionTokens: 4, Latency: min(window/2, 9*time.Minute)})
				first := s.chat(ask("n", `"max_tokens":90`))
				s.wantStatus("first", first, 200)
				opened := s.store.last().at
				ceil := func(d time.Duration) string {
					return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
				}
				// The header counts from when the answer left the proxy, a
				// delay of the network ago.
				for _, kind := range []string{"requests", "tokens"} {
					got, err := strconv.ParseInt(first.header.Get("x-ratelimit-reset-"+kind), 10, 64)
					ends := opened.Add(window).Sub(first.at)
					if waits := time.Duration(got) * time.Second; err != nil || waits < ends || waits > ends+time.Second+time.Millisecond {
						s.Errorf("x-ratelimit-reset-%s: %q with %v left of a window of %v", kind, first.header.Get("x-ratelimit-reset-"+kind), ends, window)
					}
				}
				// Settled within the window, whatever its length.
				s.wantLeft("after the first answer", left{requests: "1", tokens: "993"})

				s.wantStatus("second", s.chat(ask("", `"max_tokens":1`)), 200)
				refused := s.chat(ask("", `"max_tokens":1`))
				s.wantStatus("third", refused, 429)
				if got, want := refused.header.Get("Retry-After"), ceil(opened.Add(window).Sub(s.store.lastAsked)); got != want {
					s.Errorf("Retry-After: %s, want %s", got, want)
				}
				s.sleep(opened.Add(window).Sub(s.clock.Now()))
				s.wantLeft("when the window is over", left{requests: "2", tokens: "1000"})
			})
		})
	}
}

func TestRule03ProxyLimitOfZeroPassesNothing(t *testing.T) {
	for name, policy := range map[string]reference.Policy{
		"requests": limited(0, -1, -1), "tokens": limited(-1, 0, -1), "slots": limited(-1, -1, 0),
	} {
		t.Run(name, func(t *testing.T) {
			play(t, setting{keys: keyring{testKey: policy}}, func(s *stage) {
				s.wantStatus("request", s.chat(ask("", `"max_tokens":1`)), 429)
				if calls, _ := s.provider.Finished(0); len(calls) != 0 {
					s.Errorf("the upstream was called")
				}
			})
		})
	}
	play(t, setting{keys: oneKey(-1, -1, -1)}, func(s *stage) {
		s.together(50, func(int) { s.wantStatus("unlimited key", s.chat(ask("", "")), 200) })
	})
}

func TestRule04ProxyChargesAllOrNothing(t *testing.T) {
	tests := []struct {
		name   string
		policy reference.Policy
		body   string
		want   left
	}{
		{"tokens refuse", limited(10, 100, 5), ask("", `"max_tokens":80`), left{"9", "40", "4"}},
		{"slots refuse", limited(10, 1000, 1), ask("", `"max_tokens":80`), left{"9", "940", "0"}},
		{"requests refuse", limited(1, 1000, 5), ask("", `"max_tokens":80`), left{"0", "940", "4"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, setting{keys: keyring{testKey: tt.policy}}, func(s *stage) {
				s.script("slow", history.Script{PromptTokens: 10, CompletionTokens: 50, Latency: 5 * time.Second})
				s.together(2, func(i int) {
					if i == 0 {
						s.wantStatus("the one in flight", s.chat(ask("slow", `"max_tokens":50`)), 200)
						return
					}
					s.sleep(time.Second)
					for range 3 {
						s.wantStatus("the other", s.chat(tt.body), 429)
					}
					s.wantLeft("while the first is in flight", tt.want)
				})
			})
		})
	}
}

func TestRule11And12ProxyReservesTheEstimate(t *testing.T) {
	tests := []struct {
		name, fields string
		want         int64
	}{
		{"max_tokens", `"max_tokens":25`, askInput + 25},
		{"the largest of the three counts", `"max_tokens":25,"max_completion_tokens":40,"max_output_tokens":1`, askInput + 40},
		{"times n", `"max_tokens":25,"n":3`, askInput + 75},
		{"0 means 0", `"max_tokens":0`, askInput},
		{"none given: a quarter of the limit", ``, askInput + 1000},
		{"an input inside a chat body changes nothing", `"input":"aaaaaaaaaaaaaaaaaaaaaaaa","max_tokens":25`, askInput + 25},
		{"a stream is estimated alike", `"stream":true,"max_tokens":25`, askInput + 25},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, setting{keys: oneKey(-1, 4000, -1)}, func(s *stage) {
				a := s.chat(ask("", tt.fields))
				if got, want := a.header.Get("x-ratelimit-remaining-tokens"), strconv.FormatInt(4000-tt.want, 10); got != want {
					s.Errorf("remaining tokens %s after a reservation that should leave %s (%d %s)", got, want, a.status, a.body)
				}
			})
		})
	}
}

func TestRule14SettledOnceInItsOwnWindow(t *testing.T) {
	for _, stream := range []string{"false", "true"} {
		for _, tt := range []struct {
			name    string
			latency time.Duration
			want    string
		}{
			{"answer ends in its window", testWindow - 100*time.Millisecond, "880"},
			{"answer ends in the next window", testWindow + 100*time.Millisecond, "1000"},
		} {
			t.Run(tt.name+", stream "+stream, func(t *testing.T) {
				play(t, setting{keys: oneKey(-1, 1000, -1)}, func(s *stage) {
					s.script("late", history.Script{PromptTokens: 20, CompletionTokens: 100, Latency: tt.latency})
					s.wantStatus("request", s.chat(ask("late", `"max_tokens":500,"stream":`+stream)), 200)
					s.wantLeft("after the answer", left{tokens: tt.want})
				})
			})
		}
	}
}

// A window that others have opened meanwhile must not see the late answer.
func TestRule14NextWindowIsUntouchedByALateAnswer(t *testing.T) {
	for _, used := range []int64{0, 100, 900} {
		play(t, setting{keys: oneKey(-1, 1000, -1)}, func(s *stage) {
			s.script("late", history.Script{CompletionTokens: used, Latency: testWindow + time.Second})
			s.script("next", history.Script{PromptTokens: 10, CompletionTokens: 60})
			s.together(2, func(i int) {
				if i == 0 {
					s.wantStatus("late request", s.chat(ask("late", `"max_tokens":500`)), 200)
					return
				}
				s.sleep(testWindow + 500*time.Millisecond)
				s.wantStatus("request of the next window", s.chat(ask("next", `"max_tokens":200`)), 200)
				s.wantLeft("before the late answer", left{tokens: "930"})
			})
			s.wantLeft("after a late answer of "+strconv.FormatInt(used, 10), left{tokens: "930"})
		})
	}
}

func TestRule14SettlesBeforeTheLastByte(t *testing.T) {
	for _, fields := range []string{`"max_tokens":500`, `"max_tokens":500,"stream":true`} {
		play(t, setting{keys: oneKey(100, 1000, 1)}, func(s *stage) {
			s.script("n", history.Script{PromptTokens: 10, CompletionTokens: 20, Latency: time.Millisecond})
			for i := range 10 {
				// No pause: who has its answer has its slot and its tokens back.
				a := s.send(context.Background(), http.MethodPost, "/chat/completions", testKey, ask("n", fields))
				s.wantStatus("request "+strconv.Itoa(i+1), a, 200)
			}
			s.wantLeft("after ten", left{"90", "700", "1"})
		})
	}
}
