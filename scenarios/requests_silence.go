package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
)

// requestsSilence uses two limits up, is silent, and asks for a whole limit
// again: after one window and a little, and after two.
func requestsSilence() Scenario {
	const (
		afterOne, afterTwo = 14, 12 // the two keys' limits; no other key has them
		extra              = 6      // enough to see that the limit was used up
	)
	asks := []string{"requests/window-reopens"}
	plan := func(afterOne, afterTwo int) Plan {
		n := 2*(afterOne+afterTwo) + 2*extra
		return Plan{Keys: 2, Requests: n, Tokens: 8 * int64(n), Windows: 2.25, Seconds: 1.2}
	}
	return Scenario{
		Name:     "requests-silence",
		Sentence: "two keys are used up, silent for one and for two windows, and then asked for a whole limit at once",
		Asks:     asks,
		Plan:     plan(afterOne, afterTwo),
		PlanWith: perRequests(afterOne, func(rpm int) Plan { return plan(rpm, rpm) }),
		Play: func(ctx context.Context, s *Stage) error {
			w := s.Window()
			play := func(usual int64, silence time.Duration, step string) error {
				key, err := s.KeyThat(ctx, history.Limits{Requests: limit(usual)}, s.anyRequests)
				if err != nil {
					return err
				}
				rpm := int(*key.Limits.Requests)
				if _, err := s.Burst(ctx, key, rpm+extra, func(int) Shot { return cheap("use-up", asks, false) }); err != nil {
					return err
				}
				if err := s.Wait(ctx, silence); err != nil {
					return err
				}
				_, err = s.Burst(ctx, key, rpm, func(int) Shot { return cheap(step, asks, false) })
				return err
			}
			return s.beside(
				func() error { return play(afterOne, w+slack(w), "after-one-window") },
				func() error { return play(afterTwo, 2*w+slack(w), "after-two-windows") },
			)
		},
	}
}

// beside plays parts of a scenario at the same time and returns the first
// error.
func (s *Stage) beside(parts ...func() error) error {
	errs := make([]error, len(parts))
	g := clock.NewGroup(s.runner.Clock)
	for i, part := range parts {
		g.Go("part of "+s.scenario.Name, func() { errs[i] = part() })
	}
	g.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
