// Package sound holds limiters that are not the reference and that are not
// wrong: one of each class that is in use. None may be accused of anything.
package sound

import (
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
)

// Limiter is one way to be right.
type Limiter struct {
	Name string
	// Sentence says how it counts.
	Sentence string
	// CheckThenCharge says that it must be declared so.
	CheckThenCharge bool
	// Beside says that its class is another's of the list, and that what happens
	// beside a decision is its own: it is charged late, or answers are lost.
	Beside bool
	// Apply replaces the reference's store in a world.
	Apply func(*sim.Parts)
}

// Catalogue returns all sound limiters.
func Catalogue() []Limiter {
	of := func(name, sentence string, fresh func() counter) Limiter {
		return Limiter{Name: name, Sentence: sentence, Apply: func(p *sim.Parts) {
			p.Store = newStore(p.Store, fresh)
		}}
	}
	all := []Limiter{
		of("fixed-clock", "fixed windows that begin on the clock", func() counter { return &fixedClock{} }),
		of("fixed-whole-seconds", "fixed windows from first use, on a clock of whole seconds", func() counter { return &wholeSeconds{} }),
		of("sliding-log", "each charge counts for one window", func() counter { return &slidingLog{} }),
		of("sliding-counter", "this window on the clock, and the last one by the part that still overlaps", func() counter { return &slidingCounter{} }),
		of("sliding-buckets", "ten sub-windows, each counts until the last of it is a window old", func() counter { return &slidingBuckets{} }),
		of("token-bucket", "golang.org/x/time/rate: a bucket of one limit, refilled all the time", func() counter { return &tokenBucket{} }),
		of("gcra", "throttled: the generic cell rate algorithm", func() counter { return &gcra{} }),
		of("leaky-meter", "a leaky bucket as a meter, as nginx's limit_req with burst and nodelay counts", func() counter { return &leakyMeter{} }),
	}
	all = append(all, leakyLimiters()...)
	all = append(all, besideLimiters()...)
	all = append(all, Limiter{
		Name: "log-beside-bucket", Sentence: "requests in a sliding log, tokens in a bucket: a limiter for each kind",
		Apply: func(p *sim.Parts) {
			s := newStore(p.Store, func() counter { return &slidingLog{} })
			s.freshTokens = func() counter { return &tokenBucket{} }
			p.Store = s
		},
	}, Limiter{
		Name: "whole-seconds-beside-clock", Sentence: "requests in fixed windows from first use, tokens in fixed windows on the clock",
		Apply: func(p *sim.Parts) {
			s := newStore(p.Store, func() counter { return &wholeSeconds{} })
			s.freshTokens = func() counter { return &fixedClock{} }
			p.Store = s
		},
	})
	return append(all, Limiter{
		Name: "check-then-charge", Sentence: "checks whether anything is left, and charges after the answer", CheckThenCharge: true,
		Apply: func(p *sim.Parts) { p.Store = &ChargeAfter{Store: p.Store} },
	}, Limiter{
		Name: "own-estimate", Sentence: "reserves an estimate of its own: half as much again as the reference's",
		Apply: func(p *sim.Parts) { p.Store = &ownEstimate{Store: p.Store} },
	}, Limiter{
		Name: "own-tokenizer", Sentence: "reserves an estimate of its own, by a tokenizer that cuts texts of one length into more or fewer words", Apply: tokenizing,
	})
}

// Find returns the limiter with this name.
func Find(name string) (Limiter, bool) {
	for _, l := range Catalogue() {
		if l.Name == name {
			return l, true
		}
	}
	return Limiter{}, false
}

// rule is a limit and its window.
type rule struct {
	limit  int64
	window time.Duration
}

// counter counts one kind for one owner.
type counter interface {
	// ask says whether cost fits, what would be left after it, and, if it does
	// not fit, when it would.
	ask(now time.Time, r rule, cost int64) (fits bool, left int64, wait time.Duration)
	// charge takes cost, which ask has let through.
	charge(now time.Time, r rule, cost int64)
	// settle changes by delta what was charged at an earlier time.
	settle(now, charged time.Time, r rule, delta int64)
}

type counterKey struct {
	scope, value string
	kind         reference.Kind
}

// store keeps requests and tokens in counters of one class, and leaves slots to
// the reference.
type store struct {
	slots reference.Store
	fresh func() counter
	// freshTokens makes the counters of tokens where they are of another class.
	freshTokens func() counter

	mu       sync.Mutex
	counters map[counterKey]counter
	charged  map[*reference.Item]charges
}

type charges struct {
	at     time.Time
	tokens int64
}

func newStore(slots reference.Store, fresh func() counter) *store {
	return &store{slots: slots, fresh: fresh, counters: map[counterKey]counter{}, charged: map[*reference.Item]charges{}}
}

// windowKinds are the kinds that are counted per window.
func windowKinds() []reference.Kind { return []reference.Kind{reference.Requests, reference.Tokens} }

func (s *store) counter(it reference.Item, kind reference.Kind) counter {
	k := counterKey{it.Scope, it.Value, kind}
	c := s.counters[k]
	if c == nil {
		fresh := s.fresh
		if kind == reference.Tokens && s.freshTokens != nil {
			fresh = s.freshTokens
		}
		c = fresh()
		s.counters[k] = c
	}
	return c
}

