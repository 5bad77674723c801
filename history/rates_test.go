package history

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func number(n int64) *int64 { return &n }

// TestRatesInEveryDialect reads answers as they were seen on the wire.
func TestRatesInEveryDialect(t *testing.T) {
	for name, c := range map[string]struct {
		header map[string]string
		want   Rates
		has    bool
	}{
		"none":           {map[string]string{"content-type": "application/json", "retry-after": "5", "rate_limit_type": "requests"}, Rates{}, false},
		"no header":      {nil, Rates{}, false},
		"upstream alone": {map[string]string{"llm_provider-x-ratelimit-limit-requests": "10", "llm_provider-ratelimit": `"a";r=1`}, Rates{}, false},
		"OpenAI": {map[string]string{
			"x-ratelimit-limit-requests": "10000", "x-ratelimit-remaining-requests": "9999", "x-ratelimit-reset-requests": "8.64s",
			"x-ratelimit-limit-tokens": "200000", "x-ratelimit-remaining-tokens": "199900", "x-ratelimit-reset-tokens": "6m0s",
		}, Rates{number(10000), number(9999), number(200000), number(199900)}, true},
		"Azure, requests alone": {map[string]string{"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "99"}, Rates{RequestsLimit: number(100), RequestsRemaining: number(99)}, true},
		"Azure, junk":           {map[string]string{"x-ratelimit-limit-tokens": "-1", "x-ratelimit-remaining-tokens": "0"}, Rates{TokensLimit: number(-1), TokensRemaining: number(0)}, true},
		"LiteLLM": {map[string]string{
			"x-ratelimit-api_key-limit-requests": "100", "x-ratelimit-api_key-remaining-requests": "99",
			"x-ratelimit-api_key-limit-tokens": "100000", "x-ratelimit-api_key-remaining-tokens": "99999",
			"x-ratelimit-api_key-limit-max_parallel_requests": "50", "x-litellm-key-rpm-limit": "100",
		}, Rates{number(100), number(99), number(100000), number(99999)}, true},
		"LiteLLM with the upstream's": {map[string]string{
			"x-ratelimit-api_key-limit-requests": "100", "x-ratelimit-limit-requests": "10000",
			"x-ratelimit-remaining-requests": "9999", "x-ratelimit-api_key-remaining-requests": "99",
		}, Rates{RequestsLimit: number(100), RequestsRemaining: number(99)}, true},
		"LiteLLM below zero": {map[string]string{"x-ratelimit-api_key-remaining-tokens": "-15"}, Rates{TokensRemaining: number(-15)}, true},
		"GoModel":            {map[string]string{"x-ratelimit-limit-tokens": "50000", "x-ratelimit-remaining-tokens": "49000", "x-ratelimit-reset-tokens": "12"}, Rates{TokensLimit: number(50000), TokensRemaining: number(49000)}, true},
		"Anthropic": {map[string]string{
			"anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "49", "anthropic-ratelimit-requests-reset": "2026-01-27T12:00:30Z",
			"anthropic-ratelimit-tokens-limit": "50000", "anthropic-ratelimit-tokens-remaining": "49000", "anthropic-ratelimit-input-tokens-limit": "1",
		}, Rates{number(50), number(49), number(50000), number(49000)}, true},
		"Groq":                      {map[string]string{"x-ratelimit-limit-requests": "14400", "x-ratelimit-limit-tokens": "18000", "x-ratelimit-reset-requests": "2m59.56s"}, Rates{RequestsLimit: number(14400), TokensLimit: number(18000)}, true},
		"Envoy":                     {map[string]string{"x-ratelimit-limit": `10, 10;w=60;name="a, b"`, "x-ratelimit-remaining": "9", "x-ratelimit-reset": "42"}, Rates{RequestsLimit: number(10), RequestsRemaining: number(9)}, true},
		"Envoy's mark":              {map[string]string{"x-envoy-ratelimited": "true"}, Rates{}, false},
		"agentgateway":              {map[string]string{"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "3"}, Rates{RequestsLimit: number(10), RequestsRemaining: number(0)}, true},
		"IETF draft 03, policies":   {map[string]string{"ratelimit-limit": "100, 100;w=60, 1000;w=3600", "ratelimit-remaining": "50", "ratelimit-reset": "30"}, Rates{RequestsLimit: number(100), RequestsRemaining: number(50)}, true},
		"IETF draft 03, one policy": {map[string]string{"ratelimit-limit": "100;w=60"}, Rates{RequestsLimit: number(100)}, true},
		"IETF draft 11":             {map[string]string{"ratelimit": `"default";r=50;t=30`, "ratelimit-policy": `"default";q=100;w=60`}, Rates{}, true},
		"IETF draft 11, policy":     {map[string]string{"ratelimit-policy": `"a";q=100;w=60;qu="requests", "b";q=5;w=1`}, Rates{}, true},
		"WSO2, both":                {map[string]string{"x-ratelimit-limit": "7", "ratelimit-limit": "8"}, Rates{RequestsLimit: number(7)}, true},
		"Kong":                      {map[string]string{"x-ai-ratelimit-limit-60-azure": "1000", "x-ai-ratelimit-remaining-60-azure": "900", "x-ai-ratelimit-reset": "5"}, Rates{}, true},
		"APISIX":                    {map[string]string{"x-ai-ratelimit-limit-ds": "300", "x-ai-1-ratelimit-remaining": "2"}, Rates{}, true},
		"Higress":                   {map[string]string{"x-tokenratelimit-reset": "12"}, Rates{}, true},
		"Mistral":                   {map[string]string{"ratelimitbysize-limit": "500000", "x-ratelimit-limit-req-minute": "60"}, Rates{}, true},
		"Okta":                      {map[string]string{"x-rate-limit-limit": "600", "x-rate-limit-remaining": "599", "x-rate-limit-reset": "1795318209"}, Rates{}, true},
		"one line twice":            {map[string]string{"x-ratelimit-limit-requests": "100, 100"}, Rates{RequestsLimit: number(100)}, true},
		"two lines":                 {map[string]string{"x-ratelimit-limit-requests": "100, 5"}, Rates{}, true},
		"blanks":                    {map[string]string{"x-ratelimit-limit-requests": " 100 ", "x-ratelimit-limit-tokens": ""}, Rates{RequestsLimit: number(100)}, true},
		"words":                     {map[string]string{"x-ratelimit-limit-requests": "None", "x-ratelimit-limit-tokens": "10 tokens"}, Rates{}, true},
		"fractions":                 {map[string]string{"x-ratelimit-remaining-tokens": "99.5", "x-ratelimit-remaining-requests": "1e3"}, Rates{}, true},
		"too large":                 {map[string]string{"x-ratelimit-limit-tokens": "9223372036854775808"}, Rates{}, true},
		"commas alone":              {map[string]string{"x-ratelimit-limit-requests": ",", "x-ratelimit-limit-tokens": "5,"}, Rates{}, true},
		"a quote that is not ended": {map[string]string{"x-ratelimit-limit": `10, 10;name="a`}, Rates{RequestsLimit: number(10)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, ReadRates(c.header)); diff != "" {
				t.Errorf("rates differ (-want +got):\n%s", diff)
			}
			if got := HasRates(c.header); got != c.has {
				t.Errorf("has rate headers: %t", got)
			}
		})
	}
}

func TestUnnamedLimits(t *testing.T) {
	for name, c := range map[string]struct {
		header map[string]string
		want   []int64
	}{
		"none":              {map[string]string{"x-ratelimit-remaining": "9"}, nil},
		"of requests":       {map[string]string{"x-ratelimit-limit-requests": "10", "x-ratelimit-limit": "1000"}, nil},
		"of one key":        {map[string]string{"x-ratelimit-api_key-limit-requests": "10"}, nil},
		"Anthropic":         {map[string]string{"anthropic-ratelimit-requests-limit": "10"}, nil},
		"agentgateway":      {map[string]string{"x-ratelimit-limit": "1000"}, []int64{1000}},
		"Envoy":             {map[string]string{"x-ratelimit-limit": `10, 10;w=1;name="a, 7", 1000;w=3600`}, []int64{10, 10, 1000}},
		"IETF, old":         {map[string]string{"ratelimit-limit": "100;w=60"}, []int64{100}},
		"beside tokens":     {map[string]string{"x-ratelimit-limit": "10", "x-ratelimit-limit-tokens": "1000"}, []int64{10}},
		"of no sense":       {map[string]string{"x-ratelimit-limit": "many"}, nil},
		"that do not agree": {map[string]string{"x-ratelimit-limit": "10, 20"}, nil},
	} {
		if diff := cmp.Diff(c.want, UnnamedLimits(c.header)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 10, 21, 7, 28, 0, 0, time.UTC)
	for value, c := range map[string]struct {
		want time.Duration
		err  string
	}{
		"5":                                 {want: 5 * time.Second},
		"0":                                 {want: 0},
		"007":                               {want: 7 * time.Second},
		" 5 ":                               {want: 5 * time.Second},
		"\t60":                              {want: time.Minute},
		"2147483647":                        {want: 2147483647 * time.Second},
		"2147483648":                        {err: "no sensible number"},
		"99999999999999999999999":           {err: "no sensible number"},
		"":                                  {err: ErrNoRetryAfter.Error()},
		"  ":                                {err: ErrNoRetryAfter.Error()},
		"5.5":                               {err: "RFC 9110"},
		"5.0":                               {err: "RFC 9110"},
		"30s":                               {err: "RFC 9110"},
		"1m30s":                             {err: "RFC 9110"},
		"-1":                                {err: "RFC 9110"},
		"+5":                                {err: "RFC 9110"},
		"0x10":                              {err: "RFC 9110"},
		"1e3":                               {err: "RFC 9110"},
		"5, 5":                              {err: "RFC 9110"},
		"٥":                                 {err: "RFC 9110"},
		"soon":                              {err: "RFC 9110"},
		"None":                              {err: "RFC 9110"},
		"2026-10-21T07:28:30Z":              {err: "RFC 9110"},
		"Wed, 21 Oct 2026 07:28:30":         {err: "RFC 9110"},
		"Wed, 21 Oct 2026 07:28:30 UTC":     {err: "RFC 9110"},
		"Wed, 21 Oct 2026 07:28:30 GMT":     {want: 30 * time.Second},
		"Wednesday, 21-Oct-26 07:28:30 GMT": {want: 30 * time.Second},
		"Wed Oct 21 07:28:30 2026":          {want: 30 * time.Second},
		"Wed, 21 Oct 2026 07:28:00 GMT":     {want: 0},
		"Wed, 21 Oct 2026 07:27:59 GMT":     {want: 0},
		"Thu, 01 Jan 1970 00:00:00 GMT":     {want: 0},
		"Fri, 31 Dec 9999 23:59:59 GMT":     {want: 1<<63 - 1}, // the longest Duration
	} {
		got, err := ParseRetryAfter(value, now)
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%q: %v, %v; want %v", value, got, err, c.want)
		case c.err != "" && (err == nil || got != 0 || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: %v, %v; want an error with %q", value, got, err, c.err)
		case c.err == ErrNoRetryAfter.Error() != errors.Is(err, ErrNoRetryAfter):
			t.Errorf("%q: %v", value, err)
		}
	}
}

// FuzzRetryAfter holds what is read from garbage to RFC 9110: digits alone, or a
// date that net/http reads too; never a wait backwards.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"", "5", "5.5", "30s", "-1", "99999999999", "Wed, 21 Oct 2026 07:28:30 GMT", "Wed Oct 21 07:28:30 2026", "\x00", "5 5"} {
		f.Add(value, int64(1792567680))
	}
	f.Fuzz(func(t *testing.T, value string, at int64) {
		now := time.Unix(at%(1<<40), 0)
		wait, err := ParseRetryAfter(value, now)
		trimmed := strings.TrimSpace(value)
		date, noDate := http.ParseTime(trimmed)
		digits := trimmed != "" && strings.Trim(trimmed, "0123456789") == ""
		switch {
		case wait < 0:
			t.Errorf("%q is a wait of %v", value, wait)
		case err != nil && wait != 0:
			t.Errorf("%q is a wait of %v and an error: %v", value, wait, err)
		case err != nil && (noDate == nil || digits && len(trimmed) < 10):
			t.Errorf("%q is lawful: %v", value, err)
		case err == nil && !digits && noDate != nil:
			t.Errorf("%q is neither a number nor a date, and a wait of %v", value, wait)
		case err == nil && digits && wait%time.Second != 0:
			t.Errorf("%q is a wait of %v", value, wait)
		case err == nil && noDate == nil && date.After(now) && !now.Add(wait).Equal(date) && wait != 1<<63-1:
			t.Errorf("%q is a wait of %v from %v", value, wait, now)
		}
		if errors.Is(err, ErrNoRetryAfter) != (trimmed == "") {
			t.Errorf("%q: %v", value, err)
		}
	})
}

// FuzzReadRates holds a number that is read to what stands there.
func FuzzReadRates(f *testing.F) {
	for _, value := range []string{"5", "10, 10;w=60", `1;name="a,b", 1`, "", "-1", `"`, "5,,5"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		header := map[string]string{"x-ratelimit-remaining-tokens": value}
		read := ReadRates(header)
		if !HasRates(header) || read.TokensLimit != nil || read.RequestsLimit != nil || read.RequestsRemaining != nil {
			t.Errorf("%q gives %+v", value, read)
		}
		if n := read.TokensRemaining; n != nil && strings.Count(value, `"`)%2 == 0 {
			again := ReadRates(map[string]string{"x-ratelimit-remaining-tokens": value + ", " + value}).TokensRemaining
			if again == nil || *again != *n {
				t.Errorf("%q is %d, and twice it is %v", value, *n, again)
			}
		}
	})
}
