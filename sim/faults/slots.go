package faults

import (
	"fmt"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
)

func slotFaults() []Fault {
	return []Fault{
		{
			Name: "slots-counted-in-windows", Breaks: "parallel/kept-across-windows",
			Sentence: "slots are a counter in a window, which begins anew while requests are in flight (LiteLLM up to 1.93)",
			Apply: func(p *sim.Parts) {
				p.Store = &windowedSlots{Store: p.Store, opened: map[string]time.Time{}, names: map[*reference.Item]string{}}
			},
		},
		{
			Name: "slot-lost-when-client-leaves", Breaks: "parallel/slot-freed",
			Sentence: "the slot of a client that left before its answer was whole is never given back (LiteLLM 27955)",
			Apply: func(p *sim.Parts) {
				p.Store = &slotLoser{Store: p.Store, lost: func(used, reserved int64) bool { return used > 0 && used < reserved }, used: map[*reference.Item]int64{}}
			},
		},
		{
			Name: "slot-lost-on-error", Breaks: "parallel/slot-freed",
			Sentence: "the slot of a call that failed upstream is never given back (LiteLLM 20256)",
			Apply: func(p *sim.Parts) {
				p.Store = &slotLoser{Store: p.Store, lost: func(used, _ int64) bool { return used == 0 }, used: map[*reference.Item]int64{}}
			},
		},
	}
}

// windowedSlots gives a key new slots whenever its window turns.
type windowedSlots struct {
	reference.Store

	mu     sync.Mutex
	opened map[string]time.Time
	names  map[*reference.Item]string
}

func (s *windowedSlots) Reserve(now time.Time, items []reference.Item) reference.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := &items[0]
	if it.Limits[reference.Slots] == reference.Unlimited {
		return s.Store.Reserve(now, items)
	}
	if now.Sub(s.opened[it.Value]) >= it.Window {
		s.opened[it.Value] = now
	}
	plain := it.Value
	it.Value = fmt.Sprint(plain, s.opened[plain].UnixNano())
	s.names[it] = it.Value
	d := s.Store.Reserve(now, items)
	it.Value = plain
	return d
}

func (s *windowedSlots) Release(now time.Time, items []reference.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := &items[0]
	plain := it.Value
	if name, held := s.names[it]; held {
		it.Value = name
	}
	s.Store.Release(now, items)
	it.Value = plain
}

// slotLoser keeps the slots of requests that ended in a certain way.
type slotLoser struct {
	reference.Store
	lost func(used, reserved int64) bool

	mu   sync.Mutex
	used map[*reference.Item]int64
}

func (s *slotLoser) Settle(now time.Time, items []reference.Item, used int64) {
	s.mu.Lock()
	if _, settled := s.used[&items[0]]; !settled {
		s.used[&items[0]] = used
	}
	s.mu.Unlock()
	s.Store.Settle(now, items, used)
}

func (s *slotLoser) Release(now time.Time, items []reference.Item) {
	s.mu.Lock()
	used, settled := s.used[&items[0]]
	s.mu.Unlock()
	if settled && s.lost(used, items[0].Amounts[reference.Tokens]) {
		return
	}
	s.Store.Release(now, items)
}

func (s *slotLoser) Renew(now time.Time, items []reference.Item) { s.Store.Renew(now, items) }
