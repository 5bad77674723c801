package scenarios

import (
	"context"

	"github.com/ratecheck/ratecheck/history"
)

// estimateEdges asks what an estimate gets wrong: a first request without
// max_tokens on a small limit.
func estimateEdges() Scenario {
	const small = 700
	asks := []string{"tokens/small-limit-usable"}
	return Scenario{
		Name:          "estimate-edges",
		Sentence:      "a first request without max_tokens on a limit of 700 tokens",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 1, Requests: 1, Tokens: 30, Windows: 0.1, Seconds: 2},
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.Key(ctx, history.Limits{Tokens: limit(small)})
			if err != nil {
				return err
			}
			first := costing("first", asks, 10, 20)
			first.MaxTokens = NoMaxTokens
			_, err = s.Send(ctx, key, first)
			return err
		},
	}
}
