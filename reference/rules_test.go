package reference

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var admitted = Decision{Admitted: true}

func TestRule01WindowBelongsToItsCounter(t *testing.T) {
	m := NewMemory()
	first, second := limitedTo(2, 100, Unlimited), limitedTo(2, 100, Unlimited)
	second.Value = "other"

	wantDecision(t, m.Reserve(ruleStart, first.asking(1, 0, 0)), admitted)
	wantDecision(t, m.Reserve(after(10*time.Second), second.asking(1, 0, 0)), admitted)
	// The tokens of the first key open their own window, 20 s after its requests.
	items := first.asking(1, 100, 0)
	wantDecision(t, m.Reserve(after(20*time.Second), items), admitted)
	wantAfter(t, items, Counter{0, 40 * time.Second}, Counter{0, time.Minute})

	end := after(time.Minute)
	wantDecision(t, m.Reserve(end.Add(-1), first.asking(1, 0, 0)), Decision{RetryAfter: 1})
	wantDecision(t, m.Reserve(end, first.asking(1, 0, 0)), admitted)
	wantDecision(t, m.Reserve(end, first.asking(1, 1, 0)), Decision{Kind: Tokens, RetryAfter: 20 * time.Second})
	if got := left(m, end, second); got[Requests] != 1 {
		t.Errorf("the second key has %d requests left while its window runs, want 1", got[Requests])
	}
	if got := left(m, end.Add(10*time.Second), second); got[Requests] != 2 {
		t.Errorf("the second key has %d requests left after its window, want 2", got[Requests])
	}
}

func TestRule01OnlyAChargeOpensAWindow(t *testing.T) {
	m := NewMemory()
	item := limitedTo(1, Unlimited, 0)
	m.Reserve(ruleStart, item.asking(0, 5, 0))                // nothing is counted
	m.Reserve(after(time.Second), item.asking(1, 0, 1))       // refused by the slots
	m.Peek(after(2*time.Second), item.asking(1, 0, 0))        // only looks
	m.Reserve(after(3*time.Second), item.asking(-1, 0, 0))    // nothing is counted
	m.Settle(after(4*time.Second), item.asking(1, 1, 0), 100) // nothing was reserved
	items := item.asking(1, 0, 0)
	wantDecision(t, m.Reserve(after(30*time.Second), items), admitted)
	wantAfter(t, items, Counter{0, time.Minute})
}

func TestRule02WindowIsTheDescriptorsOwn(t *testing.T) {
	for _, window := range []time.Duration{time.Millisecond, 5 * time.Second, 90 * time.Second, time.Hour} {
		t.Run(window.String(), func(t *testing.T) {
			m := NewMemory()
			item := limitedTo(1, 10, Unlimited)
			item.Window = window
			items := item.asking(1, 10, 0)
			m.Reserve(ruleStart, items)
			wantAfter(t, items, Counter{0, window}, Counter{0, window})
			wantDecision(t, m.Reserve(ruleStart, item.asking(1, 0, 0)), Decision{RetryAfter: window})
			m.Settle(after(window-1), items, 4)
			if got := left(m, after(window-1), item); got[Tokens] != 6 {
				t.Errorf("%d tokens left after settling in the window's last moment, want 6", got[Tokens])
			}
			wantDecision(t, m.Reserve(after(window), item.asking(1, 10, 0)), admitted)
		})
	}
}

func TestRule02WindowIs60sByDefault(t *testing.T) {
	m := NewMemory()
	item := limitedTo(1, Unlimited, Unlimited)
	item.Window = 0
	m.Reserve(ruleStart, item.asking(1, 0, 0))
	wantDecision(t, m.Reserve(ruleStart, item.asking(1, 0, 0)), Decision{RetryAfter: time.Minute})
}

func TestRule03ZeroIsALimit(t *testing.T) {
	m := NewMemory()
	for k, item := range map[Kind]Item{
		Requests: limitedTo(0, Unlimited, Unlimited),
		Tokens:   limitedTo(Unlimited, 0, Unlimited),
		Slots:    limitedTo(Unlimited, Unlimited, 0),
	} {
		wantDecision(t, m.Reserve(ruleStart, item.asking(1, 1, 1)), Decision{Kind: k, Never: true})
	}
	none := limitedTo(Unlimited, Unlimited, Unlimited)
	for range 1000 {
		wantDecision(t, m.Reserve(ruleStart, none.asking(1, 1<<40, 1)), admitted)
	}
}

