package reference

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	"golang.org/x/time/rate"

	"github.com/ratecheck/ratecheck/clock"
)

// contender is a limiter with benchKeys keys, one decision of which is timed.
type contender struct {
	name string
	// decide is asked for the n-th time; false is a refusal.
	decide func(n int) bool
}

// BenchmarkPeers times one decision of ours and of other libraries in turn, some
// thousand at a time, so that what else the machine does meets all alike. Ours
// counts requests and tokens in each, the others one kind. It reports the
// nanoseconds of the median turn, and ours as a multiple of each peer's: those
// with "now" are handed the time, the others read the clock themselves. Five are
// one decision over five descriptors.
func BenchmarkPeers(b *testing.B) {
	c := clock.System{}
	contenders := []contender{
		ours("ours-now", 1, handed),
		ours("ours-clock", 1, func(int) time.Time { return c.Now() }),
		xTimeRate(),
		goLimiter(b),
		throttledGCRA(b),
		ours("ours-five-now", len(benchScopes), handed),
	}
	const atOnce = 4096
	rounds := make([][]time.Duration, len(contenders))
	n := 0
	for b.Loop() {
		for i, of := range contenders {
			began := c.Now()
			for k := range atOnce {
				if !of.decide(n + k) {
					b.Fatalf("%s refused below the limit", of.name)
				}
			}
			rounds[i] = append(rounds[i], c.Now().Sub(began))
		}
		n += atOnce
	}
	median := make([]float64, len(contenders))
	for i, of := range contenders {
		slices.Sort(rounds[i])
		median[i] = float64(rounds[i][len(rounds[i])/2]) / atOnce
		b.ReportMetric(median[i], of.name+"-ns")
	}
	b.ReportMetric(median[0]/median[2], "x/rate-now")
	b.ReportMetric(median[5]/median[2], "five-x/rate-now")
	b.ReportMetric(median[1]/median[3], "x/go-limiter")
	b.ReportMetric(median[1]/median[4], "x/throttled")
	b.ReportMetric(0, "ns/op") // of all of them together
}

// handed is a time that is not read from a clock.
func handed(n int) time.Time { return benchStart.Add(time.Duration(n)) }

// ours is our store with so many descriptors to a decision, told the time by
// now.
func ours(name string, scopes int, now func(n int) time.Time) contender {
	m := NewMemory()
	items, values := benchItems(scopes, Unlimited)
	return contender{name, func(n int) bool {
		for i := range items {
			items[i].Value = values[n%len(values)]
		}
		return m.Reserve(now(n), items).Admitted
	}}
}

func benchNames() []string {
	_, values := benchItems(1, Unlimited)
	return values
}

// xTimeRate is golang.org/x/time/rate behind a map, with one bucket a key.
func xTimeRate() contender {
	names, limiters := benchNames(), map[string]*rate.Limiter{}
	for _, name := range names {
		limiters[name] = rate.NewLimiter(rate.Limit(1<<40), 1<<40)
	}
	return contender{"rate-now", func(n int) bool {
		return limiters[names[n%len(names)]].AllowN(handed(n), 1)
	}}
}

// goLimiter is sethvargo/go-limiter's store in memory.
func goLimiter(b *testing.B) contender {
	store, err := memorystore.New(&memorystore.Config{Tokens: math.MaxUint32, Interval: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close(context.Background()) })
	names, ctx := benchNames(), context.Background()
	return contender{"go-limiter", func(n int) bool {
		_, _, _, ok, err := store.Take(ctx, names[n%len(names)])
		return ok && err == nil
	}}
}

// throttledGCRA is throttled/throttled's GCRA over its store in memory.
func throttledGCRA(b *testing.B) contender {
	store, err := memstore.NewCtx(0) // no bound on the keys: one would make it a cache
	if err != nil {
		b.Fatal(err)
	}
	limiter, err := throttled.NewGCRARateLimiterCtx(store, throttled.RateQuota{MaxRate: throttled.PerMin(1 << 30), MaxBurst: 1 << 30})
	if err != nil {
		b.Fatal(fmt.Errorf("throttled: %w", err))
	}
	names, ctx := benchNames(), context.Background()
	return contender{"throttled", func(n int) bool {
		limited, _, err := limiter.RateLimitCtx(ctx, names[n%len(names)], 1)
		return !limited && err == nil
	}}
}
