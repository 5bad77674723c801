package reference_test

import (
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/reference"
)

// reporter is a test, of package testing or of rapid.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Error(args ...any)
}

// ledgerStore is a memory store that holds the proxy to the contract of
// reference.Store: a reservation is settled at most once, released exactly
// once, not touched afterwards; and what is told lies between 0 and the limit.
type ledgerStore struct {
	t reporter
	reference.Store
	// released is told of a Release; nil where nobody waits for it.
	released chan<- struct{}

	mu   sync.Mutex
	open map[*reference.Item]*deal
	// all that was reserved, in order.
	deals []*deal
	// lastAsked is the time of the last decision.
	lastAsked time.Time
	peeks     int
}

// longestValue is more than any counter's name may have: clients choose some.
const longestValue = 1000

// deal is one reservation and what became of it.
type deal struct {
	at       time.Time
	reserved int64
	// settled is nil while the reservation stands.
	settled  *int64
	renewals int
	// alive is when the lease was last taken or renewed, and unrenewed the
	// longest time that it was neither.
	alive     time.Time
	unrenewed time.Duration
	released  bool
}

// livesUntil enters that the lease is still held.
func (d *deal) livesUntil(now time.Time) {
	d.unrenewed, d.alive = max(d.unrenewed, now.Sub(d.alive)), now
}

func newLedgerStore(t reporter) *ledgerStore {
	return &ledgerStore{t: t, Store: reference.NewMemory(), open: map[*reference.Item]*deal{}}
}

func (s *ledgerStore) Reserve(now time.Time, items []reference.Item) reference.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.Store.Reserve(now, items)
	s.lastAsked = now
	s.wantInRange(items)
	if d.Admitted {
		deal := &deal{at: now, alive: now, reserved: items[0].Amounts[reference.Tokens]}
		s.deals = append(s.deals, deal)
		s.open[&items[0]] = deal
	}
	return d
}

func (s *ledgerStore) Peek(now time.Time, items []reference.Item) reference.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peeks++
	d := s.Store.Peek(now, items)
	s.wantInRange(items)
	return d
}

func (s *ledgerStore) Settle(now time.Time, items []reference.Item, used int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dealOf("Settle", items)
	if d.settled != nil {
		s.t.Errorf("settled twice: with %d, then with %d", *d.settled, used)
	}
	if used < 0 {
		s.t.Errorf("settled with %d tokens", used)
	}
	d.settled = &used
	s.Store.Settle(now, items, used)
}

func (s *ledgerStore) Renew(now time.Time, items []reference.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dealOf("Renew", items)
	d.renewals++
	d.livesUntil(now)
	s.Store.Renew(now, items)
}

func (s *ledgerStore) Release(now time.Time, items []reference.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dealOf("Release", items)
	d.livesUntil(now)
	d.released = true
	s.Store.Release(now, items)
	select {
	case s.released <- struct{}{}:
	default: // nobody waits
	}
}

// dealOf finds the reservation that a call is for.
func (s *ledgerStore) dealOf(call string, items []reference.Item) *deal {
	d, known := s.open[&items[0]]
	switch {
	case !known:
		s.t.Errorf("%s without a reservation", call)
		return &deal{}
	case d.released:
		s.t.Errorf("%s after Release", call)
	}
	return d
}

func (s *ledgerStore) wantInRange(items []reference.Item) {
	for _, it := range items {
		if len(it.Value) > longestValue {
			s.t.Errorf("the name of a counter of %s has %d bytes", it.Scope, len(it.Value))
		}
		for kind, limit := range it.Limits {
			if got := it.After[kind].Remaining; limit != reference.Unlimited && (got < 0 || got > limit) {
				s.t.Errorf("%v of %v remain of a limit of %d", got, reference.Kind(kind), limit)
			}
		}
	}
}

// wantClosed says that every admitted request has let go of what it held.
func (s *ledgerStore) wantClosed() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, d := range s.deals {
		if !d.released {
			s.t.Errorf("admitted request %d was never released", i+1)
		}
	}
}

// last is the newest reservation.
func (s *ledgerStore) last() *deal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.deals) == 0 {
		s.t.Error("nothing was reserved")
		return &deal{}
	}
	return s.deals[len(s.deals)-1]
}