func TestRule04AllOrNothing(t *testing.T) {
	m := NewMemory()
	wide, narrow := limitedTo(10, 1000, 5), limitedTo(10, 100, 5)
	narrow.Scope = "team"
	items := append(wide.asking(1, 60, 1), narrow.asking(1, 60, 1)...)
	wantDecision(t, m.Reserve(ruleStart, items), admitted)

	wantDecision(t, m.Reserve(after(time.Second), items), Decision{Item: 1, Kind: Tokens, RetryAfter: 59 * time.Second})
	want := []Counter{{9, 59 * time.Second}, {940, 59 * time.Second}, {4, 0}}
	wantAfter(t, items, want...)
	want[Tokens].Remaining = 40
	wantAfter(t, items[1:], want...)

	// The receipts of the refused call hold nothing, so giving back does nothing.
	m.Settle(after(time.Second), items, 0)
	m.Release(after(time.Second), items)
	if got, want := left(m, after(time.Second), wide), [kinds]int64{9, 940, 4}; got != want {
		t.Errorf("after giving back what was refused %v is left, want %v", got, want)
	}
}

func TestRule04AmountsPerCounter(t *testing.T) {
	m := NewMemory()
	item := limitedTo(1, 10, 1)
	m.Reserve(ruleStart, item.asking(1, 10, 1))
	// All three are used up, and nothing is asked of them.
	wantDecision(t, m.Reserve(ruleStart, item.asking(0, -3, 0)), admitted)
	wantDecision(t, m.Reserve(ruleStart, nil), admitted)
}

func TestRule04PeekChangesNothing(t *testing.T) {
	m := NewMemory()
	item := limitedTo(2, 10, 1)
	held := item.asking(1, 4, 1)
	m.Reserve(ruleStart, held)
	for range 5 {
		items := item.asking(1, 7, 1)
		wantDecision(t, m.Peek(after(time.Second), items), Decision{Kind: Tokens, RetryAfter: 59 * time.Second})
		wantAfter(t, items, Counter{1, 59 * time.Second}, Counter{6, 59 * time.Second}, Counter{0, 0})
		m.Peek(after(time.Second), held)
	}
	// A look at items that hold something does not lose it.
	m.Settle(after(time.Second), held, 0)
	m.Release(after(time.Second), held)
	if got, want := left(m, after(time.Second), item), [kinds]int64{1, 10, 1}; got != want {
		t.Errorf("after giving all back %v is left, want %v", got, want)
	}
}

func TestRule05SlotsAreLeases(t *testing.T) {
	m := NewMemory()
	item := limitedTo(Unlimited, Unlimited, 2)
	stream, lost := item.asking(0, 0, 1), item.asking(0, 0, 1)
	m.Reserve(ruleStart, stream)
	m.Reserve(ruleStart, lost)
	refused := Decision{Kind: Slots, RetryAfter: time.Second}
	wantDecision(t, m.Reserve(ruleStart, item.asking(0, 0, 1)), refused)

	// The stream lives for an hour; the other's process died.
	for at := 20 * time.Second; at < time.Hour; at += 20 * time.Second {
		m.Renew(after(at), stream)
		want := int64(1)
		if at < SlotLease {
			want = 0
		}
		if got := left(m, after(at), item); got[Slots] != want {
			t.Fatalf("%d slots left after %v, want %d", got[Slots], at, want)
		}
	}
	now := after(time.Hour)
	next := item.asking(0, 0, 1)
	wantDecision(t, m.Reserve(now, next), admitted)
	// What lapsed is neither renewed nor released: its slot is another's now.
	m.Renew(now, lost)
	m.Release(now, lost)
	wantDecision(t, m.Reserve(now, item.asking(0, 0, 1)), refused)
	m.Release(now, next)
	m.Release(now, next)
	if got := left(m, now, item); got[Slots] != 1 {
		t.Errorf("%d slots left after releasing one of two twice, want 1", got[Slots])
	}
	m.Release(now, stream)
	if got := left(m, now, item); got[Slots] != 2 {
		t.Errorf("%d slots left at rest, want 2", got[Slots])
	}
}

func TestRule06NoTwoScopesShareACounter(t *testing.T) {
	m := NewMemory()
	pairs := [][2]string{
		{"a", "b:c"}, {"a:b", "c"}, {"a", "b"}, {"b", "a"}, {"", "ab"}, {"ab", ""}, {"", ""},
		{"a", "b\x00c"}, {"a\x00b", "c"}, {"user", "x"}, {"team", "x"}, {"tear", "x"},
	}
	for _, p := range pairs {
		item := limitedTo(1, Unlimited, Unlimited)
		item.Scope, item.Value = p[0], p[1]
		wantDecision(t, m.Reserve(ruleStart, item.asking(1, 0, 0)), admitted)
		wantDecision(t, m.Reserve(ruleStart, item.asking(1, 0, 0)), Decision{RetryAfter: time.Minute})
	}
}

