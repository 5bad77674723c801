package reference

import (
	"runtime"
	"strconv"
	"testing"
	"time"
)

// million is how many keys the tests below see once each.
const million = 1_000_000

// bytesPerKey is what an idle key may cost, its name of 64 bytes included.
const bytesPerKey = 400

// seenOnce is a request of a key that may send one; its name is as long as a
// hash.
func seenOnce(i int) []Item {
	item := limitedTo(1, 10, 2)
	name := strconv.Itoa(i)
	item.Value = "0000000000000000000000000000000000000000000000000000000000000000"[len(name):] + name
	return item.asking(1, 5, 1)
}

// accounts is how many keys a store holds.
func (m *Memory) accounts() int {
	n := 0
	for i := range m.shards {
		n += m.shards[i].size
	}
	return n
}

// TestAMillionIdleKeys: none of a million keys costs more than it may, none is
// forgotten while its window runs, and all are gone soon after, though no key is
// added any more. What a shard is called for is one key with a long window,
// which keeps what it has counted.
func TestAMillionIdleKeys(t *testing.T) {
	before := heapInUse()
	m := NewMemory()
	most := 0.0
	for i := range million {
		wantAdmitted(t, m, ruleStart, seenOnce(i), true)
		// Keys cost most when the tables have just grown.
		if n := i + 1; n == million || n%125_000 == 0 {
			most = max(most, float64(heapInUse()-before)/float64(n))
		}
	}
	t.Logf("at most %.0f bytes per idle key", most)
	if most > bytesPerKey {
		t.Errorf("an idle key costs %.0f bytes, want at most %d", most, bytesPerKey)
	}

	var long [][]Item // one in each shard
	for i := 0; len(long) < shardCount; i++ {
		item := limitedTo(3, 100, Unlimited)
		item.Value, item.Window = "long"+strconv.Itoa(i), 24*time.Hour
		if shardOf(m.hash(&item.Descriptor)) == len(long) {
			long = append(long, item.asking(1, 10, 0))
			wantAdmitted(t, m, ruleStart, long[len(long)-1], true)
		}
	}
	last := ruleStart.Add(time.Minute - 1)
	for i := range million {
		wantAdmitted(t, m, last, seenOnce(i), false)
	}
	if n := m.accounts(); n != million+shardCount {
		t.Errorf("%d keys are held while their windows run, want %d", n, million+shardCount)
	}
	soon := last.Add(1 + sweepEvery)
	for _, items := range long {
		wantAdmitted(t, m, soon, items, true)
	}
	if n := m.accounts(); n != shardCount {
		t.Errorf("%d keys are held after the windows of all but %d are over", n, shardCount)
	}
	for _, items := range long {
		if got, want := left(m, soon, items[0]), ([kinds]int64{1, 80, 0}); got != want {
			t.Errorf("a key with a window of a day has %v left, want %v", got, want)
		}
	}
	if rest := float64(heapInUse()) - float64(before); rest > 1<<20 {
		t.Errorf("%.0f bytes are kept for %d keys, want less than a megabyte", rest, shardCount)
	}
	runtime.KeepAlive(m)
}

// TestAMillionKeysComeAndGo: keys arrive evenly over five windows. Each is
// refused again in the last moment of its window, and what is held is bounded by
// the keys whose windows run.
func TestAMillionKeysComeAndGo(t *testing.T) {
	const every = 300 * time.Microsecond
	const alive = int(time.Minute / every)
	m := NewMemory()
	most := 0
	for i := range million {
		now := ruleStart.Add(time.Duration(i) * every)
		wantAdmitted(t, m, now, seenOnce(i), true)
		if old := i - alive + 1; old >= 0 {
			wantAdmitted(t, m, now, seenOnce(old), false)
		}
		if i%10_000 == 0 {
			most = max(most, m.accounts())
		}
	}
	t.Logf("at most %d keys are held, of which %d have a window", most, alive)
	// A shard looks when it has grown by half and every minute, in which as many
	// keys come as have a window.
	if worst := alive + alive/2 + shardCount*sweepRoom; most > worst {
		t.Errorf("%d keys are held, want at most %d", most, worst)
	}
}

// wantAdmitted sends a request that is answered at once.
func wantAdmitted(t *testing.T, m *Memory, now time.Time, items []Item, want bool) {
	if d := m.Reserve(now, items); d.Admitted != want {
		t.Fatalf("%s at %s: admitted %v, want %v", items[0].Value, now.Sub(ruleStart), d.Admitted, want)
	}
	m.Release(now, items)
}