// slotsOnly is the part of an item that the reference decides.
func slotsOnly(it reference.Item) reference.Item {
	it.Limits[reference.Requests], it.Limits[reference.Tokens] = reference.Unlimited, reference.Unlimited
	it.Amounts[reference.Requests], it.Amounts[reference.Tokens] = 0, 0
	return it
}

// Peek decides and charges nothing.
func (s *store) Peek(now time.Time, items []reference.Item) reference.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.decide(now, items)
}

func (s *store) decide(now time.Time, items []reference.Item) reference.Decision {
	d := reference.Decision{Admitted: true}
	for i := range items {
		it := &items[i]
		for _, kind := range windowKinds() {
			if it.Limits[kind] == reference.Unlimited {
				continue
			}
			r := rule{it.Limits[kind], it.Window}
			fits, left, wait := s.counter(*it, kind).ask(now, r, max(0, it.Amounts[kind]))
			it.After[kind] = reference.Counter{Remaining: max(0, min(left, r.limit)), Reset: it.Window}
			if fits || it.Amounts[kind] <= 0 {
				continue
			}
			if d.Admitted {
				d.Item, d.Kind = i, kind
			}
			d.Admitted = false
			d.Never = d.Never || it.Amounts[kind] > r.limit
			d.RetryAfter = max(d.RetryAfter, wait)
		}
	}
	return d
}

// Reserve charges all or nothing. Slots come first, and are given back if a
// window refuses.
func (s *store) Reserve(now time.Time, items []reference.Item) reference.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	whole := append([]reference.Item(nil), items...)
	for i := range items {
		items[i] = slotsOnly(items[i])
	}
	slots := s.slots.Reserve(now, items)
	for i := range items {
		items[i].Limits, items[i].Amounts = whole[i].Limits, whole[i].Amounts
	}
	d := s.decide(now, items)
	if !slots.Admitted {
		if d.Admitted {
			return slots
		}
		return d
	}
	if !d.Admitted {
		s.slots.Release(now, items)
		return d
	}
	for i := range items {
		it := &items[i]
		for _, kind := range windowKinds() {
			if it.Limits[kind] != reference.Unlimited && it.Amounts[kind] > 0 {
				s.counter(*it, kind).charge(now, rule{it.Limits[kind], it.Window}, it.Amounts[kind])
			}
		}
		s.charged[it] = charges{now, max(0, it.Amounts[reference.Tokens])}
	}
	return d
}

// Settle changes what was reserved into what was used.
func (s *store) Settle(now time.Time, items []reference.Item, used int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range items {
		it := &items[i]
		c, reserved := s.charged[it]
		delete(s.charged, it)
		if reserved && it.Limits[reference.Tokens] != reference.Unlimited {
			s.counter(*it, reference.Tokens).settle(now, c.at, rule{it.Limits[reference.Tokens], it.Window}, used-c.tokens)
		}
	}
}

// Renew keeps slots.
func (s *store) Renew(now time.Time, items []reference.Item) { s.slots.Renew(now, items) }

// Release frees slots.
func (s *store) Release(now time.Time, items []reference.Item) { s.slots.Release(now, items) }

// ChargeAfter checks whether a token is left and charges when the answer is
// there. It is sound where it is declared, and a fault where it is not.
type ChargeAfter struct{ reference.Store }

// plenty is a limit that is never reached, so that a charge after the answer
// goes through however much it is over.
const plenty = int64(1) << 40

// Reserve admits while anything is left and reserves no tokens.
func (s *ChargeAfter) Reserve(now time.Time, items []reference.Item) reference.Decision {
	least := make([]reference.Item, len(items))
	for i, it := range items {
		least[i] = reference.Item{Descriptor: it.Descriptor, Amounts: it.Amounts}
		least[i].Amounts[reference.Tokens] = min(1, it.Amounts[reference.Tokens])
	}
	if d := s.Peek(now, least); !d.Admitted {
		for i := range items {
			items[i].After = least[i].After
		}
		return d
	}
	for i := range items {
		items[i].Amounts[reference.Tokens] = 0
	}
	return s.Store.Reserve(now, items)
}

// Settle charges what was used, however much it is over.
func (s *ChargeAfter) Settle(now time.Time, items []reference.Item, used int64) {
	for _, it := range items {
		if it.Limits[reference.Tokens] == reference.Unlimited {
			continue
		}
		charge := reference.Item{Descriptor: it.Descriptor}
		charge.Limits[reference.Tokens] = plenty
		charge.Amounts[reference.Tokens] = used
		s.Store.Reserve(now, []reference.Item{charge})
	}
}

// ownEstimate reserves half as much again.
type ownEstimate struct{ reference.Store }

func (s *ownEstimate) Reserve(now time.Time, items []reference.Item) reference.Decision {
	for i := range items {
		it := &items[i]
		it.Amounts[reference.Tokens] += it.Amounts[reference.Tokens] / 2
		if limit := it.Limits[reference.Tokens]; limit != reference.Unlimited {
			it.Amounts[reference.Tokens] = min(it.Amounts[reference.Tokens], limit)
		}
	}
	return s.Store.Reserve(now, items)
}
