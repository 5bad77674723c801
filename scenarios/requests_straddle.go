package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

const (
	straddleRPM   = 17
	straddleBurst = 60
	// straddleBefore is how long before an edge the first burst begins: a proxy
	// takes some 0.4 s to answer it. The second is to be answered before the
	// edge, and to leave a copy of the counter behind.
	straddleBefore, straddleLong = 250 * time.Millisecond, 700 * time.Millisecond
)

// requestsStraddle sends a burst that is under way when a window ends, so that a
// part of it is refused in the old window while the new one begins, and asks in
// the new window. It does so twice: where the window was opened by the first
// request of a key, and where it was opened while a copy that a proxy may keep
// of the last one still lived.
func requestsStraddle() Scenario {
	asks := []string{"requests/straddling-burst"}
	const requests = 2*(1+straddleBurst+2) + 1
	return Scenario{
		Name:     "requests-straddle",
		Sentence: "twice a burst is under way when a window ends, and the new window is asked one request after the other",
		Asks:     asks,
		Plan:     Plan{Keys: 1, Requests: requests, Tokens: 8 * requests, Windows: 5.2, Seconds: 4},
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.Key(ctx, history.Limits{Requests: limit(straddleRPM)})
			if err != nil {
				return err
			}
			if err := s.untilFraction(ctx, secondBegun); err != nil {
				return err
			}
			w, start := s.Window(), s.Now()
			if _, err := s.Send(ctx, key, cheap("open", asks, false)); err != nil {
				return err
			}
			if err := s.straddle(ctx, key, asks, start+w, straddleBefore); err != nil {
				return err
			}
			// The window in which it was asked is over.
			if err := s.Wait(ctx, w+slack(w)); err != nil {
				return err
			}
			const nearlyOver = 850 * time.Millisecond
			if err := s.untilFraction(ctx, nearlyOver); err != nil {
				return err
			}
			start = s.Now()
			if _, err := s.Send(ctx, key, cheap("open", asks, false)); err != nil {
				return err
			}
			// On a limiter that keeps time in whole seconds the next window has
			// begun by here, a copy of the last one lives a little longer, and
			// there is none when the burst comes.
			edge := start - nearlyOver + w
			if err := s.Until(ctx, edge+nearlyOver/2); err != nil {
				return err
			}
			if _, err := s.Send(ctx, key, cheap("open", asks, false)); err != nil {
				return err
			}
			return s.straddle(ctx, key, asks, edge+w, straddleLong)
		},
	}
}

// straddle sends a burst around an edge and asks in the window behind it.
func (s *Stage) straddle(ctx context.Context, key *Key, asks []string, edge, before time.Duration) error {
	if err := s.Until(ctx, edge-before); err != nil {
		return err
	}
	// It cannot take turns with other bursts: the edge does not wait.
	if _, err := s.together(ctx, key, straddleBurst, func(int) Shot { return cheap("straddle", asks, false) }); err != nil {
		return err
	}
	for _, tenths := range []time.Duration{3, 5} {
		if err := s.Until(ctx, edge+s.Window()*tenths/10); err != nil {
			return err
		}
		if _, err := s.Send(ctx, key, cheap("next-window", asks, false)); err != nil {
			return err
		}
	}
	return nil
}

// secondBegun is the part of a second that is over when it has surely begun.
const secondBegun = 20 * time.Millisecond

// untilFraction waits until a part of a second of this machine's clock is over.
// Windows of limiters that keep time in whole seconds then end when they are
// expected to, if the target's clock is about the same.
func (s *Stage) untilFraction(ctx context.Context, part time.Duration) error {
	now := s.runner.Clock.Now()
	at := now.Truncate(time.Second).Add(part)
	if at.Before(now) {
		at = at.Add(time.Second)
	}
	return s.Wait(ctx, at.Sub(now))
}
