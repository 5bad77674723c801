package reference

import (
	"hash/maphash"
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// shardCount is the width of a word, so that the shards a call needs are one
	// bit each and come out of it in the order they are locked.
	shardBits  = 6
	shardCount = 1 << shardBits

	// usualItems is how many descriptors are decided without allocating: rule 6
	// knows twelve scopes.
	usualItems = 12

	// slotRetry is the wait named where only slots refuse (rule 24): nobody
	// knows when a request in flight will end.
	slotRetry = time.Second

	// scopeSpread is 2^64 over the golden ratio: multiples of it lie far apart
	// in all bits.
	scopeSpread = 0x9e3779b97f4a7c15

	// unsetWindow stands in for a descriptor without a window (rule 2). A
	// window of no length would let everything pass.
	unsetWindow = time.Minute
)

// Memory is a Store in this process's memory.
//
// Counters are told apart by scope and value, compared as a pair, so no two
// scopes can share one whatever their values contain (rule 6). Where one call
// names a pair twice, the counter is charged once, with the larger amount, and
// has to fit the limits of both.
//
// Time that runs backwards between two callers is taken as the latest time the
// counters concerned have seen: a window that was seen to end stays closed and
// none is opened twice. The durations in After and RetryAfter still count from
// the time the caller gave.
//
// A counter is forgotten only when its window is over and no lease lives (rule
// 23). That is looked for as calls come, every minute and when keys are added,
// so memory is bounded by the keys in use, not by the keys ever seen.
//
// The Memory of NewMemory is ready; its methods may be called concurrently.
type Memory struct {
	shards [shardCount]shard
	seed   maphash.Seed
	origin atomic.Pointer[time.Time]
	none   account // stands for an account that is not there; never written
}

var _ Store = (*Memory)(nil)

// NewMemory returns a store without counters.
func NewMemory() *Memory {
	m := &Memory{seed: maphash.MakeSeed()}
	for i := range m.shards {
		m.shards[i].init()
	}
	return m
}

// receipt says what an item was charged and where, for Settle, Renew and
// Release. The zero receipt was charged nothing. Requests are not in it: they
// stay charged whatever comes (rule 15).
type receipt struct {
	opened  int64  // the window the tokens went to, by its opening instant
	charged int64  // tokens reserved
	lease   uint64 // the slot held; 0 for none
	slot    int32  // where the lease is kept
	settled bool
}

// Reserve charges every amount or none. An amount whose limit is Unlimited is
// not counted. Receipts that items hold from an earlier call are overwritten,
// so settle and release them before.
func (m *Memory) Reserve(now time.Time, items []Item) (d Decision) {
	var usual [usualItems]part
	var c call
	c.items, c.parts, c.asked = items, roomFor(len(items), usual[:]), m.since(now)
	m.locate(&c)
	at := m.lock(c.shards, c.asked)
	m.find(&c)
	c.decide(at, &d)
	if d.Admitted {
		m.charge(&c, at)
	} else {
		for i := range items {
			items[i].receipt = receipt{}
		}
	}
	c.report(at)
	m.unlock(c.shards, at)
	return d
}

// Peek decides as Reserve would. It writes to After and nothing else: the
// receipts of items stay valid.
func (m *Memory) Peek(now time.Time, items []Item) (d Decision) {
	var usual [usualItems]part
	var c call
	c.items, c.parts, c.asked = items, roomFor(len(items), usual[:]), m.since(now)
	m.locate(&c)
	at := m.lock(c.shards, c.asked)
	m.find(&c)
	c.decide(at, &d)
	c.report(at)
	m.unlock(c.shards, 0)
	return d
}

// Settle replaces the reserved tokens of each item by used, which counts as 0
// if negative. An item that was charged no tokens, because it has no token
// limit or asked for none, is left alone: nothing was reserved there. What was
// used beyond the reservation is counted too and may exceed the limit.
func (m *Memory) Settle(now time.Time, items []Item, used int64) {
	shards := m.shardsOf(items, func(r *receipt) bool { return r.charged != 0 })
	at := m.lock(shards, m.since(now))
	for i := range items {
		r := &items[i].receipt
		if r.charged == 0 || r.settled {
			continue
		}
		r.settled = true
		w := &m.lookup(&items[i].Descriptor).windows[Tokens]
		if w.opened == r.opened && at < w.end {
			w.settle(r.charged, max(used, 0))
		}
	}
	m.unlock(shards, at)
}

