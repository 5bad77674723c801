package reference

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// sweepRun is callers at once whose keys all lie in one shard, where new keys
// arrive and old ones are forgotten all the time.
type sweepRun struct {
	m      *Memory
	values []string
	tick   atomic.Int64 // the time, in nanoseconds

	mu   sync.Mutex
	left map[sweptWindow][]int64 // what each admission into a window left
}

// sweptWindow is one window of one key, by the time at which it ends.
type sweptWindow struct {
	value string
	end   int64
}

const (
	sweptLimit  = 3
	sweptLength = 400 * time.Nanosecond // of the run's time: some calls long
)

func newSweepRun(keys int) *sweepRun {
	run := &sweepRun{m: NewMemory(), left: map[sweptWindow][]int64{}}
	for salt := 0; len(run.values) < keys; salt++ {
		item := limitedTo(sweptLimit, Unlimited, Unlimited)
		item.Value = fmt.Sprint("key", salt)
		if shardOf(run.m.hash(&item.Descriptor)) == 0 {
			run.values = append(run.values, item.Value)
		}
	}
	return run
}

// items names three keys, in any order and perhaps one of them twice: mostly of
// those that come up just now, some of those that are about to be forgotten.
func (run *sweepRun) items(random *rand.Rand, tick int64) []Item {
	var items []Item
	for range 3 {
		newest := int(tick / 2)
		i := max(0, newest-random.IntN(6))
		if random.IntN(4) == 0 {
			i = max(0, newest-150-random.IntN(150))
		}
		item := limitedTo(sweptLimit, Unlimited, Unlimited)
		item.Value, item.Window = run.values[i], sweptLength
		items = append(items, item.asking(1, 0, 0)...)
	}
	return items
}

func (run *sweepRun) caller(seed uint64, calls int) {
	random := rand.New(rand.NewPCG(seed, 11))
	for range calls {
		tick := run.tick.Add(1)
		now := after(time.Duration(tick))
		items := run.items(random, tick)
		run.m.Peek(now, items)
		if !run.m.Reserve(now, items).Admitted {
			continue
		}
		run.mu.Lock()
		for i, item := range items {
			if slices.ContainsFunc(items[:i], func(twin Item) bool { return twin.Value == item.Value }) {
				continue // charged once
			}
			c := item.After[Requests]
			w := sweptWindow{item.Value, tick + int64(c.Reset)}
			run.left[w] = append(run.left[w], c.Remaining)
		}
		run.mu.Unlock()
	}
}

// Keys that arrive, share calls and are forgotten while others are charged: each
// admission into a window leaves one less than the one before, so none was lost,
// none counted twice and no refusal charged anything; and no two windows of a
// key overlap.
func TestForgettingLosesNothingThatIsBeingCharged(t *testing.T) {
	const callers, calls = 4, 2500
	run := newSweepRun(callers*calls/2 + 1)
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() { run.caller(uint64(caller), calls) })
	}
	all.Wait()
	ends, full := map[string][]int64{}, 0
	for w, left := range run.left {
		slices.Sort(left)
		slices.Reverse(left)
		for i, got := range left {
			if got != int64(sweptLimit-1-i) {
				t.Fatalf("%d admissions into one window of %s left %v of %d, want one less each time", len(left), w.value, left, sweptLimit)
			}
		}
		if len(left) == sweptLimit {
			full++
		}
		ends[w.value] = append(ends[w.value], w.end)
	}
	again := 0
	for value, of := range ends {
		slices.Sort(of)
		for i := 1; i < len(of); i++ {
			again++
			if of[i]-of[i-1] < int64(sweptLength) {
				t.Errorf("%s had windows of %v that ended within %d ns of each other", value, sweptLength, of[i]-of[i-1])
			}
		}
	}
	kept := run.m.shards[0].size
	t.Logf("%d keys, %d kept at the end; %d windows full, %d of keys that had one before", len(ends), kept, full, again)
	if full == 0 || again == 0 || kept == 0 || kept > len(ends)/2 {
		t.Error("the run does not reach what it is about: full windows, keys that come back and keys that are forgotten")
	}
}
