package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// A token counter is read from the remaining-tokens header of a later request,
// or, on a target that sends none, by filling up what is left.

// countsTokens says whether an answer tells what is left of a token limit.
func countsTokens(a history.Attempt) bool {
	return history.ReadRates(a.Header).TokensRemaining != nil
}

// fillUp asks one request after the other until one is refused, at most n
// times. Between two requests is time for a charge after the answer.
func (s *Stage) fillUp(ctx context.Context, k *Key, n int, shot Shot) error {
	for range n {
		a, err := s.Send(ctx, k, shot)
		if err != nil {
			return err
		}
		if a.Status != 200 {
			return nil
		}
		if err := s.Wait(ctx, fillPause(s.Window())); err != nil {
			return err
		}
	}
	return nil
}

// fillPause lets a key be filled up well within a window.
func fillPause(window time.Duration) time.Duration {
	return min(window/50, settleTime)
}

// probing is a request whose answer's headers are to tell the counter. All have
// one text, for what a limiter has reserved for them must be the same, and
// tokenizers cut one nonce into more words than another.
func probing(step string, asks []string) Shot {
	shot := costing(step, asks, 10, 30)
	shot.NonceInStop = true
	return shot
}

// costing is a request with honest max_tokens.
func costing(step string, asks []string, prompt, completion int64) Shot {
	return Shot{
		Step: step, Asks: asks, MaxTokens: completion,
		Script: history.Script{PromptTokens: prompt, CompletionTokens: completion},
	}
}
