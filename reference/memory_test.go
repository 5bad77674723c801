package reference

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Pairs with one hash, which no client can bring about, are still two pairs.
func TestPairsWithOneHashAreToldApart(t *testing.T) {
	var s shard
	var none account
	s.init()
	const hash = 42
	names := []Descriptor{{Scope: "user", Value: "x"}, {Scope: "team", Value: "x"}, {Scope: "user", Value: "y"}}
	for i := range names {
		if got := s.find(hash, &names[i], &none); got != &none {
			t.Fatalf("%v was found as %q %q before it was added", names[i], got.scope, got.value)
		}
		s.add(hash, &names[i]).windows[Requests].charge(int64(i+1), 0, time.Minute)
	}
	s.sweep(0)
	for i := range names {
		if got := s.find(hash, &names[i], &none).windows[Requests].usedAt(0); got != int64(i+1) {
			t.Errorf("%v has used %d, want %d", names[i], got, i+1)
		}
	}
	s.sweep(int64(time.Minute))
	if s.size != 0 || s.find(hash, &names[1], &none) != &none {
		t.Errorf("%d accounts are kept after their windows, want 0", s.size)
	}
}

// The longest list that a call decides without allocating, and one more.
func TestAnyNumberOfItems(t *testing.T) {
	for _, n := range []int{0, 1, usualItems, usualItems + 1, 200} {
		m := NewMemory()
		var items []Item
		for i := range n {
			item := limitedTo(1, 10, 1)
			item.Value = fmt.Sprint(i)
			items = append(items, item.asking(1, 4, 1)...)
		}
		wantDecision(t, m.Reserve(ruleStart, items), admitted)
		if n == 0 {
			continue
		}
		m.Settle(ruleStart, items, 3)
		m.Release(ruleStart, items)
		for i := range items {
			if got, want := left(m, ruleStart, items[i]), ([kinds]int64{0, 7, 1}); got != want {
				t.Fatalf("item %d of %d has %v left, want %v", i, n, got, want)
			}
		}
		// The last one refuses: none is charged.
		items[n-1].Amounts[Requests] = 1
		for i := range n - 1 {
			items[i].Amounts[Requests] = 0
		}
		wantDecision(t, m.Reserve(ruleStart, items), Decision{Item: n - 1, RetryAfter: time.Minute})
		if got := left(m, ruleStart, items[0]); got[Tokens] != 7 {
			t.Fatalf("the first of %d items has %d tokens left after a refusal, want 7", n, got[Tokens])
		}
	}
}

// A slice of items serves one request after another.
func TestItemsMayBeUsedAgain(t *testing.T) {
	m := NewMemory()
	item := limitedTo(10, 100, 3)
	items := item.asking(1, 50, 1)
	for _, left := range []int64{80, 60, 40} {
		items[0].Amounts = [kinds]int64{1, 30, 1}
		wantDecision(t, m.Reserve(ruleStart, items), admitted)
		m.Settle(ruleStart, items, 20)
		m.Release(ruleStart, items)
		m.Peek(ruleStart, items)
		wantAfter(t, items[:1], items[0].After[Requests], Counter{left, time.Minute}, Counter{3, 0})
	}
	held := item.asking(0, 0, 1)
	m.Reserve(ruleStart, held)
	items[0].Amounts = [kinds]int64{Requests: 1}
	m.Reserve(ruleStart, items)
	m.Settle(ruleStart, items, 0)
	m.Release(ruleStart, items)
	if got, want := left(m, ruleStart, item), ([kinds]int64{6, 40, 2}); got != want {
		t.Errorf("after a request that reserved neither tokens nor a slot %v is left, want %v", got, want)
	}
}

func TestNumbersAtTheEndOfTheirRange(t *testing.T) {
	m := NewMemory()
	item := limitedTo(math.MaxInt64, math.MaxInt64, math.MaxInt64)
	item.Window = math.MaxInt64
	items := item.asking(math.MaxInt64, math.MaxInt64, math.MaxInt64)
	wantDecision(t, m.Reserve(ruleStart, items), admitted)
	refused := m.Reserve(ruleStart, item.asking(0, math.MaxInt64, 0))
	if refused.Admitted || refused.Never || refused.RetryAfter <= 0 {
		t.Errorf("a second reservation of everything: %+v, want a refusal with a wait", refused)
	}
	m.Settle(ruleStart, items, math.MaxInt64)
	more := item.asking(0, 0, 1)
	wantDecision(t, m.Reserve(ruleStart, more), admitted)
	if got, want := left(m, ruleStart, item), ([kinds]int64{0, 0, math.MaxInt64 - 2}); got != want {
		t.Errorf("%v left, want %v", got, want)
	}
	// Configuration refuses such a limit (rule 3); here it must not let all pass.
	item.Limits = [kinds]int64{-5, math.MinInt64, -2}
	for k := range kinds {
		var amounts [kinds]int64
		amounts[k] = 1
		wantDecision(t, m.Reserve(ruleStart, item.asking(amounts[0], amounts[1], amounts[2])), Decision{Kind: k, Never: true})
	}
}

