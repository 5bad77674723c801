package reference

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"
)

func TestReserveAllocatesNothing(t *testing.T) {
	m := NewMemory()
	item := limitedTo(ample, ample, ample)
	five, _ := benchItems(len(benchScopes), ample)
	for _, items := range [][]Item{item.asking(1, 5, 1), five} {
		m.Reserve(ruleStart, items)
		m.Release(ruleStart, items)
		if n := testing.AllocsPerRun(100, func() {
			m.Reserve(ruleStart, items)
			m.Peek(ruleStart, items)
			m.Renew(ruleStart, items)
			m.Settle(ruleStart, items, 3)
			m.Release(ruleStart, items)
		}); n != 0 {
			t.Errorf("a request with %d descriptors allocates %v times, want 0", len(items), n)
		}
	}
}

// heapInUse is the live heap.
func heapInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// Keys that come and go cost what the ones in use cost, and after a crowd has
// left the room is given back.
func TestMemoryIsBoundedByTheKeysInUse(t *testing.T) {
	m := NewMemory()
	keep := limitedTo(5, 100, 2)
	keep.Window = 24 * time.Hour
	held := keep.asking(1, 60, 1)
	m.Reserve(ruleStart, held)
	next := 0
	comeAndGo := func(keys int, now time.Time) {
		for range keys {
			item := limitedTo(1, 10, 1)
			item.Value = fmt.Sprint("guest", next)
			next++
			m.Reserve(now, item.asking(1, 5, 1))
		}
		m.Renew(now, held)
	}
	accounts := func() (n, rows int) {
		for i := range m.shards {
			n += m.shards[i].size
			rows += len(m.shards[i].table)
		}
		return n, rows
	}

	const crowd, few = 40_000, 2_000
	comeAndGo(crowd, ruleStart)
	if n, _ := accounts(); n != crowd+1 {
		t.Fatalf("%d accounts while their windows run, want %d", n, crowd+1)
	}
	_, most := accounts()
	now := ruleStart
	for range 25 { // enough for each shard to take in half as many as it held
		now = now.Add(SlotLease - 1)
		m.Renew(now, held)
		now = now.Add(1)
		comeAndGo(few, now)
	}
	n, rows := accounts()
	// In the worst case a shard is about to look: it holds the few, the one and
	// the room it may fill.
	if worst := shardCount*sweepRoom + 2*few; n > worst {
		t.Errorf("%d accounts after the crowd of %d left and %d remain, want at most %d", n, crowd, few, worst)
	}
	if rows > most/4 {
		t.Errorf("%d rows in the tables, of %d for the crowd, want a quarter at most", rows, most)
	}
	if got, want := left(m, now, keep), ([kinds]int64{4, 40, 1}); got != want {
		t.Errorf("the key with a window of a day has %v left, want %v", got, want)
	}
}

// A reservation over a counter that is over and one that is new: looking for
// counters to forget must not forget the first while it is being charged.
func TestACounterBeingChargedIsNotForgotten(t *testing.T) {
	m := NewMemory()
	for i := range m.shards {
		m.shards[i].sweepAt = 0 // look each time a key is added
	}
	old := limitedTo(1, Unlimited, Unlimited)
	for round := range 300 {
		now := after(time.Duration(round) * time.Minute)
		item := limitedTo(1, Unlimited, Unlimited)
		item.Value = fmt.Sprint("new", round)
		for i := range m.shards {
			m.shards[i].sweepAt = 0
		}
		items := append(old.asking(1, 0, 0), item.asking(1, 0, 0)...)
		wantDecision(t, m.Reserve(now, items), admitted)
		wantDecision(t, m.Reserve(now, old.asking(1, 0, 0)), Decision{RetryAfter: time.Minute})
	}
}

// A value may be cut from a request's body, which must not live as long as the
// counter does.
func TestValuesAreCopied(t *testing.T) {
	m := NewMemory()
	body := strings.Repeat("x", 1<<20)
	item := limitedTo(1, Unlimited, Unlimited)
	item.Value = body[:32]
	m.Reserve(ruleStart, item.asking(1, 0, 0))
	if kept := m.lookup(&item.Descriptor).value; unsafe.StringData(kept) == unsafe.StringData(body) {
		t.Error("the counter keeps the body its value was cut from")
	}
}

// Slots that are taken in turn use one another's room.
func TestLeasesShareTheirRoom(t *testing.T) {
	m := NewMemory()
	item := limitedTo(Unlimited, Unlimited, 3)
	const atOnce = 3
	var held [atOnce][]Item
	for i := range 1000 {
		now := after(time.Duration(i) * time.Second)
		if i >= atOnce {
			m.Release(now, held[i%atOnce])
		}
		held[i%atOnce] = item.asking(0, 0, 1)
		wantDecision(t, m.Reserve(now, held[i%atOnce]), admitted)
	}
	if got := len(m.lookup(&item.Descriptor).slots.ring); got > atOnce+1 {
		t.Errorf("room for %d leases and the anchor, want %d", got-1, atOnce)
	}
}

// A key that once had thousands of requests in flight keeps no room for them.
func TestLeasesGiveTheirRoomBack(t *testing.T) {
	m := NewMemory()
	item := limitedTo(Unlimited, Unlimited, ample)
	var held [][]Item
	for range 5000 {
		items := item.asking(0, 0, 1)
		m.Reserve(ruleStart, items)
		held = append(held, items)
	}
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(held)) {
		m.Release(ruleStart, held[i])
	}
	a := m.lookup(&item.Descriptor)
	if got := cap(a.slots.ring); got > sparedLeases {
		t.Errorf("room for %d leases is kept at rest, want at most %d", got, sparedLeases)
	}
	// Leases of before are not those of now.
	now := item.asking(0, 0, 1)
	m.Reserve(ruleStart, now)
	for _, items := range held {
		m.Release(ruleStart, items)
		m.Renew(ruleStart, items)
	}
	if got := a.slots.held(0); got != 1 {
		t.Errorf("%d slots held, want 1", got)
	}
}
