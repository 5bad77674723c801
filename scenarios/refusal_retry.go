package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// refusalRetry does what a refusal says: it waits as long as Retry-After asks,
// alone on its key, and asks again. Once for requests, late in the window, and
// once for tokens, at once.
func refusalRetry() Scenario {
	const (
		rpm, tpm = 5, 330
		cost     = 100
		tries    = 10
	)
	asks := []string{"refusal/retry-after-sufficient", "refusal/retry-after-tight"}
	return Scenario{
		Name:          "refusal-retry",
		Sentence:      "a key is used up, told when to come back, and comes back exactly then; late in a window also a little earlier",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 2, Requests: 3*tries + 3, Tokens: (3*tries + 3) * cost, Windows: 3.4, Seconds: 3},
		Play: func(ctx context.Context, s *Stage) error {
			play := func(limits history.Limits, shot Shot, late time.Duration) error {
				key, err := s.Key(ctx, limits)
				if err != nil {
					return err
				}
				shot.Step = "use-up"
				refusal, refused, err := s.useUp(ctx, key, tries, shot)
				if err != nil || !refused {
					return err
				}
				if late > 0 {
					if err := s.Wait(ctx, late); err != nil {
						return err
					}
					// A bucket has refilled a little meanwhile.
					shot.Step = "ask-late"
					if refusal, refused, err = s.useUp(ctx, key, tries, shot); err != nil || !refused {
						return err
					}
				}
				return s.obey(ctx, key, refusal, shot, late > 0)
			}
			return s.beside(
				func() error {
					return play(history.Limits{Requests: limit(rpm)}, cheap("", asks, false), s.Window()/3)
				},
				func() error { return play(history.Limits{Tokens: limit(tpm)}, costing("", asks, 40, 60), 0) },
			)
		},
	}
}

// useUp asks until a request is refused, at most n times.
func (s *Stage) useUp(ctx context.Context, k *Key, n int, shot Shot) (refusal history.Attempt, refused bool, err error) {
	for range n {
		a, err := s.Send(ctx, k, shot)
		if err != nil {
			return a, false, err
		}
		if a.Status != 200 {
			return a, true, nil
		}
		if err := s.Wait(ctx, fillPause(s.Window())); err != nil {
			return a, false, err
		}
	}
	return refusal, false, nil
}

// obey waits as long as a refusal says and asks once more. A refusal that says
// nothing, or a time that no class of limiter needs, is not waited for. Whoever
// is early asks once before, and no more if that was soon enough.
func (s *Stage) obey(ctx context.Context, k *Key, refusal history.Attempt, shot Shot, early bool) error {
	told, err := history.ReadRetryAfter(refusal.Header["retry-after"])
	wait := told.After
	if err != nil || wait > 2*s.Window()+time.Second {
		return nil // the requirement on Retry-After itself tells
	}
	if less := wait - time.Second - wait/10; early && less > 0 {
		if err := s.Until(ctx, refusal.Headers+less); err != nil {
			return err
		}
		shot.Step = "early"
		if a, err := s.Send(ctx, k, shot); err != nil || a.Status == 200 {
			return err
		}
	}
	if err := s.Until(ctx, refusal.Headers+wait); err != nil {
		return err
	}
	shot.Step = "obey"
	_, err = s.Send(ctx, k, shot)
	return err
}
