package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// cheap is a request whose tokens do not matter.
func cheap(step string, asks []string, stream bool) Shot {
	return Shot{
		Step: step, Asks: asks, Stream: stream, MaxTokens: 4,
		Script: history.Script{PromptTokens: 4, CompletionTokens: 4},
	}
}

// requestsWindows asks for far more than a request limit at the start, the
// middle and the end of a window, and then goes on asking for four windows.
// Half of the requests are streams: both count against one limit.
func requestsWindows() Scenario {
	const (
		usual   = 10 // requests a window
		windows = 4
		factor  = 5 // of a burst
		paced   = 3 // times the limit, in each window
	)
	asks := []string{
		"requests/limit-kept", "requests/limit-usable", "requests/one-upstream-call",
		"refusal/status", "refusal/before-stream", "refusal/retry-after", "refusal/body",
		"headers/reset-plausible",
	}
	plan := func(rpm int) Plan {
		n := 3*factor*rpm + windows*paced*rpm
		return Plan{Keys: 1, Requests: n, Tokens: 8 * int64(n), Windows: 1.125 + windows, Seconds: 0.6}
	}
	return Scenario{
		Name:     "requests-windows",
		Sentence: "bursts of 5x the limit at the start, the middle and the end of a window, then four windows of 3x the limit, half of all streamed",
		Asks:     asks,
		Plan:     plan(usual),
		PlanWith: perRequests(usual, plan),
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.KeyThat(ctx, history.Limits{Requests: limit(usual)}, s.anyRequests)
			if err != nil {
				return err
			}
			rpm := int(*key.Limits.Requests)
			burst, perWindow := factor*rpm, paced*rpm
			w, start := s.Window(), s.Now()
			for _, b := range []struct {
				step string
				at   time.Duration
			}{{"burst-start", 0}, {"burst-middle", w / 2}, {"burst-end", w + slack(w)}} {
				if err := s.Until(ctx, start+b.at); err != nil {
					return err
				}
				if _, err := s.Burst(ctx, key, burst, func(i int) Shot {
					return cheap(b.step, asks, i%2 == 1)
				}); err != nil {
					return err
				}
			}
			return s.Pace(ctx, key, windows*perWindow, w/time.Duration(perWindow), func(i int) Shot {
				return cheap("pace", asks, i%2 == 1)
			})
		},
	}
}
