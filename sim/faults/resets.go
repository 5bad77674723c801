package faults

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/sim"
)

func resetFaults() []Fault {
	const breaks = "headers/reset-plausible"
	return []Fault{
		{
			Name: "reset-of-the-process", Breaks: breaks,
			Sentence: "resets are told in seconds since the process started (any-llm)",
			Apply: resetsAs(func(c clock.Clock, _ time.Duration) func() string {
				const ranFor = 34 * time.Hour // before the run
				start := c.Now().Add(-ranFor)
				return func() string { return strconv.FormatFloat(c.Now().Sub(start).Seconds(), 'f', 3, 64) }
			}),
		},
		{
			Name: "reset-in-the-past", Breaks: breaks,
			Sentence: "resets are told as less than no time",
			Apply:    resetsAs(func(clock.Clock, time.Duration) func() string { return func() string { return "-30" } }),
		},
		{
			Name: "reset-of-ten-windows", Breaks: breaks,
			Sentence: "resets are told as ten windows, whatever is left of the one",
			Apply: resetsAs(func(_ clock.Clock, window time.Duration) func() string {
				const windows = 10
				return func() string { return (windows * window).String() }
			}),
		},
		{
			Name: "reset-as-word", Breaks: breaks,
			Sentence: "resets are told as soon",
			Apply:    resetsAs(func(clock.Clock, time.Duration) func() string { return func() string { return "soon" } }),
		},
		{
			Name: "reset-at-local-time", Breaks: breaks,
			Sentence: "reset_at is local time, five and a half hours from UTC, and labelled UTC (LiteLLM 39816)",
			Apply:    resetAtLocalTime,
		},
	}
}

// resetsAs tells every x-ratelimit-reset-* in another way.
func resetsAs(teller func(c clock.Clock, window time.Duration) func() string) func(*sim.Parts) {
	return func(p *sim.Parts) {
		tell := teller(p.Clock, p.Window)
		onHeaders(func(h http.Header, _ int) int {
			for name := range h {
				if strings.HasPrefix(strings.ToLower(name), "x-ratelimit-reset-") {
					h.Set(name, tell())
				}
			}
			return 0
		})(p)
	}
}

// resetAtLocalTime also tells the target's time, as every HTTP server does
// (RFC 9110, 6.6.1): without it nobody could tell a wrong time from another
// clock.
func resetAtLocalTime(p *sim.Parts) {
	const layout, east = "2006-01-02 15:04:05 UTC", 5*time.Hour + 30*time.Minute
	c := p.Clock
	onHeaders(func(h http.Header, _ int) int {
		h.Set("Date", c.Now().UTC().Format(http.TimeFormat))
		if at, err := time.Parse(layout, h.Get("Reset_at")); err == nil {
			h.Set("Reset_at", at.Add(east).Format(layout))
		}
		return 0
	})(p)
}
