package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// tokensConcurrent asks for five times a token limit at once, while the upstream
// is slow: whoever charges only after the answer lets all of it through. Two
// keys do so at different phases, so that an edge of a window on the clock
// cannot excuse both.
func tokensConcurrent() Scenario {
	const (
		burst              = 25
		prompt, completion = 50, 150
		latency            = 800 * time.Millisecond
	)
	asks := []string{"tokens/limit-kept-concurrent"}
	return Scenario{
		Name:          "tokens-concurrent",
		Sentence:      "25 requests at once for five times a token limit, over an upstream that takes 0.8 s",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 2, Requests: 2 * burst, Tokens: 2 * burst * (prompt + completion), Windows: 0.5, Seconds: 4},
		Play: func(ctx context.Context, s *Stage) error {
			for i, tpm := range []int64{1000, 1010} {
				key, err := s.Key(ctx, history.Limits{Tokens: limit(tpm)})
				if err != nil {
					return err
				}
				if i > 0 {
					if err := s.Wait(ctx, s.Window()/3); err != nil {
						return err
					}
				}
				if _, err := s.Burst(ctx, key, burst, func(n int) Shot {
					return Shot{
						Step: []string{"burst-1", "burst-2"}[i], Asks: asks, Stream: n%2 == 1, MaxTokens: completion,
						Script: history.Script{PromptTokens: prompt, CompletionTokens: completion, Latency: latency},
					}
				}); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
