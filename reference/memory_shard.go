package reference

import (
	"math"
	"strings"
	"sync"
	"time"
)

const (
	// sweepRoom is how many keys a shard takes in at least before it looks for
	// those to forget; with 64 shards some 4,000 keys, about 1 MB. It is a power
	// of two, being the size of the smallest table.
	sweepRoom = 64

	// sweepEvery is how often a shard that is called looks for keys to forget,
	// be any added or not: a key goes within this time of the end of its window.
	// A look at a million keys takes some 5 ms in each of the shards.
	sweepEvery = time.Minute

	// cacheLine is that of amd64 and of most arm64.
	cacheLine = 64
)

// shard is a part of the counters under one lock.
type shard struct {
	mu      sync.Mutex
	latest  int64      // the latest time seen
	leases  uint64     // given out so far
	table   []*account // by the low bits of the hash, linked by next
	size    int        // accounts
	lookAt  int64      // the time at which to look for those to forget
	sweepAt int        // the size at which to look for them at once

	_ [2*cacheLine - 72]byte // x86 fetches lines in pairs
}

func (s *shard) init() {
	s.sweepAt = sweepRoom
	s.table = make([]*account, 2*sweepRoom)
}

// account is the counters of one pair of scope and value. What every call that
// walks past reads and what a charge writes are on two cache lines, so that
// cores that charge different keys do not wait for each other's.
type account struct {
	hash         uint64
	next         *account
	scope, value string
	_            [cacheLine - 48]byte

	windows [Slots]window // Requests and Tokens
	slots   *leases       // nil until one was held
	_       [cacheLine - 56]byte
}

// window is a counter's current or last window. The zero window is over.
type window struct {
	opened, end int64 // it covers [opened, end)
	used        int64 // never negative
}

// windowOf is a descriptor's window (rule 2).
func windowOf(size time.Duration) time.Duration {
	if size <= 0 {
		return unsetWindow
	}
	return size
}

// usedAt is what is counted at the time at.
func (w *window) usedAt(at int64) int64 {
	if at >= w.end {
		return 0
	}
	return w.used
}

// charge adds amount, in a new window if the last one is over (rule 1). It
// returns what it added: a limit that refuses nothing may be asked for more
// than there are numbers.
func (w *window) charge(amount, at int64, size time.Duration) int64 {
	if at >= w.end {
		*w = window{opened: at, end: addTime(at, windowOf(size))}
	}
	amount = min(amount, math.MaxInt64-w.used)
	w.used += amount
	return amount
}

// settle replaces reserved by used, neither of them negative. What is counted
// includes every reservation that has not been settled, so there is a rest.
func (w *window) settle(reserved, used int64) {
	rest := w.used - reserved
	if used > math.MaxInt64-rest {
		w.used = math.MaxInt64
		return
	}
	w.used = rest + used
}

// hold takes a slot and returns where its lease is kept and its number, which
// the shard gives out once.
func (a *account) hold(s *shard, at int64) (slot int32, lease uint64) {
	if a.slots == nil {
		a.slots = newLeases()
	}
	s.leases++
	return a.slots.hold(s.leases, at), s.leases
}

func (a *account) is(hash uint64, d *Descriptor) bool {
	return a.hash == hash && a.scope == d.Scope && a.value == d.Value
}

// over reports whether nothing of the account is needed any more (rule 23).
func (a *account) over(at int64) bool {
	return at >= a.windows[Requests].end && at >= a.windows[Tokens].end && a.slots.held(at) == 0
}

func (s *shard) row(hash uint64) **account { return &s.table[hash&uint64(len(s.table)-1)] }

// find returns the account of a pair, or none.
func (s *shard) find(hash uint64, d *Descriptor, none *account) *account {
	for a := *s.row(hash); a != nil; a = a.next {
		if a.is(hash, d) {
			return a
		}
	}
	return none
}

// add makes an account that is not there yet. The value is copied: it may be cut
// from a request's body, which must not live as long as the counter. Scopes are
// a few constants.
func (s *shard) add(hash uint64, d *Descriptor) *account {
	a := &account{hash: hash, scope: d.Scope, value: strings.Clone(d.Value)}
	s.link(a)
	s.size++
	if s.size >= s.sweepAt {
		s.lookAt = math.MinInt64 // when the call is over: it may charge what is over yet
	}
	return a
}

func (s *shard) link(a *account) {
	row := s.row(a.hash)
	a.next = *row
	*row = a
}

// sweep forgets the accounts that are over and makes the table as large or as
// small as the rest needs. It is due every sweepEvery, and when the shard has
// grown by half since the last time, so a key that is added pays for three
// looks.
func (s *shard) sweep(at int64) {
	s.lookAt = addTime(at, sweepEvery)
	var kept *account
	s.size = 0
	for _, a := range s.table {
		for a != nil {
			next := a.next
			if !a.over(at) {
				a.next, kept = kept, a
				s.size++
			}
			a = next
		}
	}
	s.sweepAt = s.size + max(sweepRoom, s.size/2)
	rows := 2 * sweepRoom
	for rows < 2*s.sweepAt { // half empty at least, so that most rows hold one
		rows *= 2
	}
	if rows == len(s.table) {
		clear(s.table)
	} else {
		s.table = make([]*account, rows)
	}
	for a := kept; a != nil; {
		next := a.next
		s.link(a)
		a = next
	}
}
