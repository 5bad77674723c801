package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// refundNextWindow reserves much in one window and settles at little in the
// next. Then it reads the new window's counter and uses the limit up.
func refundNextWindow() Scenario {
	const (
		tpm      = 2040
		holds    = 6
		reserves = 300
		fill     = 400 // tokens of a request that fills up
		tries    = 11
		// The next window is over a window after it was opened, or up to a second
		// earlier where windows turn on whole seconds.
		late, triesLate = 800 * time.Millisecond, 6
	)
	asks := []string{"refund/own-window"}
	return Scenario{
		Name:          "refund-next-window",
		Sentence:      "six requests reserve nine tenths of a limit in one window and end in the next with almost nothing used; then the new window is used up",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 1, Requests: 3 + holds + tries + triesLate, Tokens: 3*40 + holds*8 + (tries+triesLate)*fill, Windows: 2.2, Seconds: 7},
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.Key(ctx, history.Limits{Tokens: limit(tpm)})
			if err != nil {
				return err
			}
			start, w := s.Now(), s.Window()
			if _, err := s.Send(ctx, key, costing("open", asks, 4, 4)); err != nil {
				return err
			}
			// Windows on whole seconds may end a second early: what is reserved
			// before that is held until the next window has surely begun.
			before, behind := start+w-time.Second-w/8, start+w+slack(w)
			if err := s.Until(ctx, before); err != nil {
				return err
			}
			hold := Shot{Step: "hold", Asks: asks, MaxTokens: reserves, Script: history.Script{
				PromptTokens: 4, CompletionTokens: 4, Latency: behind - before + settleTime,
			}}
			if err := s.beside(
				func() error {
					_, err := s.together(ctx, key, holds, func(int) Shot { return hold })
					return err
				},
				func() error {
					if err := s.Until(ctx, behind); err != nil {
						return err
					}
					_, err := s.Send(ctx, key, costing("new-window", asks, 4, 4))
					return err
				},
			); err != nil {
				return err
			}
			if _, err := s.probeTokens(ctx, key, "settled", asks); err != nil {
				return err
			}
			if err := s.fillUp(ctx, key, tries, costing("fill", asks, fill/4, fill-fill/4)); err != nil {
				return err
			}
			// A busy proxy settles late. What comes back before the window is over
			// lets more in.
			if err := s.Until(ctx, start+2*w-late); err != nil {
				return err
			}
			return s.fillUp(ctx, key, triesLate, costing("fill", asks, fill/4, fill-fill/4))
		},
	}
}
