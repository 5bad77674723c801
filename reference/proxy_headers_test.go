package reference_test

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

// rates are the rate headers of an answer, without "x-ratelimit-".
func rates(h http.Header) map[string]string {
	found := map[string]string{}
	for name, values := range h {
		if short, is := strings.CutPrefix(strings.ToLower(name), "x-ratelimit-"); is {
			found[short] = strings.Join(values, ", ")
		}
	}
	return found
}

func wantRates(t *testing.T, what string, h http.Header, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, rates(h)); diff != "" {
		t.Errorf("%s: rate headers (-want +got):\n%s", what, diff)
	}
}

// allRates are the rate headers of a key with limits of 3, 100 and 2.
func allRates(requests, tokens, slots string) map[string]string {
	return map[string]string{
		"limit-requests": "3", "remaining-requests": requests, "reset-requests": "8",
		"limit-tokens": "100", "remaining-tokens": tokens, "reset-tokens": "8",
		"api_key-limit-requests": "3", "api_key-remaining-requests": requests,
		"api_key-limit-tokens": "100", "api_key-remaining-tokens": tokens,
		"api_key-limit-max_parallel_requests": "2", "api_key-remaining-max_parallel_requests": slots,
	}
}

func TestRule25RateHeadersOnEveryAnswer(t *testing.T) {
	const plain, stream = `"max_tokens":20`, `"max_tokens":20,"stream":true`
	tests := []struct {
		name, body string
		c          setting
		script     history.Script
		status     int
		want       map[string]string
	}{
		{name: "plain", body: ask("n", plain), status: 200, want: allRates("2", "70", "1")},
		{name: "stream", body: ask("n", stream), status: 200, want: allRates("2", "70", "1")},
		{name: "refused", body: ask("n", `"max_tokens":91`), status: 429, want: allRates("3", "100", "2")},
		{name: "refused stream", body: ask("n", `"max_tokens":91,"stream":true`), status: 429, want: allRates("3", "100", "2")},
		{name: "400", body: `{`, status: 400, want: allRates("3", "100", "2")},
		{name: "413", body: `"` + strings.Repeat("a", reference.MaxRequestBody), status: 413, want: allRates("3", "100", "2")},
		{name: "upstream error", body: ask("n", plain), script: history.Script{Status: 500}, status: 500, want: allRates("2", "70", "1")},
		{name: "upstream error to a stream", body: ask("n", stream), script: history.Script{Status: 500}, status: 500, want: allRates("2", "70", "1")},
		{name: "unreachable", body: ask("n", plain), c: setting{nowhere: true}, status: 502, want: allRates("2", "70", "1")},
		{name: "JSON cut", body: ask("n", plain), script: history.Script{CutAfter: 1}, status: 502, want: allRates("2", "70", "1")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.keys = oneKey(3, 100, 2)
			play(t, tt.c, func(s *stage) {
				s.script("n", tt.script)
				a := s.chat(tt.body)
				s.wantStatus("answer", a, tt.status)
				wantRates(t, "answer", a.header, tt.want)
			})
		})
	}
}

// The reset counts from when an answer goes out, not from when its request came.
func TestRule25ResetIsWhatIsLeft(t *testing.T) {
	for _, fields := range []string{``, `"stream":true`} {
		for latency, want := range map[time.Duration]string{0: "8", 3 * time.Second: "5", 7400 * time.Millisecond: "1", time.Minute: "0"} {
			play(t, setting{keys: oneKey(3, 100, -1)}, func(s *stage) {
				s.script("n", history.Script{Latency: latency})
				a := s.chat(ask("n", fields))
				for _, kind := range []string{"requests", "tokens"} {
					if got := a.header.Get("x-ratelimit-reset-" + kind); got != want {
						s.Errorf("%s after %v: reset %s in %q s, want %s", fields, latency, kind, got, want)
					}
				}
			})
		}
	}
}