func TestRule06DuplicatesCountOnce(t *testing.T) {
	m := NewMemory()
	item, strict := limitedTo(10, 100, 2), limitedTo(3, 100, 2)
	items := append(item.asking(1, 5, 1), strict.asking(1, 8, 1)...)
	wantDecision(t, m.Reserve(ruleStart, items), admitted)
	want := [kinds]int64{9, 92, 1}
	if got := left(m, ruleStart, item); got != want {
		t.Errorf("after one request named twice %v is left, want %v", got, want)
	}
	wantAfter(t, items, Counter{9, time.Minute}, Counter{92, time.Minute}, Counter{1, 0})
	wantAfter(t, items[1:], Counter{2, time.Minute}, Counter{92, time.Minute}, Counter{1, 0})
	m.Settle(ruleStart, items, 20)
	m.Release(ruleStart, items)
	if got, want := left(m, ruleStart, item), ([kinds]int64{9, 80, 2}); got != want {
		t.Errorf("after settling it %v is left, want %v", got, want)
	}
	// Both limits hold, for the larger amount.
	items = append(item.asking(1, 5, 0), strict.asking(3, 5, 0)...)
	wantDecision(t, m.Reserve(ruleStart, items), Decision{Item: 1, RetryAfter: time.Minute})
	items = append(strict.asking(1, 5, 0), item.asking(5, 5, 0)...)
	wantDecision(t, m.Reserve(ruleStart, items), Decision{Never: true})
}

func TestRule17NeverFits(t *testing.T) {
	m := NewMemory()
	item := limitedTo(5, 100, 1)
	wantDecision(t, m.Reserve(ruleStart, item.asking(1, 101, 1)), Decision{Kind: Tokens, Never: true})
	wantDecision(t, m.Reserve(ruleStart, item.asking(6, 1, 1)), Decision{Never: true})
	wantDecision(t, m.Reserve(ruleStart, item.asking(1, 100, 1)), admitted)
	// The first to refuse is named, and no wait helps against the second.
	other := limitedTo(0, Unlimited, Unlimited)
	other.Scope = "user"
	items := append(item.asking(1, 1, 0), other.asking(1, 0, 0)...)
	wantDecision(t, m.Reserve(ruleStart, items), Decision{Kind: Tokens, Never: true})
	if got, want := left(m, ruleStart, item), ([kinds]int64{4, 0, 0}); got != want {
		t.Errorf("%v left after what never fits, want %v", got, want)
	}
}

func TestRule23TheNumberOfKeysDoesNotMatter(t *testing.T) {
	const keys = 20_000
	m := NewMemory()
	key := func(i int) Item {
		item := limitedTo(1, 1, 1)
		item.Value = fmt.Sprint("key", i)
		return item
	}
	// Of each three keys one has a window of requests, one of tokens and one
	// only a lease.
	for i := range keys {
		var asked [kinds]int64
		asked[i%3] = 1
		m.Reserve(after(time.Duration(i)), key(i).asking(asked[0], asked[1], asked[2]))
	}
	last := after(time.Minute - 1)
	for i := range keys {
		want := [kinds]int64{1, 1, 1}
		want[i%3] = 0
		if got := left(m, last, key(i)); got != want {
			t.Fatalf("key %d of %d has %v left in its window, want %v", i, keys, got, want)
		}
	}
}

func TestRule24RetryAfterIsTheLatestOfAll(t *testing.T) {
	m := NewMemory()
	short, long := limitedTo(1, Unlimited, 1), limitedTo(1, Unlimited, Unlimited)
	short.Window, long.Scope = 500*time.Millisecond, "team"
	items := append(short.asking(1, 0, 1), long.asking(1, 0, 0)...)
	m.Reserve(ruleStart, items)
	now := after(100 * time.Millisecond)
	wantDecision(t, m.Peek(now, short.asking(1, 0, 0)), Decision{RetryAfter: 400 * time.Millisecond})
	wantDecision(t, m.Peek(now, short.asking(1, 0, 1)), Decision{RetryAfter: time.Second})
	wantDecision(t, m.Peek(now, items), Decision{RetryAfter: 59_900 * time.Millisecond})
	m.Release(now, items)
	wantDecision(t, m.Reserve(now.Add(59_900*time.Millisecond), items), admitted)
	if diff := cmp.Diff(Counter{0, time.Minute}, items[1].After[Requests]); diff != "" {
		t.Errorf("the later window after the wait (-want +got):\n%s", diff)
	}
}
