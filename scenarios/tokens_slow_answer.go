package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// tokensSlowAnswer is the recipe of tokens/window-reopens: a request whose
// answer ends after its window uses a whole token limit; the next ones come late
// enough for its tokens to be over. It is played on a key with both limits and,
// as controls, on one with tokens alone and one with requests alone.
func tokensSlowAnswer() Scenario {
	const (
		rpm = 1000
		// tpm is large enough that a limiter which reserves 1024 tokens for a
		// request without max_tokens admits the first one, and that the prompt
		// of a probe is nothing beside it.
		tpm = 2000
		// margin is how much of a window is left when the second request comes.
		margin = 700 * time.Millisecond
	)
	asks := []string{"tokens/window-reopens"}
	probe := func(step string) Shot {
		return Shot{Step: step, Asks: asks, MaxTokens: 1, Script: history.Script{CompletionTokens: 1}}
	}
	return Scenario{
		Name:          "tokens-slow-answer",
		Sentence:      "a request that uses a whole token limit ends after its window; probes follow when its tokens are over; keys with both limits, tokens alone, requests alone",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 3, Requests: 3 * 5, Tokens: 3 * (tpm + 4), Windows: 4, Seconds: 2},
		Play: func(ctx context.Context, s *Stage) error {
			w := s.Window()
			play := func(limits history.Limits) error {
				key, err := s.Key(ctx, limits)
				if err != nil {
					return err
				}
				first, err := s.Send(ctx, key, Shot{
					Step: "slow", Asks: asks, MaxTokens: NoMaxTokens,
					Script: history.Script{CompletionTokens: tpm, Latency: w + time.Second},
				})
				if err != nil {
					return err
				}
				for _, p := range []struct {
					step string
					at   time.Duration
				}{
					{"touch", w - margin},
					{"probe", w + slack(w)},
					{"probe-later", w + slack(w) + 2*w/5},
					{"probe-last", 2*w - w/5},
				} {
					if err := s.Until(ctx, first.Done+p.at); err != nil {
						return err
					}
					if _, err := s.Send(ctx, key, probe(p.step)); err != nil {
						return err
					}
				}
				return nil
			}
			return s.beside(
				func() error { return play(history.Limits{Requests: limit(rpm), Tokens: limit(tpm)}) },
				func() error { return play(history.Limits{Tokens: limit(tpm)}) },
				func() error { return play(history.Limits{Requests: limit(rpm)}) },
			)
		},
	}
}
