package scenarios

import (
	"context"

	"github.com/ratecheck/ratecheck/history"
)

// isolationKeys has a quiet key ask for less than its limits while another key
// with the same limits asks for far more than its own.
func isolationKeys() Scenario {
	const (
		rpm, tpm = 16, 1600
		quiet    = 8
		noisy    = 40
	)
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
		Plan:          Plan{Keys: 2, Requests: quiet + noisy, Tokens: 50 * (quiet + noisy), Windows: 0.7, Seconds: 2},
		Play: func(ctx context.Context, s *Stage) error {
			limits := history.Limits{Requests: limit(rpm), Tokens: limit(tpm)}
			victim, err := s.Key(ctx, limits)
			if err != nil {
				return err
			}
			bully, err := s.Key(ctx, limits)
			if err != nil {
				return err
			}
			w := s.Window()
			return s.beside(
				func() error {
					return s.Pace(ctx, victim, quiet, w/2/quiet, func(int) Shot { return shot("quiet") })
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
