package main

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/sim"
)

// byDate tells Retry-After as an HTTP-date: a part of the seconds that the
// reference tells, rounded up to a whole second. With ahead the target says what
// time it is, and its clock is that far ahead of ours.
func byDate(part float64, says bool, ahead time.Duration) func(*sim.Parts) {
	return func(p *sim.Parts) {
		p.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(&dateWriter{ResponseWriter: w, change: func(h http.Header) {
					now := p.Clock.Now().Add(ahead).UTC()
					if says {
						h.Set("Date", now.Format(http.TimeFormat))
					}
					if n, err := strconv.Atoi(h.Get("Retry-After")); err == nil {
						at := now.Add(time.Duration(part*float64(n)) * time.Second).Add(time.Second - 1).Truncate(time.Second)
						h.Set("Retry-After", at.Format(http.TimeFormat))
					}
				}}, r)
			})
		}
	}
}

type dateWriter struct {
	http.ResponseWriter
	change func(http.Header)
	wrote  bool
}

func (w *dateWriter) WriteHeader(status int) {
	if !w.wrote {
		w.wrote = true
		w.change(w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *dateWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.ResponseWriter.Write(p)
}

func (w *dateWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// TestRetryAfterAsDate: a date is obeyed by the target's own clock, however far
// that is from ours, and a false one is shown only where the target says what
// time it is.
func TestRetryAfterAsDate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sim.Parts)
		want   checker.Verdict
	}{
		"true":                     {byDate(1, true, 0), checker.Pass},
		"true, by another clock":   {byDate(1, true, -3*time.Hour), checker.Pass},
		"true, and nothing said":   {byDate(1, false, 0), checker.Pass},
		"false":                    {byDate(0.4, true, 0), checker.Fail},
		"false, by another clock":  {byDate(0.4, true, 90*time.Minute), checker.Fail},
		"false, and nothing said":  {byDate(0.4, false, 0), checker.Inconclusive},
		"another clock, not said":  {byDate(1, false, -time.Minute), checker.Inconclusive},
		"another clock, far ahead": {byDate(1, false, 3*time.Hour), checker.Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed <= uint64(seedsOf(3)); seed++ {
				for _, window := range []time.Duration{time.Minute, 5 * time.Second} {
					f := runFlags{seed: seed, window: window, model: "m", only: []string{"refusal/retry-after*"}}
					for _, result := range reports.New(playWith(t, f, c.change), "", "").Results {
						want := checker.Pass
						if result.Requirement == "refusal/retry-after-sufficient" {
							want = c.want
						}
						// A date is too coarse for who comes back a little early.
						if result.Requirement == "refusal/retry-after-tight" && result.Verdict == checker.Skip {
							continue
						}
						if result.Verdict != want {
							t.Errorf("seed %d, window %s: %s %s, want %s: %s", seed, window, result.Verdict, result.Requirement, want, result.Message)
						}
					}
				}
			}
		})
	}
}
