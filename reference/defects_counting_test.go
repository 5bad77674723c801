package reference

import (
	"fmt"
	"testing"
	"time"
)

// The numbers are those of the seed's known defects; docs/reference.md says what
// each of them is and where in the seed. Each test is the case in which it
// showed.

// A settlement or refund went to whatever window ran when it came.
func TestDefect01RefundIsNotTakenFromTheNextWindow(t *testing.T) {
	m, item := NewMemory(), limitedTo(Unlimited, 1000, Unlimited)
	var held [][]Item
	for range 5 {
		items := item.asking(0, 199, 0)
		m.Reserve(ruleStart, items)
		held = append(held, items)
	}
	next := after(time.Minute)
	m.Reserve(next, item.asking(0, 30, 0))
	for i, items := range held {
		m.Settle(next, items, int64(i*300)) // less and more than was reserved
	}
	admitted := 1
	for m.Reserve(next, item.asking(0, 30, 0)).Admitted {
		admitted++
	}
	if admitted != 33 {
		t.Errorf("%d requests of 30 tokens fit 1000, want 33", admitted)
	}
}

// The request that was refused first had been counted.
func TestDefect02RefusalLeavesTheCounterAtTheLimit(t *testing.T) {
	m, item := NewMemory(), limitedTo(3, Unlimited, Unlimited)
	for range 10 {
		m.Reserve(ruleStart, item.asking(1, 0, 0))
	}
	wide := limitedTo(10, Unlimited, Unlimited)
	if got := left(m, ruleStart, wide)[Requests]; got != 7 {
		t.Errorf("%d requests are counted, want 3", 10-got)
	}
}

// What one scope refused had been charged to the others.
func TestDefect03RefusalChargesNoOtherScope(t *testing.T) {
	m, key, user := NewMemory(), limitedTo(Unlimited, 10, Unlimited), limitedTo(100, Unlimited, 5)
	user.Scope = ScopeUser
	for range 20 {
		m.Reserve(ruleStart, append(user.asking(1, 11, 1), key.asking(1, 11, 1)...))
	}
	if got, want := left(m, ruleStart, user), ([kinds]int64{100, 0, 5}); got != want {
		t.Errorf("%v left to the user after what the key refused, want %v", got, want)
	}
}

// The slot of a request that the tokens refused was kept.
func TestDefect04TokenRefusalKeepsNoSlot(t *testing.T) {
	m, item := NewMemory(), limitedTo(Unlimited, 10, 1)
	for range 5 {
		if m.Reserve(ruleStart, item.asking(1, 11, 1)).Admitted {
			t.Fatal("eleven tokens of ten were admitted")
		}
	}
	wantDecision(t, m.Reserve(ruleStart, item.asking(1, 10, 1)), admitted)
}

// A worker that had seen a refusal went on refusing for a window of its own.
func TestDefect05RefusalsEndWithTheWindow(t *testing.T) {
	m, item := NewMemory(), limitedTo(10, Unlimited, Unlimited)
	for range 9 {
		m.Reserve(ruleStart, item.asking(1, 0, 0))
	}
	m.Reserve(after(50*time.Second), item.asking(1, 0, 0))
	for _, at := range []time.Duration{51 * time.Second, time.Minute - 1} {
		if m.Reserve(after(at), item.asking(1, 0, 0)).Admitted {
			t.Fatalf("an eleventh was admitted after %v", at)
		}
	}
	for range 10 {
		wantDecision(t, m.Reserve(after(time.Minute), item.asking(1, 0, 0)), admitted)
	}
}

// A request within the second in which the window turned left two clocks behind.
func TestDefect06NoPhaseOfASecondLengthensAWindow(t *testing.T) {
	for phase := time.Duration(0); phase < time.Second; phase += 50 * time.Millisecond {
		m, item := NewMemory(), limitedTo(10, Unlimited, Unlimited)
		start := ruleStart.Truncate(time.Second).Add(phase)
		m.Reserve(start, item.asking(1, 0, 0))
		second := start.Add(time.Minute)
		m.Reserve(second.Add(-600*time.Millisecond), item.asking(1, 0, 0))
		m.Reserve(second, item.asking(1, 0, 0))
		for i := range 11 {
			want := Decision{RetryAfter: 30 * time.Second}
			if i < 9 {
				want = admitted
			}
			wantDecision(t, m.Reserve(second.Add(30*time.Second), item.asking(1, 0, 0)), want)
		}
		wantDecision(t, m.Reserve(second.Add(time.Minute), item.asking(1, 0, 0)), admitted)
	}
}

