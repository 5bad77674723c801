package scenarios

import (
	"context"

	"github.com/ratecheck/ratecheck/history"
)

// tokensSequential is one client that keeps asking, one request after the
// other, for four windows. Its max_tokens are honest.
func tokensSequential() Scenario {
	const (
		tpm                = 500
		prompt, completion = 20, 30 // a tenth of the limit
		windows, perWindow = 4, 20
	)
	asks := []string{"tokens/limit-kept", "tokens/limit-usable"}
	return Scenario{
		Name:          "tokens-sequential",
		Sentence:      "one client asks for twice a token limit, one request after the other, for four windows",
		Asks:          asks,
		NeedsProvider: true,
		Plan: Plan{
			Keys: 1, Requests: windows*perWindow + 1, Tokens: (windows*perWindow + 1) * (prompt + completion),
			Windows: windows, Seconds: 1,
		},
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.Key(ctx, history.Limits{Tokens: limit(tpm)})
			if err != nil {
				return err
			}
			// No catching up behind a slow answer: what follows each other closely
			// may lawfully be charged late.
			next := s.Now()
			for range windows*perWindow + 1 {
				if err := s.Until(ctx, next); err != nil {
					return err
				}
				next = s.Now() + s.Window()/perWindow
				if _, err := s.Send(ctx, key, Shot{
					Step: "ask", Asks: asks, MaxTokens: completion,
					Script: history.Script{PromptTokens: prompt, CompletionTokens: completion},
				}); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
