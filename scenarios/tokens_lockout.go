package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// tokensLockout is the recipe of tokens/lockout-bounded: a slow answer, then a
// client that never asks for more than its limit in any window. It stops when
// it has been refused for two windows, when no class remembers anything.
func tokensLockout() Scenario {
	const (
		rpm, tpm = 1001, 1900
		// Three requests fit into a window beside the slow one, which states no
		// max_tokens, so that it uses another number of tokens than was reserved.
		slow, cost = 560, 440
		perTen     = 4 // one request each four tenths of a window
		pause      = 2 // tenths of a window, for a charge beside the slow answer
		requests   = 12
	)
	asks := []string{"tokens/lockout-bounded"}
	return Scenario{
		Name:          "tokens-lockout",
		Sentence:      "a slow answer, and then less than a token limit in every window, until a client is refused for two windows in a row",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 1, Requests: 1 + requests, Tokens: slow + requests*cost, Windows: 5.6, Seconds: 4},
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.Key(ctx, history.Limits{Requests: limit(rpm), Tokens: limit(tpm)})
			if err != nil {
				return err
			}
			w := s.Window()
			first, err := s.Send(ctx, key, Shot{
				Step: "slow", Asks: asks, MaxTokens: NoMaxTokens,
				Script: history.Script{CompletionTokens: slow, Latency: w + time.Second},
			})
			if err != nil {
				return err
			}
			row := time.Duration(-1) // since when it has been refused
			for i := range requests {
				if err := s.Until(ctx, first.Done+w*time.Duration(pause+i*perTen)/10); err != nil {
					return err
				}
				a, err := s.Send(ctx, key, costing("ask", asks, 10, cost-10))
				if err != nil {
					return err
				}
				switch {
				case a.Status == 200:
					row = -1
				case row < 0:
					row = a.Sent
				case a.Done > row+2*w:
					return nil
				}
			}
			return nil
		},
	}
}
