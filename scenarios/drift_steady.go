package scenarios

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// SteadyWindows is for how many windows drift/steady-state goes on where nobody
// says otherwise.
const SteadyWindows = 4

// driftSteady sends the same mixed traffic in one window after the other and
// uses each up, to see whether what is left for it creeps.
func driftSteady(windows int) Scenario {
	const (
		tpm   = 1450
		fill  = 150 // tokens of a request that fills up
		tries = 12
		mixed = 5
	)
	asks := []string{"drift/steady-state"}
	stream := Shot{Asks: asks, Stream: true, MaxTokens: 60, Script: history.Script{
		PromptTokens: 20, CompletionTokens: 40, Chunks: 4, ChunkDelay: 40 * time.Millisecond,
	}}
	leaving := stream
	leaving.LeaveAfter = 100 * time.Millisecond
	failing := costing("", asks, 20, 60)
	failing.Script.Status = http.StatusInternalServerError
	mix := [mixed]Shot{stream, leaving, failing, failing, costing("", asks, 10, 30)}
	return Scenario{
		Name:          "drift-steady",
		Sentence:      fmt.Sprintf("%d windows of the same traffic, with streams, failures and clients that leave, each used up to the first refusal", windows),
		Asks:          asks,
		NeedsProvider: true,
		Plan: Plan{
			Keys: 1, Requests: windows * (mixed + tries), Tokens: int64(windows) * (mixed*80 + tries*fill),
			Windows: float64(windows), Seconds: 5 * float64(windows),
		},
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.Key(ctx, history.Limits{Tokens: limit(tpm)})
			if err != nil {
				return err
			}
			for i := range windows {
				if i > 0 {
					if err := s.Wait(ctx, s.Window()+slack(s.Window())); err != nil {
						return err
					}
				}
				// A window of a limiter that keeps time in whole seconds is then
				// whole, and is not over before it was used up.
				const begun = 20 * time.Millisecond
				if err := s.untilFraction(ctx, begun); err != nil {
					return err
				}
				for _, shot := range mix {
					shot.Step = fmt.Sprintf("mix-%d", i+1)
					if _, err := s.Send(ctx, key, shot); err != nil {
						return err
					}
				}
				if err := s.Wait(ctx, settleTime); err != nil {
					return err
				}
				if err := s.fillUp(ctx, key, tries, costing(fmt.Sprintf("fill-%d", i+1), asks, fill/5, fill-fill/5)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