func TestRule25ProviderNumbersWhereTheKeyHasNone(t *testing.T) {
	anthropicReset := time.Date(2026, 3, 4, 5, 6, 37, 0, time.UTC).Format(time.RFC3339) // 29.3 s after the test begins
	dialects := []struct {
		name string
		told map[string]string
		// what the proxy makes of it for requests and tokens
		want map[string]string
	}{
		{"OpenAI", map[string]string{
			"X-Ratelimit-Limit-Requests": "10000", "X-Ratelimit-Remaining-Requests": "9999", "X-Ratelimit-Reset-Requests": "6ms",
			"X-Ratelimit-Limit-Tokens": "200000", "X-Ratelimit-Remaining-Tokens": "199900", "X-Ratelimit-Reset-Tokens": "1m30s",
		}, map[string]string{
			"limit-requests": "10000", "remaining-requests": "9999", "reset-requests": "1",
			"limit-tokens": "200000", "remaining-tokens": "199900", "reset-tokens": "90",
		}},
		{"Anthropic", map[string]string{
			"Anthropic-Ratelimit-Requests-Limit": "50", "Anthropic-Ratelimit-Requests-Remaining": "49", "Anthropic-Ratelimit-Requests-Reset": anthropicReset,
			"Anthropic-Ratelimit-Tokens-Limit": "40000", "Anthropic-Ratelimit-Tokens-Remaining": "39000", "Anthropic-Ratelimit-Tokens-Reset": anthropicReset,
		}, map[string]string{
			"limit-requests": "50", "remaining-requests": "49", "reset-requests": "30",
			"limit-tokens": "40000", "remaining-tokens": "39000", "reset-tokens": "30",
		}},
		{"Azure, with what it does not know", map[string]string{
			"X-Ratelimit-Limit-Requests": "100", "X-Ratelimit-Remaining-Requests": "-1",
			"X-Ratelimit-Limit-Tokens": "many", "X-Ratelimit-Remaining-Tokens": "99998", "X-Ratelimit-Reset-Tokens": "12",
		}, map[string]string{"limit-requests": "100", "remaining-tokens": "99998", "reset-tokens": "12"}},
		{"a reset in the past, and junk", map[string]string{
			"X-Ratelimit-Reset-Requests": "2020-01-01T00:00:00Z", "X-Ratelimit-Reset-Tokens": "-1",
		}, map[string]string{"reset-requests": "0"}},
		{"none", nil, map[string]string{}},
	}
	keys := map[string]struct {
		keys keyring
		own  map[string]string // replaces the provider's of the same kind
	}{
		"no limits": {oneKey(-1, -1, -1), nil},
		"rpm only": {oneKey(3, -1, -1), map[string]string{
			"limit-requests": "3", "remaining-requests": "2", "reset-requests": "8",
			"api_key-limit-requests": "3", "api_key-remaining-requests": "2",
		}},
		"tpm only": {oneKey(-1, 100, -1), map[string]string{
			"limit-tokens": "100", "remaining-tokens": "70", "reset-tokens": "8",
			"api_key-limit-tokens": "100", "api_key-remaining-tokens": "70",
		}},
		"slots only": {oneKey(-1, -1, 2), map[string]string{
			"api_key-limit-max_parallel_requests": "2", "api_key-remaining-max_parallel_requests": "1",
		}},
	}
	for name, k := range keys {
		for _, d := range dialects {
			for _, fields := range []string{`"max_tokens":20`, `"max_tokens":20,"stream":true`} {
				t.Run(name+", "+d.name+" "+fields, func(t *testing.T) {
					play(t, setting{keys: k.keys}, func(s *stage) {
						s.script("n", history.Script{RateHeaders: d.told})
						a := s.chat(ask("n", fields))
						want := maps.Clone(d.want)
						for kind := range map[string]bool{"requests": true, "tokens": true} {
							if _, own := k.own["limit-"+kind]; own {
								maps.DeleteFunc(want, func(name, _ string) bool { return strings.HasSuffix(name, kind) })
							}
						}
						maps.Copy(want, k.own)
						wantRates(t, "answer", a.header, want)
						for name, value := range d.told {
							if got := a.header.Get("llm_provider-" + name); got != value {
								s.Errorf("llm_provider-%s: %q, want %q", name, got, value)
							}
							if strings.HasPrefix(name, "Anthropic") && a.header.Get(name) != "" {
								s.Errorf("%s is passed on under its own name", name)
							}
						}
					})
				})
			}
		}
	}
}

func TestRule25ModelsPeeks(t *testing.T) {
	play(t, setting{keys: keyring{testKey: limited(3, 100, 2), "free": limited(-1, -1, -1), "none": limited(0, 0, 0)}}, func(s *stage) {
		get := func(path, key string) answer { return s.send(context.Background(), http.MethodGet, path, key, "") }
		for range 5 {
			a := get("/v1/models", testKey)
			if want := `{"data":[{"id":"m","object":"model","owned_by":"ratecheck"}],"object":"list"}`; a.body != want {
				s.Errorf("models: %s", a.body)
			}
			wantRates(t, "models", a.header, allRates("3", "100", "2"))
		}
		s.chat(ask("n", `"max_tokens":20`))
		s.sleep(2 * time.Second)
		wantRates(t, "models of a key without limits", get("/v1/models", "free").header, map[string]string{})
		s.wantStatus("models of a key that may do nothing", get("/v1/models", "none"), 200)
		for _, key := range []string{"", testKey} {
			health := get("/health", key)
			s.wantStatus("health", health, 200)
			wantRates(t, "health", health.header, map[string]string{})
		}
		if len(s.store.deals) != 1 {
			s.Errorf("%d reservations for one completion", len(s.store.deals))
		}
	})
}

// Streams and plain answers tell the same, with many in flight too; the range of
// every number is held by the store of the stage.
func TestRule25StreamsTellTheSame(t *testing.T) {
	tell := func(fields string) []map[string]string {
		var told []map[string]string
		play(t, setting{keys: oneKey(5, 300, 3)}, func(s *stage) {
			s.script("n", history.Script{PromptTokens: 10, CompletionTokens: 7, RateHeaders: map[string]string{"X-Ratelimit-Limit-Tokens": "7"}})
			for range 7 {
				told = append(told, rates(s.chat(ask("n", fields)).header))
				s.sleep(400 * time.Millisecond)
			}
		})
		return told
	}
	if diff := cmp.Diff(tell(`"max_tokens":90`), tell(`"max_tokens":90,"stream":true`)); diff != "" {
		t.Errorf("plain and stream differ:\n%s", diff)
	}
}
