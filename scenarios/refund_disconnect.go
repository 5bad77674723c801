package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// refundDisconnect has clients leave their streams, to see what they are
// charged. Without token headers the rest of a smaller limit is filled up.
func refundDisconnect() Scenario {
	const (
		tpm, fillTPM       = 4400, 1240
		prompt, completion = 60, 120
		chunks             = 12
		chunkDelay         = 100 * time.Millisecond
		leaves             = 3
		tries              = 24
	)
	asks := []string{"refund/disconnect"}
	leaving := Shot{
		Step: "leave", Asks: asks, Stream: true, MaxTokens: completion,
		// By what was read, since a proxy under load may take a second to its
		// first byte; and not for ever.
		LeaveAtEvent: chunks * 2 / 3, LeaveAfter: 2 * chunks * chunkDelay,
		Script: history.Script{PromptTokens: prompt, CompletionTokens: completion, Chunks: chunks, ChunkDelay: chunkDelay},
	}
	return Scenario{
		Name:          "refund-disconnect",
		Sentence:      "three clients leave in the middle of their streams, between two equal probes; without token headers the rest of the limit is filled up",
		Asks:          asks,
		NeedsProvider: true,
		Plan: Plan{
			Keys: 2, Requests: 2 + 2*leaves + tries,
			Tokens: 80 + 2*leaves*(prompt+completion) + tries*countedFill, Windows: 0.7, Seconds: 5,
		},
		Play: func(ctx context.Context, s *Stage) error {
			leave := func(key *Key) error {
				start := s.Now()
				if _, err := s.together(ctx, key, leaves, func(int) Shot { return leaving }); err != nil {
					return err
				}
				// The upstream may run on when the client has left.
				return s.Until(ctx, max(s.Now(), start+chunks*chunkDelay)+settleTime)
			}
			key, err := s.Key(ctx, history.Limits{Tokens: limit(tpm)})
			if err != nil {
				return err
			}
			first, err := s.probeTokens(ctx, key, "probe-1", asks)
			if err != nil {
				return err
			}
			if countsTokens(first) {
				if err := leave(key); err != nil {
					return err
				}
				_, err := s.probeTokens(ctx, key, "probe-2", asks)
				return err
			}
			if key, err = s.Key(ctx, history.Limits{Tokens: limit(fillTPM)}); err != nil {
				return err
			}
			if err := leave(key); err != nil {
				return err
			}
			return s.fillUp(ctx, key, tries, costing("fill", asks, countedFill/3, countedFill-countedFill/3))
		},
	}
}
