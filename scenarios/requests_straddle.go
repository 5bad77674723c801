package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// requestsStraddle opens a window with one request and sends a burst that is
// under way when that window ends, so that a part of it is refused in the old
// window while the new one begins. Then it asks in the new window.
func requestsStraddle() Scenario {
	const (
		rpm   = 17
		burst = 60
		// before is how long before the edge the burst begins: a proxy takes some
		// 0.4 s to answer it.
		before = 250 * time.Millisecond
	)
	asks := []string{"requests/straddling-burst"}
	return Scenario{
		Name:     "requests-straddle",
		Sentence: "a burst is under way when a window ends; then one request after the other in the new window",
		Asks:     asks,
		Plan:     Plan{Keys: 1, Requests: 1 + burst + 3, Tokens: 8 * (1 + burst + 3), Windows: 1.8, Seconds: 2},
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.Key(ctx, history.Limits{Requests: limit(rpm)})
			if err != nil {
				return err
			}
			if err := s.untilWholeSecond(ctx); err != nil {
				return err
			}
			start := s.Now()
			if _, err := s.Send(ctx, key, cheap("open", asks, false)); err != nil {
				return err
			}
			w := s.Window()
			if err := s.Until(ctx, start+w-before); err != nil {
				return err
			}
			// It cannot take turns with other bursts: the edge does not wait.
			if _, err := s.together(ctx, key, burst, func(int) Shot { return cheap("straddle", asks, false) }); err != nil {
				return err
			}
			for _, part := range []time.Duration{3, 5, 7} {
				if err := s.Until(ctx, start+w+w*part/10); err != nil {
					return err
				}
				if _, err := s.Send(ctx, key, cheap("next-window", asks, false)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// untilWholeSecond waits until a second of this machine's clock has just begun.
// Windows of limiters that keep time in whole seconds then end when they are
// expected to, if the target's clock is about the same.
func (s *Stage) untilWholeSecond(ctx context.Context) error {
	const past = 20 * time.Millisecond
	now := s.runner.Clock.Now()
	return s.Wait(ctx, now.Truncate(time.Second).Add(time.Second+past).Sub(now))
}
