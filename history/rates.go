package history

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Rates are the numbers of an answer's rate headers, as far as they are there.
type Rates struct {
	RequestsLimit, RequestsRemaining *int64
	TokensLimit, TokensRemaining     *int64
}

// rateNames are the header names of one number, the most telling first: the
// pair of the key's own scope before the unprefixed one, which on some gateways
// is the upstream's (see HasRates for the dialects).
func rateNames(kind, what string) []string {
	names := []string{
		"x-ratelimit-api_key-" + what + "-" + kind, // LiteLLM
		"x-ratelimit-" + what + "-" + kind,         // OpenAI and most gateways
		"anthropic-ratelimit-" + kind + "-" + what,
	}
	if kind == "requests" {
		names = append(names, "x-ratelimit-"+what, "ratelimit-"+what) // Envoy; IETF drafts up to 07
	}
	return names
}

// ReadRates reads the rate headers of an answer. A number that cannot be read
// is left out.
func ReadRates(header map[string]string) Rates {
	read := func(kind, what string) *int64 {
		for _, name := range rateNames(kind, what) {
			if n, err := strconv.ParseInt(strings.TrimSpace(header[name]), 10, 64); err == nil {
				return &n
			}
		}
		return nil
	}
	return Rates{
		RequestsLimit: read("requests", "limit"), RequestsRemaining: read("requests", "remaining"),
		TokensLimit: read("tokens", "limit"), TokensRemaining: read("tokens", "remaining"),
	}
}

// HasRates says whether an answer carries rate headers of its own in any known
// dialect: x-ratelimit-* (OpenAI, LiteLLM, Envoy, GoModel), ratelimit and
// ratelimit-* (IETF drafts), anthropic-ratelimit-*, x-ai-ratelimit-* (Kong,
// APISIX), ratelimitbysize-* (Mistral). What an upstream said and the proxy
// passed on as llm_provider-* does not count.
func HasRates(header map[string]string) bool {
	for name := range header {
		if strings.HasPrefix(name, "llm_provider-") {
			continue
		}
		if strings.Contains(name, "ratelimit") {
			return true
		}
	}
	return false
}

// ErrNoRetryAfter says that an answer has no Retry-After.
var ErrNoRetryAfter = errors.New("no Retry-After")

// ParseRetryAfter reads a Retry-After in one of the two forms of RFC 9110
// section 10.2.3: a whole number of seconds, or an HTTP-date, which is told
// relative to now. The error says what stands there instead.
func ParseRetryAfter(value string, now time.Time) (time.Duration, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, ErrNoRetryAfter
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("the Retry-After %q is no sensible number of seconds", value)
		}
		return time.Duration(seconds) * time.Second, nil
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, fmt.Errorf("the Retry-After %q is neither a whole number of seconds nor an HTTP-date (RFC 9110, 10.2.3)", value)
	}
	return max(0, date.Sub(now)), nil
}
