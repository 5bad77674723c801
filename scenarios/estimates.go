package scenarios

import (
	"context"

	"github.com/ratecheck/ratecheck/history"
)

// estimateEdges asks what an estimate gets wrong: a first request without
// max_tokens on a small limit, and one that can never fit.
func estimateEdges() Scenario {
	const small = 700
	asks := []string{"tokens/small-limit-usable", "refusal/never-fits"}
	return Scenario{
		Name:          "estimate-edges",
		Sentence:      "a first request without max_tokens on a limit of 700 tokens, and two for 900",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 1, Requests: 3, Tokens: 30 + 2*910, Windows: 0.1, Seconds: 2},
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.Key(ctx, history.Limits{Tokens: limit(small)})
			if err != nil {
				return err
			}
			first := costing("first", asks, 10, 20)
			first.MaxTokens = NoMaxTokens
			if _, err := s.Send(ctx, key, first); err != nil {
				return err
			}
			for range 2 {
				if _, err := s.Send(ctx, key, costing("never", asks, 10, 900)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
