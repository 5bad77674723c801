package scenarios

import (
	"context"

	"github.com/ratecheck/ratecheck/history"
)

// answersQuiet asks one after the other, far below every limit, plainly and
// streamed, to see what an admitted answer looks like.
func answersQuiet() Scenario {
	const each = 3
	asks := []string{"headers/on-answers", "headers/on-streams", "headers/limit-true", "headers/remaining-true", "headers/reset-plausible", "headers/litellm-typed"}
	return Scenario{
		Name:     "answers-quiet",
		Sentence: "three plain requests and three streams, one after the other, on a key with all three limits",
		Asks:     asks,
		Plan:     Plan{Keys: 1, Requests: 2 * each, Tokens: 2 * each * 30, Windows: 0.1, Seconds: 2},
		Play: func(ctx context.Context, s *Stage) error {
			limits := history.Limits{Requests: limit(100), Tokens: limit(100_000), Parallel: limit(50)}
			key, err := s.KeyThat(ctx, limits, s.anyOutOfReach)
			if err != nil {
				return err
			}
			for i := range 2 * each {
				if i == 2*each-2 {
					// What was used is charged by then, also beside the answers.
					if err := s.Wait(ctx, settleTime); err != nil {
						return err
					}
				}
				step := "plain"
				if i%2 == 1 {
					step = "stream"
				}
				if _, err := s.Send(ctx, key, Shot{
					Step: step, Asks: asks, Stream: i%2 == 1, MaxTokens: 20,
					Script: history.Script{PromptTokens: 10, CompletionTokens: 20},
				}); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
