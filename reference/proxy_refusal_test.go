package reference_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

func TestRule17WhatNeverFitsIsToldSo(t *testing.T) {
	tests := []struct {
		name string
		keys keyring
		body string
		kind string
	}{
		{"more tokens than the limit", oneKey(10, 100, 5), ask("n", `"max_tokens":91`), "tokens"},
		{"the input alone", oneKey(10, 5, 5), ask("n", `"max_tokens":0`), "tokens"},
		{"more than fits an int64", oneKey(10, 100, 5), ask("n", `"max_tokens":9223372036854775807,"n":9`), "tokens"},
		{"a limit of 0 requests", oneKey(0, 100, 5), ask("n", `"max_tokens":5`), "requests"},
		{"a limit of 0 tokens", oneKey(10, 0, 5), ask("n", ``), "tokens"},
		{"a limit of 0 slots", oneKey(10, 100, 0), ask("n", `"max_tokens":5`), "max_parallel_requests"},
		{"a stream", oneKey(10, 100, 5), ask("n", `"max_tokens":91,"stream":true`), "tokens"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, setting{keys: tt.keys}, func(s *stage) {
				before := s.left(testKey)
				a := s.chat(tt.body)
				s.wantStatus("request", a, http.StatusTooManyRequests)
				for name, want := range map[string]string{"Retry-After": "", "Retry-After-Ms": "", "X-Should-Retry": "false", "Rate_limit_type": tt.kind} {
					if got := a.header.Get(name); got != want {
						s.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				if got := s.left(testKey); got != before {
					s.Errorf("left %+v, and before it %+v", got, before)
				}
			})
		})
	}
}

// It stays so when something that will pass refuses as well.
func TestRule17NeverBeatsLater(t *testing.T) {
	play(t, setting{keys: oneKey(1, 100, -1)}, func(s *stage) {
		s.wantStatus("first", s.chat(ask("n", `"max_tokens":5`)), 200)
		a := s.chat(ask("n", `"max_tokens":91`))
		s.wantStatus("second", a, 429)
		if got := a.header.Get("Retry-After"); got != "" || a.header.Get("X-Should-Retry") != "false" {
			s.Errorf("Retry-After %q on a request that can never fit", got)
		}
	})
}

// What just fits the limit is admitted, and no maximum never makes it unfit.
func TestRule17WhatFitsIsAdmitted(t *testing.T) {
	for _, tt := range []struct {
		limit int64
		body  string
	}{{100, ask("n", `"max_tokens":90`)}, {askInput, ask("n", `"max_tokens":0`)}, {askInput, ask("n", ``)}, {askInput + 1, ask("n", ``)}, {1, `{}`}} {
		play(t, setting{keys: oneKey(-1, tt.limit, -1)}, func(s *stage) {
			s.wantStatus(fmt.Sprintf("limit %d", tt.limit), s.chat(tt.body), 200)
		})
	}
}

func TestRule24RefusalToTheLetter(t *testing.T) {
	tests := []struct {
		name      string
		keys      keyring
		kind      string
		limit     int64
		remaining int64
		fields    string
	}{
		{"requests", oneKey(1, 1000, 5), "requests", 1, 0, `"max_tokens":5`},
		{"tokens", oneKey(10, 100, 5), "tokens", 100, 60, `"max_tokens":51`},
		{"requests before tokens", oneKey(1, 100, 5), "requests", 1, 0, `"max_tokens":51`},
		{"of a stream, before its first byte", oneKey(10, 100, 5), "tokens", 100, 60, `"max_tokens":51,"stream":true`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, setting{keys: tt.keys}, func(s *stage) {
				s.script("n", history.Script{PromptTokens: 10, CompletionTokens: 30})
				s.wantStatus("first", s.chat(ask("n", `"max_tokens":90`)), 200)
				ends := s.store.last().at.Add(testWindow)
				s.sleep(1234567 * time.Microsecond)
				a := s.chat(ask("n", tt.fields))
				wait := ends.Sub(s.store.lastAsked)
				// The window ends at 15.154 s of its minute. Who comes at the
				// second that is named must not be too soon.
				const resets = "2026-03-04 05:06:16 UTC"
				if want := `{"error":{"message":"Rate limit exceeded for api_key: ` + keyHash(testKey) + `. Limit type: ` + tt.kind +
					fmt.Sprintf(`. Current limit: %d, Remaining: %d. Limit resets at: %s`, tt.limit, tt.remaining, resets) +
					`","type":"throttling_error","param":null,"code":"429"}}`; a.status != 429 || a.body != want {
					s.Errorf("got %d\n%s\nwant\n%s", a.status, a.body, want)
				}
				seconds := int64((wait + time.Second - 1) / time.Second)
				millis := int64((wait + time.Millisecond - 1) / time.Millisecond)
				for name, want := range map[string]string{
					"Content-Type": "application/json", "rate_limit_type": tt.kind, "reset_at": resets, "x-should-retry": "",
					"retry-after": strconv.FormatInt(seconds, 10), "retry-after-ms": strconv.FormatInt(millis, 10),
					"x-ratelimit-api_key-limit-" + tt.kind:     strconv.FormatInt(tt.limit, 10),
					"x-ratelimit-api_key-remaining-" + tt.kind: strconv.FormatInt(tt.remaining, 10),
					"x-ratelimit-reset-" + tt.kind:             strconv.FormatInt(seconds, 10),
				} {
					if got := a.header.Get(name); got != want {
						s.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				if strings.Contains(fmt.Sprint(a.header)+a.body, testKey) {
					s.Errorf("the key itself is told: %v %s", a.header, a.body)
				}
			})
		})
	}
}

