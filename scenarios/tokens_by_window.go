package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// TokensByWindow measures how exactly a token limit is kept, and asks no
// requirement: keys with a token limit alone and with a request limit beside it
// are asked for more than the limit in each of three windows, by a client that
// waits for its answers, by one that does not, and by streams. It is played alone,
// so that it changes nothing of what is judged.
func TokensByWindow() Scenario {
	const (
		windows = 3
		fits    = 8 // requests are an eighth of a limit
		inTurn  = 2 * fits
		atOnce  = 20
		latency = 400 * time.Millisecond // all of a burst are in flight before the first is charged
		rpm     = 3000                   // no client comes near
	)
	const most = 440
	return Scenario{
		Name:          history.TokensByWindow,
		Sentence:      "twice a token limit in each of three windows: in turn, at once, by streams; with and without a request limit beside it",
		Asks:          []string{},
		NeedsProvider: true,
		Alone:         true,
		Plan: Plan{
			Keys: 6, Requests: 2 * windows * (2*inTurn + atOnce), Tokens: 2 * windows * (2*inTurn + atOnce) * most / fits,
			Windows: windows * 1.3, Seconds: 3 * windows,
		},
		Play: func(ctx context.Context, s *Stage) error {
			var parts []func() error
			for i, way := range history.TokensByWindowWays() {
				for j, limits := range []history.Limits{
					{Tokens: limit(int64(400 + 8*i))},
					{Tokens: limit(int64(424 + 8*i)), Requests: limit(int64(rpm + i))},
				} {
					cost := *limits.Tokens / fits
					shot := costing("", nil, cost*2/5, cost-cost*2/5)
					shot.Stream = way == history.Streams
					n := inTurn
					if way == history.AtOnce {
						n, shot.Script.Latency = atOnce, latency
					}
					parts = append(parts, func() error {
						key, err := s.Key(ctx, limits)
						if err != nil {
							return err
						}
						for window := range windows {
							shot.Step = fmt.Sprintf("%s-%d", way, window+1)
							// The ways begin a fraction of a window apart.
							apart := s.Window() * time.Duration(2*i+j) / 60
							if err := s.askWindow(ctx, key, n, way == history.AtOnce, apart, shot); err != nil {
								return err
							}
						}
						return nil
					})
				}
			}
			return s.beside(parts...)
		},
	}
}

// askWindow asks n requests in the first half of a window, and waits until it is
// over.
func (s *Stage) askWindow(ctx context.Context, key *Key, n int, atOnce bool, apart time.Duration, shot Shot) error {
	// A window of a limiter that keeps time in whole seconds is then whole.
	if err := s.untilFraction(ctx, secondBegun); err != nil {
		return err
	}
	start := s.Now()
	if err := s.Until(ctx, start+apart); err != nil {
		return err
	}
	if atOnce {
		if _, err := s.together(ctx, key, n, func(int) Shot { return shot }); err != nil {
			return err
		}
	} else {
		for i := range n {
			if err := s.Until(ctx, start+apart+s.Window()*time.Duration(i)/time.Duration(2*n)); err != nil {
				return err
			}
			if _, err := s.Send(ctx, key, shot); err != nil {
				return err
			}
		}
	}
	return s.Until(ctx, start+apart+s.Window()+slack(s.Window()))
}