// Renew extends the leases of the slots that items hold to SlotLease from now.
// A lease that has lapsed stays lost: its slot may be another's.
func (m *Memory) Renew(now time.Time, items []Item) {
	shards := m.shardsOf(items, func(r *receipt) bool { return r.lease != 0 })
	at := m.lock(shards, m.since(now))
	for i := range items {
		r := &items[i].receipt
		if r.lease == 0 {
			continue
		}
		if slots := m.lookup(&items[i].Descriptor).slots; slots != nil {
			slots.renew(r.slot, r.lease, at)
		}
	}
	m.unlock(shards, at)
}

// Release frees the slots that items hold.
func (m *Memory) Release(now time.Time, items []Item) {
	shards := m.shardsOf(items, func(r *receipt) bool { return r.lease != 0 })
	at := m.lock(shards, m.since(now))
	for i := range items {
		r := &items[i].receipt
		if r.lease == 0 {
			continue
		}
		// The receipt keeps its lease, so that concurrent calls only read it;
		// a lease is given out once and found once.
		if slots := m.lookup(&items[i].Descriptor).slots; slots != nil {
			slots.release(r.slot, r.lease)
		}
	}
	m.unlock(shards, at)
}

// since is now as nanoseconds from the store's origin, by the monotonic clock
// where now has a reading of it.
func (m *Memory) since(now time.Time) int64 {
	origin := m.origin.Load()
	if origin == nil {
		origin = m.begin(now)
	}
	return int64(now.Sub(*origin))
}

// begin fixes the origin. Before it no time can be told apart, so it lies
// before any that a caller whose clock is behind may still hand in.
//
//go:noinline
func (m *Memory) begin(now time.Time) *time.Time {
	origin := now.Add(-time.Hour)
	m.origin.CompareAndSwap(nil, &origin)
	return m.origin.Load()
}

// hash places a pair. Length and first letter are enough of a scope, which no
// client chooses: pairs with one hash are still told apart by account.is.
func (m *Memory) hash(d *Descriptor) uint64 {
	h := maphash.String(m.seed, d.Value)
	if d.Scope != "" {
		h += (uint64(len(d.Scope))<<8 | uint64(d.Scope[0])) * scopeSpread
	}
	return h
}

func shardOf(hash uint64) int { return int(hash >> (64 - shardBits)) }

func (m *Memory) lookup(d *Descriptor) *account {
	h := m.hash(d)
	return m.shards[shardOf(h)].find(h, d, &m.none)
}

// shardsOf is the set of shards of the items whose receipt is wanted.
func (m *Memory) shardsOf(items []Item, wanted func(*receipt) bool) uint64 {
	var shards uint64
	for i := range items {
		if wanted(&items[i].receipt) {
			shards |= 1 << shardOf(m.hash(&items[i].Descriptor))
		}
	}
	return shards
}

// lock takes the shards in index order, so that no two calls wait for each
// other, and returns the time at which the call happens: asked, or the latest
// that any of the shards has seen.
func (m *Memory) lock(shards uint64, asked int64) int64 {
	at := asked
	for rest := shards; rest != 0; rest &= rest - 1 {
		s := &m.shards[bits.TrailingZeros64(rest)]
		s.mu.Lock()
		at = max(at, s.latest)
	}
	return at
}

// unlock lets go of the shards, which have now seen the time at. Only here do
// they forget: a counter that was found may have been over until it was charged.
func (m *Memory) unlock(shards uint64, at int64) {
	for rest := shards; rest != 0; rest &= rest - 1 {
		s := &m.shards[bits.TrailingZeros64(rest)]
		s.latest = max(s.latest, at)
		if at >= s.lookAt {
			s.sweep(at)
		}
		s.mu.Unlock()
	}
}

// addTime is t+d, and the end of time where that overflows.
func addTime(t int64, d time.Duration) int64 {
	if t > math.MaxInt64-int64(d) {
		return math.MaxInt64
	}
	return t + int64(d)
}
