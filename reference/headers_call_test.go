package reference_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

// litellm are the x-litellm-* headers of an answer, without that prefix.
func litellm(a answer) map[string]string {
	found := map[string]string{}
	for name, values := range a.header {
		if short, is := strings.CutPrefix(strings.ToLower(name), "x-litellm-"); is {
			found[short] = strings.Join(values, ", ")
		}
	}
	return found
}

// TestCallHeaders: what docs/headers.md says of each kind of answer, no more and
// no less.
func TestCallHeaders(t *testing.T) {
	policy := limited(2, -1, -1)
	spend := 0.0000125
	policy.Key.Spend = &spend
	always := map[string]string{"call-id": "call-1", "version": "1.2.3", "key-spend": "0.0000125", "model-group": "m", "key-rpm-limit": "2"}
	with := func(more ...string) map[string]string {
		want := map[string]string{}
		for name, value := range always {
			want[name] = value
		}
		for i := 0; i < len(more); i += 2 {
			want[more[i]] = more[i+1]
		}
		return want
	}
	upstream := []string{
		"model-id", "m-1", "model-api-base", "http://provider.internal/v1",
		"attempted-retries", "0", "attempted-fallbacks", "0", "max-fallbacks", "0",
	}
	tests := []struct {
		name, fields string
		script       history.Script
		used         int // requests before
		status       int
		want         map[string]string
	}{
		{"plain", `"max_tokens":90`, history.Script{PromptTokens: 10, CompletionTokens: 5, Latency: 1500 * time.Millisecond}, 0, 200,
			with(append(upstream, "response-duration-ms", "1500", "overhead-duration-ms", "0", "response-cost", "6.25")...)},
		{"plain without a usage", `"max_tokens":90`, history.Script{WithoutUsage: true}, 0, 200,
			with(append(upstream, "response-duration-ms", "0", "overhead-duration-ms", "0")...)},
		{"stream", `"max_tokens":90,"stream":true`, history.Script{PromptTokens: 10, CompletionTokens: 5, Latency: 1500 * time.Millisecond}, 0, 200,
			with(append(upstream, "overhead-duration-ms", "0")...)},
		{"upstream error", `"max_tokens":90`, history.Script{Status: 500}, 0, 500,
			with(append(upstream, "response-duration-ms", "0", "overhead-duration-ms", "0")...)},
		{"refused", `"max_tokens":90`, history.Script{}, 2, 429, with()},
		{"refused stream", `"max_tokens":90,"stream":true`, history.Script{}, 2, 429, with()},
		{"400", `"max_tokens":-1`, history.Script{}, 0, 400, with()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls, told := 0, 0.0
			c := setting{keys: keyring{testKey: policy}, configure: func(c *reference.ProxyConfig) {
				c.Version, c.NewID = "1.2.3", func() string { calls++; return fmt.Sprint("call-", calls) }
				c.Deployments = []reference.Deployment{{ID: "m-1", Model: "m", Upstream: c.Upstream, Price: &reference.Price{Input: 0.5, Output: 0.25}}}
				c.Spent = func(key string, usd float64) {
					if key != keyHash(testKey) {
						t.Errorf("%s spent", key)
					}
					told += usd
				}
			}}
			play(t, c, func(s *stage) {
				for range tt.used {
					s.chat(ask("", `"max_tokens":1`))
				}
				s.script("n", tt.script)
				calls, told = 0, 0
				a := s.chat(ask("n", tt.fields))
				s.wantStatus("answer", a, tt.status)
				got := litellm(a)
				// What the network between us and the upstream takes is drawn.
				for _, name := range []string{"response-duration-ms", "overhead-duration-ms"} {
					ms, err := strconv.ParseFloat(got[name], 64)
					want, _ := strconv.ParseFloat(tt.want[name], 64)
					if _, there := got[name]; there && err == nil && ms >= want && ms < want+50 {
						got[name] = tt.want[name]
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					s.Errorf("headers (-want +got):\n%s", diff)
				}
				if a.header.Get("x-ratecheck-version") != "1.2.3" {
					s.Errorf("x-ratecheck-version: %q", a.header.Get("x-ratecheck-version"))
				}
				want := 0.0
				if tt.status == 200 && !tt.script.WithoutUsage {
					want = 6.25
				}
				if told != want {
					s.Errorf("told of %v dollars, want %v", told, want)
				}
			})
		})
	}
}

// TestModelNamesAreNoHeaders: a client's words stand in a header only if they
// fit there.
func TestModelNamesAreNoHeaders(t *testing.T) {
	for model, want := range map[string]string{
		"gpt-4o": "gpt-4o", `a\r\nx-evil: 1`: "", "modèle": "", strings.Repeat("m", 1000): "", "": "",
	} {
		play(t, setting{keys: oneKey(10, -1, -1)}, func(s *stage) {
			a := s.chat(askFor(model, "n", ""))
			if got := a.header.Get("x-litellm-model-group"); got != want || a.header.Get("x-evil") != "" {
				s.Errorf("the model %q is told as %q, want %q", model, got, want)
			}
		})
	}
}

// TestOverheadIsWhatTheUpstreamDidNotTake: a slow upload is ours, a slow
// upstream is not, nor are its failures.
func TestOverheadIsWhatTheUpstreamDidNotTake(t *testing.T) {
	slow := func(s *stage, then http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.sleep(2 * time.Second)
			then.ServeHTTP(w, r)
		})
	}
	u := &scripted{}
	withDeployments(t, oneKey(10, -1, -1), u, func(s *stage) {
		u.answers = []http.Handler{slow(s, status(500, `{}`)), slow(s, fine)}
		got := litellm(s.chat(ask("n", "")))
		total, err1 := strconv.ParseFloat(got["response-duration-ms"], 64)
		overhead, err2 := strconv.ParseFloat(got["overhead-duration-ms"], 64)
		if err1 != nil || err2 != nil || total < 4000 || total > 4100 || overhead > 50 {
			s.Errorf("%v ms in all, %v of it overhead", got["response-duration-ms"], got["overhead-duration-ms"])
		}
	})
}
