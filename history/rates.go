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
// is left out, and so is what does not say whether it counts requests or tokens:
// x-ai-ratelimit-*, ratelimitbysize-*, and the policies of the IETF's RateLimit.
func ReadRates(header map[string]string) Rates {
	read := func(kind, what string) *int64 {
		for _, name := range rateNames(kind, what) {
			if n := readNumber(header[name]); n != nil {
				return n
			}
		}
		return nil
	}
	return Rates{
		RequestsLimit: read("requests", "limit"), RequestsRemaining: read("requests", "remaining"),
		TokensLimit: read("tokens", "limit"), TokensRemaining: read("tokens", "remaining"),
	}
}

// UnnamedLimits are the limits that stand under a name that does not say what it
// counts, where ReadRates reads the requests from there: the one that is told,
// and those of the policies behind it. Gateways tell the limit there that is
// nearest to its end, be it of requests or of tokens (Envoy, agentgateway). Nil
// is none.
func UnnamedLimits(header map[string]string) []int64 {
	for _, name := range rateNames("requests", "limit") {
		value := header[name]
		if readNumber(value) == nil {
			continue
		}
		if strings.HasSuffix(name, "-requests") || strings.HasPrefix(name, "anthropic-") {
			return nil
		}
		var limits []int64
		for _, item := range strings.Split(withoutQuoted(value), ",") {
			text, _, _ := strings.Cut(item, ";")
			if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil {
				limits = append(limits, n)
			}
		}
		return limits
	}
	return nil
}

// readNumber reads the number of a header. Envoy and the IETF drafts up to 07
// put their policies behind it, as in "10, 10;w=60". Lines that agree are one,
// and lines that do not are none: chained gateways append theirs (Kong 14353).
func readNumber(value string) *int64 {
	var number *int64
	for i, item := range strings.Split(withoutQuoted(value), ",") {
		text, _, isPolicy := strings.Cut(item, ";")
		if isPolicy && i > 0 {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || number != nil && *number != n {
			return nil
		}
		number = &n
	}
	return number
}

// withoutQuoted leaves out what stands between double quotes: the name of a
// policy may hold commas.
func withoutQuoted(value string) string {
	var b strings.Builder
	for i, part := range strings.Split(value, `"`) {
		if i%2 == 0 {
			b.WriteString(part)
		}
	}
	return b.String()
}

// HasRates says whether an answer carries rate headers of its own in any known
// dialect: x-ratelimit-* (OpenAI, LiteLLM, Envoy, GoModel), ratelimit and
// ratelimit-* (IETF drafts), anthropic-ratelimit-*, x-ai-ratelimit-* (Kong,
// APISIX), ratelimitbysize-* (Mistral), x-rate-limit-* (Twitter, Okta). What an upstream said and the proxy
// passed on as llm_provider-* does not count, nor does Envoy's mark that it was
// the one who refused.
func HasRates(header map[string]string) bool {
	for name := range header {
		if strings.HasPrefix(name, "llm_provider-") || name == "x-envoy-ratelimited" {
			continue
		}
		if strings.Contains(name, "ratelimit") || strings.Contains(name, "rate-limit-") {
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
