package faults

import (
	"fmt"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
)

func requestFaults() []Fault {
	return []Fault{
		{
			Name: "one-request-too-many", Breaks: "requests/limit-kept",
			Sentence: "admits one request more than the limit: a count compared with > where >= is meant",
			Apply:    shiftLimit(reference.Requests, 1),
		},
		{
			Name: "request-window-half", Breaks: "requests/limit-kept",
			Sentence: "request windows last half as long as declared",
			Apply: func(p *sim.Parts) {
				p.Store = &altered{Store: p.Store, alter: func(it *reference.Item, _ time.Time) {
					if it.Limits[reference.Tokens] == reference.Unlimited && it.Limits[reference.Slots] == reference.Unlimited {
						it.Window /= 2
					}
				}}
			},
		},
		{
			Name: "one-request-too-few", Breaks: "requests/limit-usable",
			Sentence: "refuses the last request of the limit",
			Apply:    shiftLimit(reference.Requests, -1),
		},
		{
			Name: "half-back-after-silence", Breaks: "requests/window-reopens",
			Sentence: "a key that was silent for a window starts the next one half used up",
			Apply: func(p *sim.Parts) {
				p.Store = &halfBack{Store: p.Store, last: map[string]time.Time{}}
			},
		},
		{
			Name: "one-slot-too-many", Breaks: "parallel/limit-kept",
			Sentence: "lets one request more be in flight than there are slots",
			Apply:    shiftLimit(reference.Slots, 1),
		},
		{
			Name: "keys-share-counters", Breaks: "isolation/keys",
			Sentence: "counters are kept by the key's limits and not by the key, as where limits are shared across consumers (APISIX 12896)",
			Apply: func(p *sim.Parts) {
				p.Store = &altered{Store: p.Store, alter: func(it *reference.Item, _ time.Time) {
					if it.Scope == reference.ScopeKey {
						it.Value = fmt.Sprint(it.Limits)
					}
				}}
			},
		},
	}
}

// altered lets a store decide on items that were changed, and gives the caller
// its own back with the receipt.
type altered struct {
	reference.Store
	alter func(*reference.Item, time.Time)
	// restore may correct what the answer tells; nil leaves it.
	restore func(it *reference.Item)
}

func (s *altered) with(now time.Time, items []reference.Item, do func([]reference.Item)) {
	before := make([]reference.Descriptor, len(items))
	for i := range items {
		before[i] = items[i].Descriptor
		s.alter(&items[i], now)
	}
	do(items)
	for i := range items {
		items[i].Descriptor = before[i]
		if s.restore != nil {
			s.restore(&items[i])
		}
	}
}

func (s *altered) Reserve(now time.Time, items []reference.Item) (d reference.Decision) {
	s.with(now, items, func(items []reference.Item) { d = s.Store.Reserve(now, items) })
	return d
}

func (s *altered) Peek(now time.Time, items []reference.Item) (d reference.Decision) {
	s.with(now, items, func(items []reference.Item) { d = s.Store.Peek(now, items) })
	return d
}

func (s *altered) Settle(now time.Time, items []reference.Item, used int64) {
	s.with(now, items, func(items []reference.Item) { s.Store.Settle(now, items, used) })
}

func (s *altered) Renew(now time.Time, items []reference.Item) {
	s.with(now, items, func(items []reference.Item) { s.Store.Renew(now, items) })
}

func (s *altered) Release(now time.Time, items []reference.Item) {
	s.with(now, items, func(items []reference.Item) { s.Store.Release(now, items) })
}

// shiftLimit enforces another limit of one kind on keys than is told.
func shiftLimit(kind reference.Kind, by int64) func(*sim.Parts) {
	return func(p *sim.Parts) {
		p.Store = &altered{
			Store: p.Store,
			alter: func(it *reference.Item, _ time.Time) {
				if it.Scope == reference.ScopeKey {
					shift(it, kind, by)
				}
			},
			restore: func(it *reference.Item) {
				if it.Scope == reference.ScopeKey {
					it.After[kind].Remaining = max(0, it.After[kind].Remaining-by)
				}
			},
		}
	}
}

func shift(it *reference.Item, kind reference.Kind, by int64) {
	if it.Limits[kind] != reference.Unlimited {
		it.Limits[kind] += by
	}
}

// halfBack charges half of a request limit when a key comes back from silence.
type halfBack struct {
	reference.Store

	mu   sync.Mutex
	last map[string]time.Time
}

func (s *halfBack) Reserve(now time.Time, items []reference.Item) reference.Decision {
	for _, it := range items {
		s.mu.Lock()
		last, seen := s.last[it.Value]
		s.last[it.Value] = now
		s.mu.Unlock()
		if seen && now.Sub(last) > it.Window && it.Limits[reference.Requests] > 1 {
			half := reference.Item{Descriptor: it.Descriptor}
			half.Amounts[reference.Requests] = it.Limits[reference.Requests] / 2
			s.Store.Reserve(now, []reference.Item{half})
		}
	}
	return s.Store.Reserve(now, items)
}
