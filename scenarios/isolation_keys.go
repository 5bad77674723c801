package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// isolationKeys has a quiet key ask for less than its limits while another key
// with the same limits asks for far more than its own.
func isolationKeys() Scenario {
	const (
		usual, tpm = 16, 1600 // requests and tokens a window
		cost       = 100      // the most that a request may be counted at, in tokens
	)
	// The quiet key asks for half of its limit, the noisy one for two and a half.
	quietOf, noisyOf := func(rpm int) int { return rpm / 2 }, func(rpm int) int { return 5 * rpm / 2 }
	plan := func(rpm int) Plan {
		n := quietOf(rpm) + noisyOf(rpm)
		return Plan{Keys: 2, Requests: n, Tokens: 50 * int64(n), Windows: 0.7, Seconds: 2}
	}
	asks := []string{"isolation/keys"}
	shot := func(step string) Shot {
		return Shot{
			Step: step, Asks: asks, MaxTokens: 40,
			Script: history.Script{PromptTokens: 10, CompletionTokens: 40},
		}
	}
	return Scenario{
		Name:          "isolation-keys",
		Sentence:      "one key asks for half its limits while another with the same limits asks for more than twice its own",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          plan(usual),
		PlanWith:      perRequests(usual, plan),
		Play: func(ctx context.Context, s *Stage) error {
			limits := history.Limits{Requests: limit(usual), Tokens: limit(tpm)}
			// Both limits, or the request limit alone; of tokens enough for all
			// that the quiet key asks.
			fits := func(granted history.Limits) bool {
				return playable(granted.Requests) &&
					(granted.Tokens == nil || *granted.Tokens >= cost**granted.Requests) &&
					s.outOfReach(granted, history.Limits{Requests: granted.Requests, Tokens: granted.Tokens})
			}
			victim, err := s.KeyThat(ctx, limits, fits)
			if err != nil {
				return err
			}
			bully, err := s.KeyThat(ctx, limits, fits)
			if err != nil {
				return err
			}
			w, rpm := s.Window(), int(*victim.Limits.Requests)
			quiet, noisy := quietOf(rpm), noisyOf(rpm)
			return s.beside(
				func() error {
					return s.Pace(ctx, victim, quiet, w/2/time.Duration(quiet), func(int) Shot { return shot("quiet") })
				},
				func() error {
					if err := s.Wait(ctx, w/8); err != nil {
						return err
					}
					_, err := s.Burst(ctx, bully, noisy, func(int) Shot { return shot("noisy") })
					return err
				},
			)
		},
	}
}