// A settlement beyond the reservation may not overflow either.
func TestSettlementSaturates(t *testing.T) {
	m := NewMemory()
	item := limitedTo(Unlimited, 100, Unlimited)
	a, b := item.asking(0, 10, 0), item.asking(0, 10, 0)
	m.Reserve(ruleStart, a)
	m.Reserve(ruleStart, b)
	m.Settle(ruleStart, a, math.MaxInt64)
	if got := left(m, ruleStart, item); got[Tokens] != 0 {
		t.Errorf("%d tokens left after more than everything was used, want 0", got[Tokens])
	}
	wantDecision(t, m.Reserve(ruleStart, item.asking(0, 1, 0)), Decision{Kind: Tokens, RetryAfter: time.Minute})
}

// A goroutine whose clock is behind by skew must not open a window beside one
// that was seen to end, nor lose what is counted.
func TestTimeBehindOpensNoSecondWindow(t *testing.T) {
	m := NewMemory()
	item := limitedTo(1, Unlimited, Unlimited)
	const skew = time.Millisecond
	m.Reserve(ruleStart, item.asking(1, 0, 0))
	wantDecision(t, m.Reserve(after(time.Minute), item.asking(1, 0, 0)), admitted)
	// By this clock the first window still runs, but it was seen to end; the
	// wait counts from this clock to the end of the second.
	wantDecision(t, m.Reserve(after(time.Minute-skew), item.asking(1, 0, 0)), Decision{RetryAfter: time.Minute + skew})
	wantDecision(t, m.Reserve(after(2*time.Minute-1), item.asking(1, 0, 0)), Decision{RetryAfter: 1})
	wantDecision(t, m.Reserve(after(2*time.Minute), item.asking(1, 0, 0)), admitted)
	wantDecision(t, NewMemory().Reserve(time.Time{}, item.asking(1, 0, 0)), admitted)
}

// Callers at once, each with the counters in another order and a clock a little
// off: exactly the limit gets in, everywhere.
func TestConcurrentCallersGetExactlyTheLimit(t *testing.T) {
	const callers, calls, limit = 8, 400, 1000
	m := NewMemory()
	var got atomic.Int64
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(caller), 7))
			for range calls {
				var items []Item
				for _, i := range random.Perm(6) {
					item := limitedTo(limit, limit*3, Unlimited)
					item.Scope = fmt.Sprint("scope", i)
					items = append(items, item.asking(1, 3, 0)...)
				}
				now := after(time.Duration(random.Int64N(int64(time.Second))))
				if m.Reserve(now, items).Admitted {
					got.Add(1)
				}
				m.Peek(now, items)
			}
		})
	}
	all.Wait()
	if got.Load() != limit {
		t.Errorf("%d of %d calls were admitted, want %d", got.Load(), callers*calls, limit)
	}
	for i := range 6 {
		item := limitedTo(limit, limit*3, Unlimited)
		item.Scope = fmt.Sprint("scope", i)
		if got := left(m, after(time.Second), item); got != [kinds]int64{} {
			t.Errorf("scope %d has %v left, want nothing", i, got)
		}
	}
}

// Two callbacks race to end each request: whichever is first settles it, in all
// its counters, and the slot comes back once.
func TestConcurrentEndingsCountOnce(t *testing.T) {
	const requests, slots = 500, 4
	m := NewMemory()
	scopes := []string{"api_key", "team", "user"}
	var all sync.WaitGroup
	gate := make(chan struct{}, slots)
	for range requests {
		gate <- struct{}{}
		var items []Item
		for _, scope := range scopes {
			item := limitedTo(ample, ample, slots)
			item.Scope = scope
			items = append(items, item.asking(1, 50, 1)...)
		}
		wantDecision(t, m.Reserve(ruleStart, items), admitted)
		var both sync.WaitGroup
		for _, used := range []int64{10, 70} {
			both.Go(func() {
				m.Renew(ruleStart, items)
				m.Settle(ruleStart, items, used)
				m.Release(ruleStart, items)
			})
		}
		all.Go(func() {
			both.Wait()
			<-gate
		})
	}
	all.Wait()
	var first [kinds]int64
	for i, scope := range scopes {
		item := limitedTo(ample, ample, slots)
		item.Scope = scope
		got := left(m, ruleStart, item)
		if i == 0 {
			first = got
			if used := ample - got[Tokens]; used < 10*requests || used > 70*requests || used%10 != 0 {
				t.Errorf("%d tokens used by %d requests of 10 or 70", used, requests)
			}
		}
		if got != first || got[Slots] != slots || got[Requests] != ample-requests {
			t.Errorf("%s has %v left; %s has %v; want them equal, %d slots and %d requests used", scope, got, scopes[0], first, slots, requests)
		}
	}
}
