package window

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
)

// benchHistory is what a saturated fixed window makes of n attempts over five
// windows: half of them admitted, spans of up to 50 ms, in no order. extra is by
// how much the limiter lets each window overrun the limit that it is to keep.
func benchHistory(n int, dear, extra int64) (Rule, []Event) {
	const windows = 5
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	r := Rule{Limit: int64(n) / windows / 2 * (dear + 1) / 2, Window: time.Minute}
	l := &firstUseLimiter{limit: r.Limit + extra, window: int64(r.Window), early: func() int64 { return 0 }}
	events := make([]Event, n)
	at := make([]int64, n)
	for i := range at {
		at[i] = rng.Int64N(windows * int64(r.Window))
	}
	slices.Sort(at)
	for i := range events {
		cost := 1 + rng.Int64N(dear)
		events[i] = Event{
			ID: i, Cost: cost, Admitted: l.admit(at[i], cost),
			From: time.Duration(at[i] - rng.Int64N(25e6)), To: time.Duration(at[i] + rng.Int64N(25e6)),
		}
	}
	rng.Shuffle(n, func(i, j int) { events[i], events[j] = events[j], events[i] })
	return r, events
}

func benchFixed(b *testing.B, n int) {
	for _, kind := range []struct {
		name        string
		dear, extra int64
	}{{"requests", 1, 0}, {"requests over by one", 1, 1}, {"tokens", 100, 0}, {"tokens over by 200", 100, 200}} {
		r, events := benchHistory(n, kind.dear, kind.extra)
		b.Run("first use "+kind.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, g := r.Admissions(FixedFirstUse, events), r.Refusals(FixedFirstUse, events)
				if f.Lawful != (kind.extra == 0) || !g.Lawful {
					b.Fatal(f.Lawful, f.Excess, g)
				}
			}
		})
	}
}

func BenchmarkFixed100k(b *testing.B) { benchFixed(b, 100_000) }

func BenchmarkFixed1M(b *testing.B) { benchFixed(b, 1_000_000) }

// BenchmarkExplained judges by all five classes.
func BenchmarkExplained(b *testing.B) {
	for _, n := range []int{1000, 3000, 100_000} {
		r, events := benchHistory(n, 1, 0)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				if len(r.Explained(events)) == 0 {
					b.Fatal("not explained")
				}
			}
		})
	}
}
