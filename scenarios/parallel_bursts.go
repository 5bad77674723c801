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
		slots   = 3
		burst   = 5 * slots
		hold    = time.Second
		chunks  = 5
		perStep = hold / chunks
	)
	asks := []string{"parallel/limit-kept"}
	return Scenario{
		Name:          "parallel-bursts",
		Sentence:      "15 requests at once on a key with 3 slots, each held for 1 s; then 15 streams on a key with 4",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 2, Requests: 2 * burst, Tokens: 2 * burst * 14, Windows: 0.1, Seconds: 5},
		Play: func(ctx context.Context, s *Stage) error {
			// A key of its own for each burst: limiters are known that lose the
			// count where a window's edge falls between two bursts.
			for i, stream := range []bool{false, true} {
				key, err := s.Key(ctx, history.Limits{Parallel: limit(slots + int64(i))})
				if err != nil {
					return err
				}
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
