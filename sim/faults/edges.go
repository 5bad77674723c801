package faults

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
)

func edgeFaults() []Fault {
	return []Fault{
		{
			Name: "refused-burst-costs-next-window", Breaks: "requests/straddling-burst",
			Sentence: "a burst that is refused shortly before its window ends is remembered for a window more (LiteLLM with Redis)",
			Apply: func(p *sim.Parts) {
				p.Store = &staleMirror{Store: p.Store, keys: map[string]*mirrored{}}
			},
		},
		{
			Name: "locked-out-after-slow-answer", Breaks: "tokens/lockout-bounded",
			Sentence: "some requests after an answer that ended after its window a key with both limits is refused for ten windows (LiteLLM in memory, up to 1.102)",
			Apply: func(p *sim.Parts) {
				p.Store = &lockout{Store: p.Store, began: map[*reference.Item]time.Time{}, since: map[string]int{}, until: map[string]time.Time{}}
			},
		},
		{
			Name: "refund-reaches-next-window", Breaks: "refund/own-window",
			Sentence: "what was reserved in one window and not used is added to the next one (LiteLLM from 1.85)",
			Apply: func(p *sim.Parts) {
				c := newCredits()
				p.Store = &credited{altered: altered{Store: p.Store, alter: c.alter}, credits: c, credit: func(r reservation, used int64, now time.Time) int64 {
					if now.Before(r.ends) {
						return 0
					}
					return max(0, r.tokens-used)
				}}
			},
		},
		{
			Name: "late-failure-refunded-twice", Breaks: "refund/once",
			Sentence: "a call that fails when its client has left is refunded by whoever notices either (LiteLLM 1.85.0)",
			Apply: func(p *sim.Parts) {
				c := newCredits()
				// A call that fails at once has a client that waits, and one that has
				// used more than a short prompt did not fail.
				const late, long, little = 100 * time.Millisecond, time.Second, 20
				p.Store = &credited{altered: altered{Store: p.Store, alter: c.alter, restore: atMostLimit}, credits: c, credit: func(r reservation, used int64, now time.Time) int64 {
					if held := now.Sub(r.at); used > little || held < late || held > long {
						return 0
					}
					return r.tokens
				}}
			},
		},
		{
			Name: "counter-falls-behind-headers", Breaks: "drift/edge-exact",
			Sentence: "each request costs one token more than it used, and the headers do not tell it",
			Apply:    hiddenDrift(-1),
		},
		{
			Name: "counter-runs-ahead-of-headers", Breaks: "drift/edge-exact",
			Sentence: "each request costs one token less than it used, and the headers do not tell it",
			Apply:    hiddenDrift(+1),
		},
		{
			Name: "failures-leak-into-later-windows", Breaks: "drift/steady-state",
			Sentence: "each failed call takes 100 tokens of every later window",
			Apply: func(p *sim.Parts) {
				c := newCredits()
				c.later = true
				p.Store = &credited{altered: altered{Store: p.Store, alter: c.alter, restore: atMostLimit}, credits: c, credit: func(_ reservation, used int64, _ time.Time) int64 {
					if used > 0 {
						return 0
					}
					return -100
				}}
			},
		},
		{
			Name: "retry-after-whole-window", Breaks: "refusal/retry-after-tight",
			Sentence: "Retry-After is always a whole window (LiteLLM, all releases)",
			Apply: func(p *sim.Parts) {
				window := strconv.Itoa(int(p.Window / time.Second))
				onHeaders(func(h http.Header, _ int) int {
					if h.Get("Retry-After") != "" {
						h.Set("Retry-After", window)
					}
					return 0
				})(p)
			},
		},
	}
}

// staleMirror remembers that a key was over its request limit when that was
// found often within half a second before its window ended.
type staleMirror struct {
	reference.Store

	mu   sync.Mutex
	keys map[string]*mirrored
}

type mirrored struct {
	refusals int
	edge     time.Time // the end of the window in which they were
	until    time.Time
}

func (s *staleMirror) Reserve(now time.Time, items []reference.Item) reference.Decision {
	const often, shortly = 20, 500 * time.Millisecond
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[items[0].Value]
	if k != nil && now.After(k.edge) && now.Before(k.until) {
		s.Peek(now, items)
		return reference.Decision{Kind: reference.Requests, RetryAfter: k.until.Sub(now)}
	}
	d := s.Store.Reserve(now, items)
	left := items[0].After[reference.Requests].Reset
	if d.Admitted || d.Kind != reference.Requests || left > shortly {
		return d
	}
	if k == nil || now.After(k.edge) {
		k = &mirrored{edge: now.Add(left)}
		s.keys[items[0].Value] = k
	}
	if k.refusals++; k.refusals >= often {
		k.until = now.Add(items[0].Window)
	}
	return d
}

