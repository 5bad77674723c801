package reference

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// lawRun drives a Memory and the oracle through the same calls.
type lawRun struct {
	memory   *Memory
	oracle   *oracle
	now      time.Time
	values   int // owners to choose from
	held     [][]Item
	receipts [][]oracleReceipt
}

func (run *lawRun) drawItem(t *rapid.T) Item {
	// Few and small: what is rare in a large space is hardly ever drawn.
	limit := rapid.SampledFrom([]int64{Unlimited, 0, 1, 2, 3, 7, 20})
	amount := rapid.SampledFrom([]int64{-1, 0, 1, 1, 2, 5, 21})
	item := Item{Descriptor: Descriptor{
		Scope:  "scope",
		Value:  fmt.Sprint(rapid.IntRange(1, run.values).Draw(t, "value")),
		Window: rapid.SampledFrom([]time.Duration{1, time.Second, time.Minute, 90 * time.Second}).Draw(t, "window"),
	}}
	for k := range kinds {
		item.Limits[k] = limit.Draw(t, "limit of "+k.String())
		item.Amounts[k] = amount.Draw(t, k.String())
	}
	return item
}

func (run *lawRun) drawItems(t *rapid.T) []Item {
	n := rapid.IntRange(0, 4).Draw(t, "items")
	items := make([]Item, n)
	for i := range items {
		items[i] = run.drawItem(t)
	}
	return items
}

func (run *lawRun) drawHeld(t *rapid.T) int {
	if len(run.held) == 0 {
		t.Skip("nothing is held: rapid draws another step")
	}
	return rapid.IntRange(0, len(run.held)-1).Draw(t, "which")
}

// check compares what both say of items and of the decision over them.
func (run *lawRun) check(t *rapid.T, items []Item, at time.Time, got, want Decision) {
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("decision (-oracle +memory):\n%s", diff)
	}
	for i, item := range items {
		if diff := cmp.Diff(run.oracle.counters(run.now, at, item), item.After); diff != "" {
			t.Fatalf("counters of item %d (-oracle +memory):\n%s", i, diff)
		}
		for k, c := range item.After {
			if c.Remaining < 0 || item.Limits[k] >= 0 && c.Remaining > item.Limits[k] {
				t.Fatalf("%v left of a limit of %d %v", c.Remaining, item.Limits[k], Kind(k))
			}
		}
	}
}

func (run *lawRun) reserve(t *rapid.T) {
	items := run.drawItems(t)
	before := run.all()
	got := run.memory.Reserve(run.now, items)
	want, receipts := run.oracle.reserve(run.now, items)
	run.check(t, items, run.oracle.latest, got, want)
	if !got.Admitted {
		run.unchanged(t, before, "a refusal")
	}
	run.waitIsExact(t, items, got)
	if got.Never {
		if again := NewMemory().Peek(run.now, items); again.Admitted {
			t.Fatal("what never fits was admitted by an unused store")
		}
	}
	run.held, run.receipts = append(run.held, items), append(run.receipts, receipts)
	for i, item := range items {
		for k := range kinds {
			if got.Admitted && amounts(items)[i][k] > 0 && run.oracle.used(item, k, run.oracle.latest) > item.Limits[k] {
				t.Fatalf("admission took %v above the limit of %d", k, item.Limits[k])
			}
		}
	}
}

// waitIsExact holds RetryAfter to its word wherever no slot has a say: the same
// request fits then, if nobody else asks, and not a moment before.
func (run *lawRun) waitIsExact(t *rapid.T, items []Item, d Decision) {
	if d.Admitted || d.Never {
		return
	}
	again, slots := slices.Clone(items), slices.Clone(items)
	for i := range slots {
		slots[i].Amounts[Requests], slots[i].Amounts[Tokens] = 0, 0
	}
	if !run.memory.Peek(run.now, slots).Admitted {
		return
	}
	then := run.now.Add(d.RetryAfter)
	if !run.memory.Peek(then, again).Admitted {
		t.Fatalf("still refused after the wait of %v", d.RetryAfter)
	}
	if run.memory.Peek(then.Add(-1), again).Admitted {
		t.Fatalf("admitted before the wait of %v was over", d.RetryAfter)
	}
}

func (run *lawRun) peek(t *rapid.T) {
	items := run.drawItems(t)
	before := run.all()
	at := run.now
	if run.oracle.latest.After(at) {
		at = run.oracle.latest
	}
	run.check(t, items, at, run.memory.Peek(run.now, items), run.oracle.decide(run.now, at, items))
	run.unchanged(t, before, "a Peek")
}