func TestRule24WhoObeysIsAdmitted(t *testing.T) {
	for _, by := range []string{"retry-after", "retry-after-ms", "reset_at"} {
		for _, fields := range []string{`"max_tokens":90`, `"max_tokens":90,"stream":true`} {
			for seed := range uint64(8) {
				for _, window := range []time.Duration{300 * time.Millisecond, time.Second, testWindow} {
					play(t, setting{keys: oneKey(1, 100, -1), seed: seed, window: window}, func(s *stage) {
						s.wantStatus("first", s.chat(ask("n", fields)), 200)
						s.sleep(window * time.Duration(seed) / 9)
						a := s.chat(ask("n", fields))
						s.wantStatus("refused", a, 429)
						s.sleep(waitOf(s, a, by))
						s.wantStatus(fmt.Sprintf("seed %d, window %v, obeying %s", seed, window, by), s.chat(ask("n", fields)), 200)
					})
				}
			}
		}
	}
}

// waitOf is how long a refusal says to wait, from now.
func waitOf(s *stage, a answer, by string) time.Duration {
	value := a.header.Get(by)
	if by == "reset_at" {
		at, err := time.Parse("2006-01-02 15:04:05 MST", value)
		if err != nil {
			s.Error(err)
		}
		return at.Sub(s.clock.Now())
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		s.Error(err)
	}
	if by == "retry-after-ms" {
		return time.Duration(n) * time.Millisecond
	}
	return time.Duration(n) * time.Second
}

func TestRule24SlotsSayOneSecond(t *testing.T) {
	play(t, setting{keys: oneKey(-1, -1, 1)}, func(s *stage) {
		s.script("n", history.Script{Latency: 5 * time.Second})
		s.together(2, func(i int) {
			if i == 0 {
				s.chat(ask("n", ""))
				return
			}
			s.sleep(time.Second)
			a := s.chat(ask("n", ""))
			s.wantStatus("second", a, 429)
			at := s.store.lastAsked
			want := fmt.Sprintf("Limit type: max_parallel_requests. Current limit: 1, Remaining: 0. Limit resets at: %s",
				at.Add(2*time.Second-1).Truncate(time.Second).Format("2006-01-02 15:04:05 UTC"))
			if a.header.Get("Retry-After") != "1" || a.header.Get("Retry-After-Ms") != "1000" || !strings.Contains(a.body, want) {
				s.Errorf("Retry-After %q, %q ms, body %s, want 1, 1000 and %q", a.header.Get("Retry-After"), a.header.Get("Retry-After-Ms"), a.body, want)
			}
		})
	})
}

// Several refuse: the first is named and the latest is waited for.
func TestRule24SeveralRefuse(t *testing.T) {
	tests := []struct {
		name string
		// after is when the second request comes; the window is 7.5 s.
		after time.Duration
		want  string
	}{
		{"the window ends later than a slot's second", 2 * time.Second, "6"},
		{"a slot's second is later", 7 * time.Second, "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, setting{keys: oneKey(1, -1, 1)}, func(s *stage) {
				s.script("n", history.Script{Latency: 30 * time.Second})
				s.together(2, func(i int) {
					if i == 0 {
						s.chat(ask("n", ""))
						return
					}
					s.sleep(tt.after)
					a := s.chat(ask("n", ""))
					if a.status != 429 || a.header.Get("Rate_limit_type") != "requests" || a.header.Get("Retry-After") != tt.want {
						s.Errorf("got %d, %s, Retry-After %s; want requests and %s", a.status, a.header.Get("Rate_limit_type"), a.header.Get("Retry-After"), tt.want)
					}
					if tt.want == "1" && a.header.Get("Retry-After-Ms") != "1000" {
						s.Errorf("Retry-After-Ms: %s, want that of the slot", a.header.Get("Retry-After-Ms"))
					}
				})
			})
		})
	}
}

// A settlement above the reservation can overdraw a counter; that is nobody's
// negative remainder.
func TestRule24RemainingIsNeverNegative(t *testing.T) {
	play(t, setting{keys: oneKey(-1, 100, -1)}, func(s *stage) {
		s.script("n", history.Script{PromptTokens: 10, CompletionTokens: 500})
		s.wantStatus("first", s.chat(ask("n", `"max_tokens":5`)), 200)
		a := s.chat(ask("n", `"max_tokens":5`))
		if a.status != 429 || !strings.Contains(a.body, "Current limit: 100, Remaining: 0.") {
			s.Errorf("got %d %s", a.status, a.body)
		}
	})
}
