package scenarios

import (
	"context"
	"net/http"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// refundOnce gives a limiter several chances to refund one reservation more
// than once: a call that fails before it succeeds, calls that fail, and calls
// that fail when their clients have left.
func refundOnce() Scenario {
	const (
		tpm        = 4500
		completion = 150
		failing    = 4
		latency    = 400 * time.Millisecond
	)
	asks := []string{"refund/once", "headers/litellm-typed"}
	shot := func(step string) Shot {
		return Shot{
			Step: step, Asks: asks, MaxTokens: completion,
			Script: history.Script{PromptTokens: 20, CompletionTokens: completion},
		}
	}
	return Scenario{
		Name:          "refund-once",
		Sentence:      "a call that fails once before it succeeds, calls that fail, and calls that fail when their clients have left, between equal probes",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 1, Requests: 4 + failing, Tokens: 3*40 + (1+failing)*170, Windows: 0.4, Seconds: 5},
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.Key(ctx, history.Limits{Tokens: limit(tpm)})
			if err != nil {
				return err
			}
			first, err := s.probeTokens(ctx, key, "probe-1", asks)
			if err != nil || !countsTokens(first) {
				return err
			}
			retried := shot("retried")
			retried.Script.FailFirst = 1
			if _, err := s.Send(ctx, key, retried); err != nil {
				return err
			}
			if err := s.Wait(ctx, settleTime); err != nil {
				return err
			}
			if _, err := s.Send(ctx, key, probing("probe-2", asks)); err != nil {
				return err
			}
			start := s.Now()
			if _, err := s.together(ctx, key, failing, func(i int) Shot {
				fail := shot("fail")
				fail.Script.Status = http.StatusInternalServerError
				if i%2 == 1 {
					fail.Step, fail.Script.Latency, fail.LeaveAfter = "fail-left", latency, latency/2
				}
				return fail
			}); err != nil {
				return err
			}
			if err := s.Until(ctx, max(s.Now(), start+latency)+settleTime); err != nil {
				return err
			}
			_, err = s.Send(ctx, key, probing("probe-3", asks))
			return err
		},
	}
}