// all is what the memory says of every owner, under limits nobody reaches.
func (run *lawRun) all() []Item {
	items := make([]Item, run.values)
	for i := range items {
		items[i] = Item{Descriptor: Descriptor{
			Scope:  "scope",
			Value:  fmt.Sprint(i + 1),
			Limits: [kinds]int64{ample, ample, ample},
			Window: time.Minute,
		}}
	}
	run.memory.Peek(run.now, items)
	return items
}

func (run *lawRun) unchanged(t *rapid.T, before []Item, what string) {
	if diff := cmp.Diff(before, run.all(), cmpopts.IgnoreUnexported(Item{})); diff != "" {
		t.Fatalf("%s changed the counters (-before +after):\n%s", what, diff)
	}
}

func (run *lawRun) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"reserve":  run.reserve,
		"reserve2": run.reserve, // twice as often as the others
		"peek":     run.peek,
		"settle": func(t *rapid.T) {
			i := run.drawHeld(t)
			used := rapid.Int64Range(-1, 25).Draw(t, "used")
			run.memory.Settle(run.now, run.held[i], used)
			run.oracle.settle(run.now, run.receipts[i], used)
		},
		"renew": func(t *rapid.T) {
			i := run.drawHeld(t)
			run.memory.Renew(run.now, run.held[i])
			run.oracle.renew(run.now, run.held[i], run.receipts[i])
		},
		"release": func(t *rapid.T) {
			i := run.drawHeld(t)
			run.memory.Release(run.now, run.held[i])
			run.oracle.release(run.now, run.held[i], run.receipts[i])
		},
		"": func(t *rapid.T) {
			items := run.all()
			run.check(t, items, maxTime(run.now, run.oracle.latest), admitted, admitted)
		},
	}
}

func maxTime(a, b time.Time) time.Time { return slices.MaxFunc([]time.Time{a, b}, time.Time.Compare) }

// Any sequence of calls: the memory says what the oracle says, no refusal and
// no Peek changes anything, no admission takes a counter above its limit and no
// counter leaves 0 to its limit.
func TestLawMemoryEqualsTheOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := &lawRun{memory: NewMemory(), oracle: newOracle(), now: ruleStart, values: 3}
		actions := run.actions()
		actions["wait"] = func(t *rapid.T) {
			run.now = run.now.Add(time.Duration(rapid.SampledFrom([]int64{
				1, 2, 1e9 - 1, 1e9, 5e9, 30e9, 60e9 - 1, 60e9, 90e9,
			}).Draw(t, "wait")))
		}
		t.Repeat(actions)
	})
}

// The same for one owner with clocks that disagree: a time before the latest
// one seen is taken for that one.
func TestLawTimeRunningBackwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := &lawRun{memory: NewMemory(), oracle: newOracle(), now: ruleStart, values: 1}
		actions := run.actions()
		actions["clock"] = func(t *rapid.T) {
			run.now = run.now.Add(time.Duration(rapid.SampledFrom([]int64{
				-1, 1, -1e6, 1e6, -1e9, 1e9, 1e9 + 1, 60e9, -2e9,
			}).Draw(t, "step")))
		}
		t.Repeat(actions)
	})
}

// At rest, when every request has settled and let go, a counter says what was
// used, whatever order that came in.
func TestLawAtRestACounterIsWhatWasUsed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMemory()
		item := limitedTo(ample, ample, ample)
		order := rapid.Permutation(slices.Collect(seq(rapid.IntRange(1, 20).Draw(t, "requests")))).Draw(t, "order")
		held := make([][]Item, len(order))
		for i := range held {
			held[i] = item.asking(1, rapid.Int64Range(1, 100).Draw(t, "reserved"), 1)
			m.Reserve(after(time.Duration(i)), held[i])
		}
		var total int64
		for _, i := range order {
			used := rapid.Int64Range(0, 200).Draw(t, "used")
			total += used
			m.Settle(after(time.Second), held[i], used)
			m.Release(after(time.Second), held[i])
		}
		want := [kinds]int64{ample - int64(len(order)), ample - total, ample}
		if got := left(m, after(time.Second), item); got != want {
			t.Fatalf("%v left at rest, want %v", got, want)
		}
	})
}

func seq(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}
