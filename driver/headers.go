package driver

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// keepHeaders picks the headers that are judged or that say who answered. A
// history holds no host, no cookie, no key and, as far as headers go that are
// not judged, no wall time.
func keepHeaders(h http.Header, clean func(string) string) map[string]string {
	kept := map[string]string{}
	// In order: names that differ in case only are lines of one header.
	for _, given := range slices.Sorted(maps.Keys(h)) {
		name := strings.ToLower(given)
		if !isKept(name) {
			continue
		}
		lines := h[given]
		if earlier, exists := kept[name]; exists {
			lines = append([]string{earlier}, lines...)
		}
		kept[name] = clean(strings.Join(lines, ", "))
	}
	return kept
}

// retryIn is how long a Retry-After that is a date asks to wait, by the clock
// that wrote the answer's Date; 0 where either is missing.
func retryIn(h http.Header) time.Duration {
	until, err := http.ParseTime(h.Get("Retry-After"))
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, until.Sub(now))
}

// upstreamPrefix marks what a proxy passes on of its upstream's headers.
const upstreamPrefix = "llm_provider-"

// isKept says whether a header is part of a history. x-litellm-model-api-base
// and its like hold an address and are left out; so are the upstream's dates,
// which would make two runs of one seed differ.
func isKept(name string) bool {
	switch strings.TrimPrefix(name, upstreamPrefix) {
	case "content-type", "server", "via", "rate_limit_type", "reset_at", "x-should-retry", "retry-after", "retry-after-ms":
		return true
	case "date", "expires", "last-modified":
		return false
	}
	if strings.Contains(name, "api-base") || strings.Contains(name, "cookie") {
		return false
	}
	return strings.Contains(name, "ratelimit") || strings.Contains(name, "rate-limit") || strings.Contains(name, "retry-after") ||
		strings.HasPrefix(name, "x-litellm-") || strings.HasPrefix(name, upstreamPrefix)
}
