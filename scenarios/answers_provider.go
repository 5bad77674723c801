package scenarios

import (
	"context"

	"github.com/ratecheck/ratecheck/history"
)

// answersProvider has the provider send rate headers of its own, to see whose
// numbers a key with limits is told.
func answersProvider() Scenario {
	const each = 2
	asks := []string{"headers/key-before-provider"}
	return Scenario{
		Name:          "answers-provider",
		Sentence:      "two plain requests and two streams whose provider sends rate headers of its own",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 1, Requests: 2 * each, Tokens: 2 * each * 30, Windows: 0.1, Seconds: 2},
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.Key(ctx, history.Limits{Requests: limit(110), Tokens: limit(110_000)})
			if err != nil {
				return err
			}
			for i := range 2 * each {
				shot := costing("plain", asks, 10, 20)
				if shot.Stream = i%2 == 1; shot.Stream {
					shot.Step = "stream"
				}
				shot.Script.RateHeaders = map[string]string{
					"X-Ratelimit-Limit-Requests": "10000", "X-Ratelimit-Remaining-Requests": "9999",
					"X-Ratelimit-Limit-Tokens": "200000", "X-Ratelimit-Remaining-Tokens": "199900",
				}
				if _, err := s.Send(ctx, key, shot); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
