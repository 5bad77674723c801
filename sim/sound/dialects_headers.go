package sound

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/sim"
)

// trio is what the reference tells of one of a key's limits.
type trio struct {
	kind             string // requests or tokens
	limit, remaining string
	reset            time.Duration
}

// takeTrios takes all rate headers of the reference's dialect out of an answer,
// and returns what they tell of the key's own limits.
func takeTrios(h http.Header) []trio {
	var list []trio
	for _, kind := range []string{"requests", "tokens"} {
		limit := h.Get("x-ratelimit-api_key-limit-" + kind)
		seconds, err := strconv.Atoi(h.Get("x-ratelimit-reset-" + kind))
		if limit != "" && err == nil {
			list = append(list, trio{kind, limit, h.Get("x-ratelimit-api_key-remaining-" + kind), time.Duration(seconds) * time.Second})
		}
	}
	for name := range h {
		if strings.HasPrefix(strings.ToLower(name), "x-ratelimit-") {
			h.Del(name)
		}
	}
	return list
}

// headerDialects are the ways to tell limits that are met in the wild.
func headerDialects() []Limiter {
	heads := func(name, sentence string, change func(now time.Time, h http.Header, window time.Duration)) Limiter {
		return Limiter{Name: name, Sentence: sentence, Apply: func(p *sim.Parts) {
			p.Wrap = func(next http.Handler) http.Handler { return tellingAs(p.Clock, p.Window, change, next) }
		}}
	}
	return []Limiter{
		heads("anthropic", "tells limits as Anthropic does, with resets as RFC 3339", func(now time.Time, h http.Header, _ time.Duration) {
			for _, t := range takeTrios(h) {
				prefix := "anthropic-ratelimit-" + t.kind
				h.Set(prefix+"-limit", t.limit)
				h.Set(prefix+"-remaining", t.remaining)
				h.Set(prefix+"-reset", now.Add(t.reset).UTC().Format(time.RFC3339))
			}
			h.Set("Date", now.UTC().Format(http.TimeFormat))
		}),
		heads("unix-seconds", "tells resets as seconds since 1970, by a clock that is 90 s ahead", func(now time.Time, h http.Header, _ time.Duration) {
			now = now.Add(90 * time.Second)
			for _, t := range takeTrios(h) {
				h.Set("x-ratelimit-limit-"+t.kind, t.limit)
				h.Set("x-ratelimit-remaining-"+t.kind, t.remaining)
				h.Set("x-ratelimit-reset-"+t.kind, strconv.FormatInt(now.Add(t.reset).Unix(), 10))
			}
			h.Set("Date", now.UTC().Format(http.TimeFormat))
			h.Del("Reset_at")
		}),
		heads("durations", "tells resets as durations, as OpenAI does, and each line twice", func(_ time.Time, h http.Header, _ time.Duration) {
			for _, t := range takeTrios(h) {
				for range 2 {
					h.Add("x-ratelimit-limit-"+t.kind, t.limit)
					h.Add("x-ratelimit-remaining-"+t.kind, t.remaining)
					h.Add("x-ratelimit-reset-"+t.kind, t.reset.String())
				}
			}
		}),
		heads("policies", "tells each limit as a policy (IETF draft 11), beside one of a day", func(_ time.Time, h http.Header, window time.Duration) {
			for _, t := range takeTrios(h) {
				h.Add("RateLimit-Policy", fmt.Sprintf(`"%s";q=%s;w=%d`, t.kind, t.limit, int(window.Seconds())))
				h.Add("RateLimit", fmt.Sprintf(`"%s";r=%s;t=%d`, t.kind, t.remaining, int(t.reset.Seconds())))
			}
			h.Add("RateLimit-Policy", `"day, whole";q=1000000;w=86400`)
			if h.Get("RateLimit") == "" {
				h.Set("RateLimit", `"day, whole";r=999000;t=80000`)
			}
		}),
		heads("day-policy", "tells of a policy of a day alone", func(_ time.Time, h http.Header, _ time.Duration) {
			takeTrios(h)
			h.Set("RateLimit-Policy", `"day";q=1000000;w=86400`)
			h.Set("RateLimit", `"day";r=999000;t=80000`)
		}),
		heads("envoy", "tells the requests first with their policies, as Envoy does", func(_ time.Time, h http.Header, window time.Duration) {
			for _, t := range takeTrios(h) {
				h.Set("x-ratelimit-limit", fmt.Sprintf(`%s, %s;w=%d;name="a, b", 90000;w=3600`, t.limit, t.limit, int(window.Seconds())))
				h.Set("x-ratelimit-remaining", t.remaining)
				h.Set("x-ratelimit-reset", strconv.Itoa(int(t.reset.Seconds())))
				break
			}
		}),
		heads("old-date", "tells Retry-After as a date, beside a Date that is renewed every three seconds", func(now time.Time, h http.Header, _ time.Duration) {
			retryAsDate(h, now.Add(time.Second-time.Nanosecond))
			h.Set("Date", now.UTC().Truncate(3*time.Second).Format(http.TimeFormat))
		}),
	}
}

func tellingAs(c clock.Clock, window time.Duration, change func(time.Time, http.Header, time.Duration), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&headWriter{ResponseWriter: w, change: func(h http.Header, _ int) { change(c.Now(), h, window) }}, r)
	})
}
