package scenarios

import (
	"context"

	"github.com/ratecheck/ratecheck/history"
)

// driftRest sends mixed traffic between two equal probes and lets it come to
// rest: plain and streamed, with max_tokens that are met and that are far too
// high.
func driftRest() Scenario {
	const (
		tpm, fillTPM = 4000, 1200
		fill         = 60
		fillTries    = 20
	)
	asks := []string{"drift/remaining-matches-usage"}
	mixed := []Shot{
		{Stream: false, MaxTokens: 70, Script: history.Script{PromptTokens: 30, CompletionTokens: 70}},
		{Stream: true, MaxTokens: 100, Script: history.Script{PromptTokens: 20, CompletionTokens: 60}},
		{Stream: false, MaxTokens: 200, Script: history.Script{PromptTokens: 10, CompletionTokens: 20}},
		{Stream: true, MaxTokens: 40, Script: history.Script{PromptTokens: 50, CompletionTokens: 40}},
		{Stream: false, MaxTokens: 300, Script: history.Script{PromptTokens: 10, CompletionTokens: 1}},
	}
	traffic := func(ctx context.Context, s *Stage, key *Key) error {
		for _, shot := range mixed {
			shot.Step, shot.Asks = "traffic", asks
			if _, err := s.Send(ctx, key, shot); err != nil {
				return err
			}
		}
		return s.Wait(ctx, settleTime)
	}
	return Scenario{
		Name:          "drift-rest",
		Sentence:      "five requests of different shapes between two equal probes; without token headers the rest of the limit is filled up",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 2, Requests: 2 + 2*5 + fillTries, Tokens: 2*40 + 2*311 + fillTries*fill, Windows: 0.7, Seconds: 3},
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.Key(ctx, history.Limits{Tokens: limit(tpm)})
			if err != nil {
				return err
			}
			first, err := s.probeTokens(ctx, key, "probe-1", asks)
			if err != nil {
				return err
			}
			if countsTokens(first) {
				if err := traffic(ctx, s, key); err != nil {
					return err
				}
				_, err := s.probeTokens(ctx, key, "probe-2", asks)
				return err
			}
			other, err := s.Key(ctx, history.Limits{Tokens: limit(fillTPM)})
			if err != nil {
				return err
			}
			if err := traffic(ctx, s, other); err != nil {
				return err
			}
			return s.fillUp(ctx, other, fillTries, costing("fill", asks, fill/3, fill-fill/3))
		},
	}
}
