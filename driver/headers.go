package driver

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// keepHeaders picks the headers that are judged or that say who answered. A
// history holds no host, no cookie, no key and no wall time: what tells an
// instant is recorded as the time from the answer on, by the answer's Date or,
// where it has none, by our clock.
func keepHeaders(h http.Header, clean func(string) string, now time.Time) map[string]string {
	kept := map[string]string{}
	answered, ourClock := now, true
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		answered, ourClock = date, false
	}
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
	for name, value := range kept {
		kept[name] = history.WithoutWallTime(name, value, answered, ourClock)
	}
	return kept
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
