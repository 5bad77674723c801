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
		usual, tpm = 5, 330 // requests and tokens a window
		cost       = 100
		tries      = 10
	)
	plan := func(rpm int) Plan {
		n := 3*tries + 3 + 4*max(0, rpm-usual)/3
		return Plan{Keys: 2, Requests: n, Tokens: int64(n) * cost, Windows: 3.4, Seconds: 3}
	}
	asks := []string{"refusal/retry-after-sufficient", "refusal/retry-after-tight", "refusal/quick"}
	return Scenario{
		Name:          "refusal-retry",
		Sentence:      "a key is used up, told when to come back, and comes back exactly then; late in a window also a little earlier",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          plan(usual),
		PlanWith:      perRequests(usual, plan),
		Play: func(ctx context.Context, s *Stage) error {
			play := func(limits history.Limits, fits func(history.Limits) bool, shot Shot, late time.Duration) error {
				key, err := s.KeyThat(ctx, limits, fits)
				if err != nil {
					return err
				}
				// One after the other would be slower than a bucket refills.
				crowd := 0
				if rpm := key.Limits.Requests; rpm != nil {
					crowd = int(max(0, *rpm-usual))
				}
				shot.Step = "use-up"
				if _, err := s.Burst(ctx, key, crowd, func(int) Shot { return shot }); err != nil {
					return err
				}
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
					if _, err := s.Burst(ctx, key, crowd/3, func(int) Shot { return shot }); err != nil {
						return err
					}
					if refusal, refused, err = s.useUp(ctx, key, tries, shot); err != nil || !refused {
						return err
					}
				}
				return s.obey(ctx, key, refusal, shot, late > 0)
			}
			return s.besideWhatCan(
				func() error {
					return play(history.Limits{Requests: limit(usual)}, s.anyRequests, cheap("", asks, false), s.Window()/3)
				},
				func() error {
					tokens := history.Limits{Tokens: limit(tpm)}
					return play(tokens, func(granted history.Limits) bool {
						return sameWhere(tokens, granted) && s.outOfReach(granted, tokens)
					}, costing("", asks, 40, 60), 0)
				},
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
		if err := s.Wait(ctx, min(fillPause(s.Window()), s.untilNext(k)/4)); err != nil {
			return a, false, err
		}
	}
	return refusal, false, nil
}

// untilNext is how long a bucket takes to refill by one request of a key.
func (s *Stage) untilNext(k *Key) time.Duration {
	if k.Limits.Requests == nil {
		return s.Window()
	}
	return s.Window() / time.Duration(max(1, *k.Limits.Requests))
}

// dateGrain is how much longer than a date says is waited: dates have whole
// seconds, and may be cut to them.
const dateGrain = time.Second

// obey waits as long as a refusal says and asks once more. A refusal that says
// nothing, or a time that no class of limiter needs, is not waited for. Whoever
// is early asks once before, and no more if that was soon enough.
func (s *Stage) obey(ctx context.Context, k *Key, refusal history.Attempt, shot Shot, early bool) error {
	told, err := history.ReadRetryAfter(refusal.Header["retry-after"])
	wait, rounded := told.After, time.Second
	if told.Form == history.HTTPDate {
		wait, rounded = wait+dateGrain, rounded+dateGrain
	}
	if err != nil || wait > 2*s.Window()+2*dateGrain {
		return nil // the requirement on Retry-After itself tells
	}
	if less := told.After - rounded - told.After/10; early && less > 0 {
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
