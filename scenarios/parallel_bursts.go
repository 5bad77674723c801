package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// parallelBursts asks for five times the slots of a key at once, and again with
// streams.
func parallelBursts() Scenario {
	const (
		usual   = 3 // slots
		factor  = 5
		hold    = time.Second
		chunks  = 5
		perStep = hold / chunks
	)
	asks := []string{"parallel/limit-kept"}
	plan := func(slots int) Plan {
		n := factor * (slots + slots + 1)
		return Plan{Keys: 2, Requests: n, Tokens: int64(n) * 14, Windows: 0.1, Seconds: 5}
	}
	return Scenario{
		Name:          "parallel-bursts",
		Sentence:      "15 requests at once on a key with 3 slots, each held for 1 s; then 20 streams on a key with 4",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          plan(usual),
		PlanWith: func(granted history.Limits) Plan {
			if granted.Parallel == nil {
				return plan(usual)
			}
			return plan(int(*granted.Parallel))
		},
		Play: func(ctx context.Context, s *Stage) error {
			// A key of its own for each burst: limiters are known that lose the
			// count where a window's edge falls between two bursts.
			for i, stream := range []bool{false, true} {
				key, err := s.KeyThat(ctx, history.Limits{Parallel: limit(usual + int64(i))}, s.anySlots)
				if err != nil {
					return err
				}
				burst := factor * int(*key.Limits.Parallel)
				shot := Shot{
					Step: "hold", Asks: asks, MaxTokens: 10,
					Script: history.Script{PromptTokens: 4, CompletionTokens: 10, Latency: hold},
				}
				if stream {
					shot.Step, shot.Stream = "hold-streams", true
					shot.Script.Latency, shot.Script.Chunks, shot.Script.ChunkDelay = perStep, chunks, perStep
				}
				if _, err := s.Burst(ctx, key, burst, func(int) Shot { return shot }); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