// A settlement that came after its window made a counter that lived for ten
// minutes.
func TestDefect07LateSettlementLeavesNothingBehind(t *testing.T) {
	m, item := NewMemory(), limitedTo(1000, 100, 2)
	item.Window = 5 * time.Second
	late := item.asking(1, 30, 1)
	m.Reserve(ruleStart, late)
	m.Settle(after(6*time.Second), late, 29)
	m.Release(after(6*time.Second), late)
	for at := 6 * time.Second; at < 12*time.Minute; at += 2 * time.Second {
		items := item.asking(1, 30, 1)
		wantDecision(t, m.Reserve(after(at), items), admitted)
		m.Settle(after(at+time.Second), items, 29)
		m.Release(after(at+time.Second), items)
	}
}

// Requests in flight were counted in windows, and forgotten with them.
func TestDefect08SlotsOutliveTheWindow(t *testing.T) {
	m, item := NewMemory(), limitedTo(1000, Unlimited, 2)
	item.Window = 5 * time.Second
	first, second := item.asking(1, 0, 1), item.asking(1, 0, 1)
	m.Reserve(after(4*time.Second), first)
	m.Reserve(after(4*time.Second), second)
	wantDecision(t, m.Reserve(after(10*time.Second), item.asking(1, 0, 1)), Decision{Kind: Slots, RetryAfter: time.Second})
	m.Release(after(11*time.Second), first)
	wantDecision(t, m.Reserve(after(11*time.Second), item.asking(1, 0, 1)), admitted)
	wantDecision(t, m.Reserve(after(11*time.Second), item.asking(1, 0, 1)), Decision{Kind: Slots, RetryAfter: time.Second})
}

// Requests that were refused gave back a slot that they never had.
func TestDefect09RefusalsFreeNoSlots(t *testing.T) {
	m, item := NewMemory(), limitedTo(Unlimited, Unlimited, 2)
	m.Reserve(ruleStart, item.asking(0, 0, 1))
	m.Reserve(ruleStart, item.asking(0, 0, 1))
	for range 100 {
		items := item.asking(0, 0, 1)
		if m.Reserve(ruleStart, items).Admitted {
			t.Fatal("a third was admitted")
		}
		m.Settle(ruleStart, items, 0)
		m.Release(ruleStart, items)
	}
	if got := left(m, ruleStart, item)[Slots]; got != 0 {
		t.Errorf("%d slots left after a hundred refusals, want 0", got)
	}
}

// A key without a limit of slots gave back what it had not taken, so that a
// limit that came later started below 0.
func TestDefect10ALimitThatComesLaterStartsFull(t *testing.T) {
	m, free, limited := NewMemory(), limitedTo(Unlimited, Unlimited, Unlimited), limitedTo(Unlimited, Unlimited, 1)
	var held [][]Item
	for range 5 {
		items := free.asking(1, 10, 1)
		m.Reserve(ruleStart, items)
		held = append(held, items)
	}
	for _, items := range held {
		m.Settle(ruleStart, items, 5)
		m.Release(ruleStart, items)
	}
	wantDecision(t, m.Reserve(ruleStart, limited.asking(1, 0, 1)), admitted)
	wantDecision(t, m.Reserve(ruleStart, limited.asking(1, 0, 1)), Decision{Kind: Slots, RetryAfter: time.Second})
}

// Two callbacks for one request, of two attempts, both settled.
func TestDefect11OnlyTheFirstSettlementCounts(t *testing.T) {
	m, item := NewMemory(), limitedTo(Unlimited, 1000, 2)
	other := item.asking(0, 100, 1)
	m.Reserve(ruleStart, other)
	items := item.asking(0, 200, 1)
	m.Reserve(ruleStart, items)
	for _, used := range []int64{50, 0, 200} {
		m.Settle(ruleStart, items, used)
		m.Release(ruleStart, items)
	}
	if got, want := left(m, ruleStart, item), ([kinds]int64{0, 850, 1}); got != want {
		t.Errorf("%v left after three ends of one request, want %v", got, want)
	}
}

// One window was written by two clocks, the store's and the process's.
func TestDefect18OneClockOpensAndClosesAWindow(t *testing.T) {
	m, item := NewMemory(), limitedTo(10, 100, Unlimited)
	items := item.asking(1, 10, 0)
	m.Reserve(ruleStart, items)
	wantAfter(t, items, Counter{9, time.Minute}, Counter{90, time.Minute})
	// A process whose clock is 5 s behind, and one that is ahead.
	m.Reserve(after(-5*time.Second), item.asking(1, 10, 0))
	items = item.asking(1, 10, 0)
	m.Reserve(after(time.Minute-1), items)
	wantAfter(t, items, Counter{7, 1}, Counter{70, 1})
	wantDecision(t, m.Peek(after(time.Minute), item.asking(10, 100, 0)), admitted)
}

