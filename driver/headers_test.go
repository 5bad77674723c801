package driver_test

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
)

func TestHeadersThatAreKept(t *testing.T) {
	kept := http.Header{
		"Content-Type":                            {typeJSON},
		"Server":                                  {"uvicorn"},
		"Via":                                     {"1.1 proxy"},
		"Retry-After":                             {"Wed, 21 Oct 2026 07:28:00 GMT"},
		"Retry-After-Ms":                          {"1500"},
		"X-Should-Retry":                          {"false"},
		"Rate_limit_type":                         {"requests"},
		"Reset_at":                                {"2026-11-22 03:30:09 UTC"},
		"X-Ratelimit-Limit-Requests":              {"10", "20"},
		"X-Ratelimit-Reset-Tokens":                {"6m0s"},
		"X-Ratelimit-Api_key-Limit-Tokens":        {"100"},
		"Ratelimit":                               {`"a";r=1;t=2`, `"b";r=3`},
		"Ratelimit-Policy":                        {`"a";q=10;w=60`},
		"Anthropic-Ratelimit-Tokens-Reset":        {"2026-01-27T12:00:30Z"},
		"X-Ai-Ratelimit-Limit-60-Azure":           {"5"},
		"Ratelimitbysize-Remaining":               {"9"},
		"X-Rate-Limit-Limit":                      {"7"},
		"X-Ai-Ratelimit-Retry-After":              {"3"},
		"X-Envoy-Ratelimited":                     {"true"},
		"X-Litellm-Call-Id":                       {"1564b265"},
		"X-Litellm-Key-Rpm-Limit":                 {"100"},
		"Llm_provider-Server":                     {"upstream"},
		"Llm_provider-Content-Length":             {"310"},
		"Llm_provider-X-Ratelimit-Limit-Requests": {"10000"},
	}
	dropped := http.Header{
		"Date":                        {"Sun, 22 Nov 2026 03:30:04 GMT"},
		"Expires":                     {"0"},
		"Last-Modified":               {"Sun, 22 Nov 2026 03:30:04 GMT"},
		"Set-Cookie":                  {"session=abc"},
		"X-Request-Id":                {"1"},
		"Access-Control-Allow-Origin": {"https://example.com"},
		"Authorization":               {"Bearer x"},
		"X-Litellm-Model-Api-Base":    {"http://127.0.0.1:7401/v1"},
		"X-Litellm-Cookie":            {"a=b"},
		"Llm_provider-Set-Cookie":     {"session=abc"},
		"Llm_provider-Api-Base":       {"http://127.0.0.1:7401"},
		"Llm_provider-Date":           {"Sun, 22 Nov 2026 03:30:04 GMT"},
		"Llm_provider-Expires":        {"0"},
		"Llm_provider-Last-Modified":  {"Sun, 22 Nov 2026 03:30:04 GMT"},
		"X-Ratelimit-Cookie":          {"a=b"},
	}
	want := map[string]string{
		"content-type": typeJSON, "server": "uvicorn", "via": "1.1 proxy",
		"retry-after": "in -764h2m4s (HTTP-date)", "retry-after-ms": "1500", "x-should-retry": "false",
		"rate_limit_type": "requests", "reset_at": "in 5s (date and time UTC)",
		"x-ratelimit-limit-requests": "10, 20", "x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-api_key-limit-tokens": "100",
		"ratelimit": `"a";r=1;t=2, "b";r=3`, "ratelimit-policy": `"a";q=10;w=60`,
		"anthropic-ratelimit-tokens-reset": "in -7167h29m34s (RFC 3339)", "x-ai-ratelimit-limit-60-azure": "5",
		"ratelimitbysize-remaining": "9", "x-rate-limit-limit": "7", "x-ai-ratelimit-retry-after": "3", "x-envoy-ratelimited": "true",
		"x-litellm-call-id": "1564b265", "x-litellm-key-rpm-limit": "100",
		"llm_provider-server": "upstream", "llm_provider-content-length": "310", "llm_provider-x-ratelimit-limit-requests": "10000",
	}
	for name, status := range map[string]int{"answer": 200, "refusal": 429} {
		t.Run(name, func(t *testing.T) {
			d := serve(t, func(w http.ResponseWriter, r *http.Request) {
				for _, h := range []http.Header{kept, dropped} {
					for name, lines := range h {
						w.Header()[name] = lines
					}
				}
				body(status, typeJSON, plainAnswer)(w, r)
			})
			if diff := cmp.Diff(want, do(t, d, false).Header); diff != "" {
				t.Errorf("headers differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHeadersInOtherCases has one header on the wire under several spellings.
func TestHeadersInOtherCases(t *testing.T) {
	d := serveRaw(t, func(conn net.Conn) {
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 429 No\r\nX-RATELIMIT-LIMIT: 1\r\nx-ratelimit-limit: 2\r\nretry-AFTER:   3  \r\n"+
			"x-litellm-note: caf\xe9\r\nContent-Length: 0\r\n\r\n")
	})
	want := map[string]string{"x-ratelimit-limit": "1, 2", "retry-after": "3", "x-litellm-note": "caf\ufffd"}
	if diff := cmp.Diff(want, do(t, d, false).Header); diff != "" {
		t.Errorf("headers differ (-want +got):\n%s", diff)
	}
}

// TestHeadersThatAreNotCanonical comes from a transport that is not net/http's:
// the record must not depend on the order of a map.
func TestHeadersThatAreNotCanonical(t *testing.T) {
	for range 20 {
		d := to(t, "http://127.0.0.1:1")
		d.Transport = transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusTooManyRequests, Body: http.NoBody, Header: http.Header{
				"X-RATELIMIT-LIMIT": {"1"}, "X-Ratelimit-Limit": {"2", "3"}, "x-ratelimit-limit": {"4"},
			}}, nil
		})
		a := do(t, d, false)
		check(t, a, history.Attempt{Status: 429})
		if got := a.Header["x-ratelimit-limit"]; got != "1, 2, 3, 4" {
			t.Fatalf("lines joined to %q", got)
		}
	}
}

// TestInstantsAreToldFromTheAnswerOn: by its Date, whatever our clock says, and
// by our clock where it has none.
func TestInstantsAreToldFromTheAnswerOn(t *testing.T) {
	answer := func(date http.Header) *driver.Driver {
		d := to(t, "http://127.0.0.1:1")
		start := time.Date(2026, 11, 22, 3, 30, 4, 250_000_000, time.UTC)
		d.Clock, d.Epoch = stopped{clock.System{}, start}, start
		d.Transport = transport(func(*http.Request) (*http.Response, error) {
			h := http.Header{
				"Retry-After": {"Sun, 22 Nov 2026 03:30:30 GMT"}, "Reset_at": {"2026-11-22 03:30:09 UTC"}, "X-Ratelimit-Reset": {"1795318205"},
				"X-Ratelimit-Reset-Requests": {"6m0s"}, "Llm_provider-X-Ratelimit-Reset": {"1795318206.5"}, "X-Ratelimit-Limit-Requests": {"1795318206"},
			}
			maps.Copy(h, date)
			return &http.Response{StatusCode: http.StatusTooManyRequests, Body: http.NoBody, Header: h}, nil
		})
		return d
	}
	for name, c := range map[string]struct {
		date http.Header
		want map[string]string
	}{
		"with a Date": {http.Header{"Date": {"Sun, 22 Nov 2026 03:30:00 GMT"}}, map[string]string{
			"retry-after": "in 30s (HTTP-date)", "reset_at": "in 9s (date and time UTC)", "x-ratelimit-reset": "in 5s (Unix seconds)",
			"x-ratelimit-reset-requests": "6m0s", "llm_provider-x-ratelimit-reset": "in 6.5s (Unix seconds)", "x-ratelimit-limit-requests": "1795318206",
		}},
		"without": {nil, map[string]string{
			"retry-after": "in 25.75s (HTTP-date, by our clock)", "reset_at": "in 4.75s (date and time UTC, by our clock)",
			"x-ratelimit-reset":          "in 750ms (Unix seconds, by our clock)",
			"x-ratelimit-reset-requests": "6m0s", "llm_provider-x-ratelimit-reset": "in 2.25s (Unix seconds, by our clock)", "x-ratelimit-limit-requests": "1795318206",
		}},
	} {
		if diff := cmp.Diff(c.want, do(t, answer(c.date), false).Header); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// stopped is a clock that stands still.
type stopped struct {
	clock.Clock
	at time.Time
}

func (s stopped) Now() time.Time { return s.at }

// TestOldDates: a busy server renews its Date late, which earlier answers tell.
func TestOldDates(t *testing.T) {
	start := time.Date(2026, 11, 22, 3, 30, 0, 0, time.UTC)
	d := to(t, "http://127.0.0.1:1")
	for _, c := range []struct {
		after      time.Duration
		date, want string
	}{
		{400 * time.Millisecond, "Sun, 22 Nov 2026 04:30:00 GMT", "in 9s (date and time UTC)"},
		{1200 * time.Millisecond, "Sun, 22 Nov 2026 04:30:00 GMT", "in 9s (date and time UTC)"},
		{2 * time.Second, "Sun, 22 Nov 2026 04:30:00 GMT", "in 9s (date and time UTC, by a Date 1.6s behind)"},
		{2100 * time.Millisecond, "Sun, 22 Nov 2026 04:30:02 GMT", "in 7s (date and time UTC)"},
		{3000 * time.Millisecond, "Sun, 22 Nov 2026 04:30:00 GMT", "in 9s (date and time UTC, by a Date 2.9s behind)"},
		{3000 * time.Millisecond, "yesterday", "in 1h0m6s (date and time UTC, by our clock)"},
	} {
		now := start.Add(c.after)
		d.Clock, d.Epoch = stopped{clock.System{}, now}, now
		d.Transport = transport(func(*http.Request) (*http.Response, error) {
			h := http.Header{"Reset_at": {"2026-11-22 04:30:09 UTC"}, "Date": {c.date}}
			return &http.Response{StatusCode: http.StatusTooManyRequests, Body: http.NoBody, Header: h}, nil
		})
		if got := do(t, d, false).Header["reset_at"]; got != c.want {
			t.Errorf("%s later, with the Date %s: %q, want %q", c.after, c.date, got, c.want)
		}
	}
}
