package faults

import (
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
	"github.com/ratecheck/ratecheck/sim/sound"
)

func tokenFaults() []Fault {
	return []Fault{
		{
			Name: "tokens-half-counted", Breaks: "tokens/limit-kept",
			Sentence: "charges half of what was used, as a limiter does that counts output only (LiteLLM 17664)",
			Apply:    settleAs(func(used int64) int64 { return used / 2 }),
		},
		{
			Name: "tokens-counted-twice", Breaks: "tokens/limit-kept",
			Sentence: "charges twice what was used",
			Apply:    settleAs(func(used int64) int64 { return used * 2 }),
		},
		{
			Name: "tokens-charged-after", Breaks: "tokens/limit-kept-concurrent",
			Sentence: "checks before a request and charges after it, so that nothing in flight counts (LiteLLM 18730)",
			Apply:    func(p *sim.Parts) { p.Store = &sound.ChargeAfter{Store: p.Store} },
		},
		{
			Name: "tokens-outlive-window", Breaks: "tokens/window-reopens",
			Sentence: "where a key has both limits, each request renews the time that the tokens of a late answer are kept (LiteLLM 24677)",
			Apply: func(p *sim.Parts) {
				p.Store = &outlive{Store: p.Store, began: map[*reference.Item]time.Time{}, debts: map[string]*debt{}}
			},
		},
	}
}

func counterFaults() []Fault {
	return []Fault{
		{
			Name: "failed-call-keeps-a-token", Breaks: "refund/upstream-error",
			Sentence: "a call that failed upstream stays charged one token (LiteLLM up to 1.84)",
			Apply: settleAs(func(used int64) int64 {
				if used == 0 {
					return 1
				}
				return used
			}),
		},
		{
			Name: "failed-call-keeps-estimate", Breaks: "refund/upstream-error",
			Sentence: "a call that failed upstream stays charged its whole estimate, consistently: lawful, and a WARN",
			Apply: func(p *sim.Parts) {
				p.Store = &settled{Store: p.Store, settle: func(s reference.Store, now time.Time, items []reference.Item, used int64) {
					if used > 0 {
						s.Settle(now, items, used)
					}
				}}
			},
		},
		{
			Name: "surplus-kept", Breaks: "refund/unused-estimate",
			Sentence: "what was reserved and not used stays charged",
			Apply: func(p *sim.Parts) {
				p.Store = &settled{Store: p.Store, settle: func(s reference.Store, now time.Time, items []reference.Item, used int64) {
					if used > 0 {
						used = max(used, items[0].Amounts[reference.Tokens])
					}
					s.Settle(now, items, used)
				}}
			},
		},
		{
			Name: "one-token-more", Breaks: "drift/remaining-matches-usage",
			Sentence: "each request costs one token more than it used (LiteLLM up to 1.84)",
			Apply: settleAs(func(used int64) int64 {
				if used == 0 {
					return 0
				}
				return used + 1
			}),
		},
	}
}

// settled settles in another way.
type settled struct {
	reference.Store
	settle func(s reference.Store, now time.Time, items []reference.Item, used int64)
}

func (s *settled) Settle(now time.Time, items []reference.Item, used int64) {
	s.settle(s.Store, now, items, used)
}

// settleAs settles another amount than was used.
func settleAs(amount func(used int64) int64) func(*sim.Parts) {
	return func(p *sim.Parts) {
		p.Store = &settled{Store: p.Store, settle: func(s reference.Store, now time.Time, items []reference.Item, used int64) {
			s.Settle(now, items, amount(used))
		}}
	}
}

// outlive remembers the tokens of answers that ended after their window, and
// lets every request of a key with both limits renew them.
type outlive struct {
	reference.Store

	mu    sync.Mutex
	began map[*reference.Item]time.Time
	debts map[string]*debt
}

type debt struct {
	tokens int64
	until  time.Time
}

func hasBoth(it reference.Item) bool {
	return it.Limits[reference.Requests] != reference.Unlimited && it.Limits[reference.Tokens] != reference.Unlimited
}

func (s *outlive) Reserve(now time.Time, items []reference.Item) reference.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began[&items[0]] = now
	it := items[0]
	owed := s.debts[it.Value]
	if owed != nil && now.Before(owed.until) && hasBoth(it) {
		owed.until = now.Add(it.Window)
		if owed.tokens+it.Amounts[reference.Tokens] > it.Limits[reference.Tokens] {
			s.Peek(now, items)
			return reference.Decision{Kind: reference.Tokens, RetryAfter: it.Window}
		}
	}
	return s.Store.Reserve(now, items)
}

func (s *outlive) Settle(now time.Time, items []reference.Item, used int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	began, known := s.began[&items[0]]
	delete(s.began, &items[0])
	if known && now.Sub(began) >= items[0].Window {
		s.debts[items[0].Value] = &debt{tokens: used, until: now.Add(items[0].Window)}
	}
	s.Store.Settle(now, items, used)
}
