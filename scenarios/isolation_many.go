package scenarios

import (
	"context"
	"sync"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
)

// ManyKeys is how many keys the opt-in scenario has active at once.
const ManyKeys = 1000

// isolationManyKeys makes a thousand other keys active after one key was used
// up, and then asks for far more than the limit on that key, on the last of the
// others and on a fresh one. Limiters are known whose store is full after a
// hundred keys: they forget old counters, or do not count for new keys.
func isolationManyKeys() Scenario {
	const (
		rpm   = 17
		burst = 3 * rpm
		// width is how many requests of the crowd are in flight: enough to be
		// through in seconds, and few enough for a slow proxy to live.
		width = 16
	)
	asks := []string{"isolation/many-keys"}
	return Scenario{
		Name:     "isolation-many-keys",
		Sentence: "a key is used up, 1,000 other keys send a request each, and three keys are asked for three times their limit: the old one, the last, a fresh one",
		Asks:     asks, OptIn: "--many-keys", Alone: true,
		Plan: Plan{Keys: ManyKeys + 2, Requests: ManyKeys + 4*burst, Tokens: 8 * (ManyKeys + 4*burst), Seconds: 60},
		Play: func(ctx context.Context, s *Stage) error {
			fresh := func() (*Key, error) { return s.Key(ctx, history.Limits{Requests: limit(rpm)}) }
			ask := func(k *Key, step string) error {
				_, err := s.Burst(ctx, k, burst, func(int) Shot { return cheap(step, asks, false) })
				return err
			}
			old, err := fresh()
			if err != nil {
				return err
			}
			if err := ask(old, "use-up"); err != nil {
				return err
			}
			var last *Key
			if err := s.crowd(ManyKeys, width, func(i int) error {
				key, err := fresh()
				if err != nil {
					return err
				}
				if i == ManyKeys-1 {
					last = key
				}
				_, err = s.Send(ctx, key, cheap("crowd", asks, false))
				return err
			}); err != nil {
				return err
			}
			if err := ask(old, "old"); err != nil {
				return err
			}
			if err := ask(last, "last"); err != nil {
				return err
			}
			key, err := fresh()
			if err != nil {
				return err
			}
			return ask(key, "fresh")
		},
	}
}

// crowd does n things, at most width at once, and returns the first error; after
// one no further thing is begun.
func (s *Stage) crowd(n, width int, do func(i int) error) error {
	var mu sync.Mutex
	var next int
	var failed error
	g := clock.NewGroup(s.runner.Clock)
	for range width {
		g.Go("part of "+s.scenario.Name, func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := failed != nil || i >= n
				mu.Unlock()
				if stop {
					return
				}
				if err := do(i); err != nil {
					mu.Lock()
					if failed == nil {
						failed = err
					}
					mu.Unlock()
				}
			}
		})
	}
	g.Wait()
	return failed
}