// Results of several counters were matched by position, and could be another's.
func TestDefect19EachCounterIsToldItsOwn(t *testing.T) {
	m := NewMemory()
	for round := range 50 {
		var items []Item
		for i, scope := range Scopes() {
			item := limitedTo(int64(100+i), int64(1000+i), int64(10+i))
			item.Scope, item.Value = scope, fmt.Sprint("v", round)
			items = append(items, item.asking(1, int64(i+1), 1)...)
		}
		m.Reserve(ruleStart, items)
		for i := range items {
			n := int64(i)
			wantAfter(t, items[i:], Counter{99 + n, time.Minute}, Counter{999, time.Minute}, Counter{9 + n, 0})
		}
	}
}

// What was not reserved was charged all the same, so that a limit that came in
// mid-window was used up already.
func TestDefect26UnlimitedScopesAreNotCharged(t *testing.T) {
	m, free, limited := NewMemory(), limitedTo(10, Unlimited, Unlimited), limitedTo(10, 100, Unlimited)
	for range 5 {
		items := free.asking(1, 500, 0)
		m.Reserve(ruleStart, items)
		m.Settle(ruleStart, items, 500)
	}
	if got := left(m, ruleStart, limited)[Tokens]; got != 100 {
		t.Errorf("%d of 100 tokens left when the limit came", got)
	}
}

// Each failure made the counters live longer.
func TestDefect27FailuresDoNotLengthenAWindow(t *testing.T) {
	m, item := NewMemory(), limitedTo(1000, 1000, 5)
	for at := time.Duration(0); at < 59*time.Second; at += time.Second {
		items := item.asking(1, 10, 1)
		wantDecision(t, m.Reserve(after(at), items), admitted)
		used := int64(10)
		if int(at/time.Second)%2 == 1 {
			used = 0
		}
		m.Settle(after(at+500*time.Millisecond), items, used)
		m.Release(after(at+500*time.Millisecond), items)
	}
	if got, want := left(m, after(time.Minute), item), ([kinds]int64{1000, 1000, 5}); got != want {
		t.Errorf("%v left when the window is over, want %v", got, want)
	}
}

// The length of the process's windows was used for every descriptor.
func TestDefectTheDescriptorsOwnWindowIsUsed(t *testing.T) {
	m, item := NewMemory(), limitedTo(1, 10, Unlimited)
	item.Window = 7 * time.Second
	items := item.asking(1, 10, 0)
	m.Reserve(ruleStart, items)
	wantAfter(t, items, Counter{0, 7 * time.Second}, Counter{0, 7 * time.Second})
	wantDecision(t, m.Reserve(after(time.Second), item.asking(1, 0, 0)), Decision{RetryAfter: 6 * time.Second})
	m.Settle(after(7*time.Second), items, 9)
	wantDecision(t, m.Reserve(after(7*time.Second), item.asking(1, 10, 0)), admitted)
}

// A window began at the whole second before it and so lasted up to a second
// less.
func TestDefectWindowsAreNotWholeSeconds(t *testing.T) {
	for phase := time.Duration(0); phase < time.Second; phase += 123 * time.Millisecond {
		m, item := NewMemory(), limitedTo(1, Unlimited, Unlimited)
		item.Window = 5 * time.Second
		start := ruleStart.Truncate(time.Second).Add(phase)
		m.Reserve(start, item.asking(1, 0, 0))
		wantDecision(t, m.Reserve(start.Add(5*time.Second-1), item.asking(1, 0, 0)), Decision{RetryAfter: 1})
		wantDecision(t, m.Reserve(start.Add(5*time.Second), item.asking(1, 0, 0)), admitted)
	}
}

// The number of keys evicted counters, and who has no counter has no limit.
func TestDefectKeysDoNotEvictEachOther(t *testing.T) {
	m, item := NewMemory(), limitedTo(1, 10, 1)
	m.Reserve(ruleStart, item.asking(1, 10, 1))
	for i := range 10_000 {
		other := item
		other.Value = fmt.Sprint("other", i)
		m.Reserve(after(time.Duration(i)), other.asking(1, 10, 1))
	}
	if got := left(m, after(time.Second), item); got != [kinds]int64{} {
		t.Errorf("%v left to the first of 10001 keys, want nothing", got)
	}
}
