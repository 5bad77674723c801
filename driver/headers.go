package driver

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// keepHeaders picks the headers that are judged or that say who answered. A
// history holds no host, no cookie, no key and no wall time: what tells an
// instant is recorded as the time from the answer on, by the answer's Date or,
// where it has none, by our clock.
func keepHeaders(h http.Header, clean func(string) string, answered history.Answered) map[string]string {
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
	for name, value := range kept {
		kept[name] = history.WithoutWallTime(name, value, answered)
	}
	return kept
}

// dates is what the answers so far have said of the target's clock.
type dates struct {
	mu    sync.Mutex
	known bool
	// ahead is by how much the target's clock is ahead of ours at the least: a
	// Date is rounded down and may be old, and never tells what is to come.
	ahead time.Duration
}

// aDateIsRounded is how far a Date may be behind without being old (RFC 9110,
// 5.6.7: whole seconds).
const aDateIsRounded = time.Second

// answered is the time of an answer that has just come.
func (d *Driver) answered(h http.Header) history.Answered {
	now := d.Clock.Now()
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return history.Answered{At: now, OurClock: true}
	}
	d.dates.mu.Lock()
	defer d.dates.mu.Unlock()
	if ahead := date.Sub(now); !d.dates.known || ahead > d.dates.ahead {
		d.dates.known, d.dates.ahead = true, ahead
	}
	a := history.Answered{At: date}
	const grain = 100 * time.Millisecond
	if late := now.Add(d.dates.ahead).Sub(date); late > aDateIsRounded {
		a.Behind = (late + grain - 1).Truncate(grain)
	}
	return a
}

// upstreamPrefix marks what a proxy passes on of its upstream's headers.
const upstreamPrefix = "llm_provider-"

// isKept says whether a header is part of a history. x-litellm-model-api-base
// and its like hold an address and are left out; so are the upstream's dates,
// which would make two runs of one seed differ.
func isKept(name string) bool {
	switch strings.TrimPrefix(name, upstreamPrefix) {
	case "content-type", "server", "via", "rate_limit_type", "reset_at", "x-should-retry", "retry-after", "retry-after-ms",
		"x-ratecheck-version":
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
