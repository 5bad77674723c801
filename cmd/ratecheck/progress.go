package main

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/scenarios"
)

// handshakes is how many requests a run sends before its scenarios: one to chat,
// and one to each other endpoint that they ask.
func handshakes(chosen []scenarios.Scenario) int { return 1 + len(scenarios.OtherEndpoints(chosen)) }

// printPlan says what a run will send, before it does.
func (a *app) printPlan(w io.Writer, chosen []scenarios.Scenario, f runFlags, url string) error {
	total := scenarios.Total(chosen)
	switch {
	case url == "" && f.litellm != "":
		url = "LiteLLM " + f.litellm + ", which is started for it"
	case url == "":
		url = "the embedded reference (on virtual time)"
	}
	_, err := fmt.Fprintf(w, "will send at most %d requests with %d keys, %d tokens if all were admitted, in about %s, to %s\n",
		total.Requests+handshakes(chosen), total.Keys+1, total.Tokens, total.Duration(f.window).Round(time.Second), url)
	if err != nil || !f.dryRun {
		return err
	}
	var rows [][]string
	for _, s := range chosen {
		rows = append(rows, []string{
			s.Name, fmt.Sprint(s.Plan.Keys), fmt.Sprint(s.Plan.Requests), fmt.Sprint(s.Plan.Tokens),
			s.Plan.Duration(f.window).Round(time.Second).String(), s.Sentence,
		})
	}
	return reports.Table(w, []string{"scenario", "keys", "requests", "tokens", "takes", "what is sent"}, rows)
}

// progress keeps one line on stderr up to date while it is a terminal.
func (a *app) progress(w *world, chosen []scenarios.Scenario, f runFlags) (stop func()) {
	if f.quiet || !a.isTerminal(a.stderr) {
		return func() {}
	}
	var done atomic.Int64
	w.runner.OnAttempt = func(n int) { done.Store(int64(n)) }
	total := scenarios.Total(chosen)
	c := clock.System{}
	start := c.Now()
	ctx, cancel := context.WithCancel(context.Background())
	ended := c.NewEvent()
	c.Go("progress", func() {
		defer ended.Set()
		const everyTick = 200 * time.Millisecond
		for c.Sleep(ctx, everyTick) == nil {
			_, _ = fmt.Fprintf(a.stderr, "\r%s of about %s, %d of at most %d requests ",
				c.Now().Sub(start).Round(time.Second), total.Duration(f.window).Round(time.Second), done.Load(), total.Requests+handshakes(chosen))
		}
		_, _ = fmt.Fprint(a.stderr, "\r\x1b[K")
	})
	return func() {
		cancel()
		_ = ended.Wait(context.Background())
	}
}
