package scenarios

import (
	"context"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// refusalFree has requests refused by one limit and then uses up another, to
// see whether the refusals were charged to it: for slots, and for tokens.
func refusalFree() Scenario {
	const (
		bySlots, byTokens = 9, 8 // request limits
		tokens            = 260
		blocked           = 4
		tries             = 12
		freed             = time.Second // a slot is free by then
	)
	asks := []string{"requests/refused-not-charged", "refusal/names-limit"}
	return Scenario{
		Name:          "refusal-free",
		Sentence:      "four requests are refused for slots, and four for tokens; then the request limits are used up",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 2, Requests: 2 * (1 + blocked + tries), Tokens: 2 * (160 + blocked*204 + tries*8), Windows: 0.5, Seconds: 9},
		Play: func(ctx context.Context, s *Stage) error {
			return s.beside(
				func() error {
					key, err := s.Key(ctx, history.Limits{Requests: limit(bySlots), Parallel: limit(1)})
					if err != nil {
						return err
					}
					hold := cheap("hold", asks, false)
					hold.Script.Latency = min(time.Second, s.Window()/4)
					if err := s.beside(
						func() error { _, err := s.Send(ctx, key, hold); return err },
						func() error {
							if err := s.Wait(ctx, hold.Script.Latency/4); err != nil {
								return err
							}
							_, err := s.together(ctx, key, blocked, func(int) Shot { return cheap("blocked", asks, false) })
							return err
						},
					); err != nil {
						return err
					}
					if err := s.Wait(ctx, freed); err != nil {
						return err
					}
					// What is refused soon after an answer may be for its slot.
					rested := true
					for range tries {
						a, err := s.Send(ctx, key, cheap("fill", asks, false))
						if err != nil || a.Status != 200 && rested {
							return err
						}
						pause := fillPause(s.Window())
						if rested = a.Status != 200; rested {
							pause = freed
						}
						if err := s.Wait(ctx, pause); err != nil {
							return err
						}
					}
					return nil
				},
				func() error {
					key, err := s.Key(ctx, history.Limits{Requests: limit(byTokens), Tokens: limit(tokens)})
					if err != nil {
						return err
					}
					if _, err := s.Send(ctx, key, costing("hold", asks, 10, 150)); err != nil {
						return err
					}
					if err := s.Wait(ctx, settleTime); err != nil {
						return err
					}
					for range blocked {
						if _, err := s.Send(ctx, key, costing("blocked", asks, 4, 200)); err != nil {
							return err
						}
					}
					return s.fillUp(ctx, key, tries, costing("fill", asks, 3, 1))
				},
			)
		},
	}
}