// lockout refuses a key for ten windows when it has sent a few requests after an
// answer that ended after its window.
type lockout struct {
	reference.Store

	mu    sync.Mutex
	began map[*reference.Item]time.Time
	since map[string]int // requests since such an answer
	until map[string]time.Time
}

func (s *lockout) Reserve(now time.Time, items []reference.Item) reference.Decision {
	const few, windows = 4, 10
	s.mu.Lock()
	defer s.mu.Unlock()
	it := items[0]
	if n, late := s.since[it.Value]; late {
		if s.since[it.Value]++; n == few {
			s.until[it.Value] = now.Add(windows * it.Window)
		}
	}
	if until := s.until[it.Value]; now.Before(until) {
		s.Peek(now, items)
		return reference.Decision{Kind: reference.Tokens, RetryAfter: it.Window}
	}
	s.began[&items[0]] = now
	return s.Store.Reserve(now, items)
}

func (s *lockout) Settle(now time.Time, items []reference.Item, used int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	began, known := s.began[&items[0]]
	delete(s.began, &items[0])
	if _, late := s.since[items[0].Value]; known && !late && hasBoth(items[0]) && now.Sub(began) >= items[0].Window {
		s.since[items[0].Value] = 0
	}
	s.Store.Settle(now, items, used)
}

// credits are tokens that keys were given beside their limits, or that were
// taken from them.
type credits struct {
	// later: what is given counts from the next window on, and for good. Else it
	// counts for a window.
	later bool

	mu   sync.Mutex
	keys map[string][]credit
}

type credit struct {
	at     time.Time
	tokens int64
}

func newCredits() *credits { return &credits{keys: map[string][]credit{}} }

func (c *credits) add(now time.Time, key string, tokens int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[key] = append(c.keys[key], credit{now, tokens})
}

func (c *credits) alter(it *reference.Item, now time.Time) {
	if it.Limits[reference.Tokens] == reference.Unlimited {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, given := range c.keys[it.Value] {
		if now.Before(given.at.Add(it.Window)) != c.later {
			it.Limits[reference.Tokens] = max(0, it.Limits[reference.Tokens]+given.tokens)
		}
	}
}

// atMostLimit tells no more than there can be.
func atMostLimit(it *reference.Item) {
	it.After[reference.Tokens].Remaining = min(it.After[reference.Tokens].Remaining, max(0, it.Limits[reference.Tokens]))
}

// credited gives keys credits when their requests are settled.
type credited struct {
	altered
	credits *credits
	// credit says what a settlement gives.
	credit func(r reservation, used int64, now time.Time) int64

	mu    sync.Mutex
	began map[*reference.Item]reservation
}

// reservation is what was reserved when, and when its window ends.
type reservation struct {
	at, ends time.Time
	tokens   int64
}

func (s *credited) Reserve(now time.Time, items []reference.Item) reference.Decision {
	d := s.altered.Reserve(now, items)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began == nil {
		s.began = map[*reference.Item]reservation{}
	}
	s.began[&items[0]] = reservation{now, now.Add(items[0].After[reference.Tokens].Reset), items[0].Amounts[reference.Tokens]}
	return d
}

func (s *credited) Settle(now time.Time, items []reference.Item, used int64) {
	s.mu.Lock()
	r, known := s.began[&items[0]]
	delete(s.began, &items[0])
	s.mu.Unlock()
	s.altered.Settle(now, items, used)
	if !known || items[0].Limits[reference.Tokens] == reference.Unlimited {
		return
	}
	if tokens := s.credit(r, used, now); tokens != 0 {
		s.credits.add(now, items[0].Value, tokens)
	}
}

// hiddenDrift changes by so many tokens a request what can be had in its window,
// and tells what is right.
func hiddenDrift(each int64) func(*sim.Parts) {
	return func(p *sim.Parts) {
		c := newCredits()
		drift := map[string]int64{}
		p.Store = &credited{
			altered: altered{
				Store: p.Store,
				alter: func(it *reference.Item, now time.Time) {
					before := it.Limits[reference.Tokens]
					c.alter(it, now)
					drift[it.Value] = it.Limits[reference.Tokens] - before
				},
				restore: func(it *reference.Item) { it.After[reference.Tokens].Remaining -= drift[it.Value] },
			},
			credits: c,
			credit:  func(reservation, int64, time.Time) int64 { return each },
		}
	}
}
