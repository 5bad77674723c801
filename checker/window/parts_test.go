package window

import (
	"cmp"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSortKeyed(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, fewKeys - 1, fewKeys, 5000} {
		for _, top := range []uint64{1, 2, 1 << 11, 1 << 40, 1<<64 - 1} {
			ks := make([]keyed, n)
			for i := range ks {
				ks[i] = keyed{rng.Uint64N(top), int32(i)}
			}
			want := slices.Clone(ks)
			slices.SortStableFunc(want, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
			if got := sortKeyed(ks); !slices.Equal(got, want) {
				t.Errorf("%d keys below %d: out of order", n, top)
			}
			if got := sortKeyed(slices.Clone(want)); !slices.Equal(got, want) {
				t.Errorf("%d sorted keys below %d: out of order", n, top)
			}
		}
	}
}

func TestLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts := rapid.SliceOfN(rapid.Int64Range(0, 30), 0, 40).Draw(t, "ts")
		slices.Sort(ts)
		at, hint := rapid.Int64Range(-1, 31).Draw(t, "at"), rapid.IntRange(0, len(ts)).Draw(t, "hint")
		want, _ := slices.BinarySearch(ts, at)
		if got := least(ts, at, hint); got != want {
			t.Fatalf("least(%v, %d, %d) = %d, want %d", ts, at, hint, got, want)
		}
	})
}

func TestShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.Int64Range(1, horizon).Draw(t, "whole")
		part := rapid.Int64Range(0, whole).Draw(t, "part")
		amount := rapid.Int64Range(0, horizon).Draw(t, "amount")
		exact := new(big.Int).Mul(big.NewInt(amount), big.NewInt(part))
		down, rest := new(big.Int).QuoRem(exact, big.NewInt(whole), new(big.Int))
		up := down.Int64()
		if rest.Sign() > 0 {
			up++
		}
		if share(amount, part, whole) != down.Int64() || shareUp(amount, part, whole) != up {
			t.Fatalf("%d * %d / %d: %d and %d, want %v and %d", amount, part, whole, share(amount, part, whole), shareUp(amount, part, whole), down, up)
		}
	})
}

// A mark falls into the same window as the definition says, at any phase.
func TestGrid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := rapid.Int64Range(1, 12).Draw(t, "window")
		ts := rapid.SliceOfN(rapid.Int64Range(-100, 100), 1, 10).Draw(t, "ts")
		g := newGrid(window, ts)
		phase := rapid.Int64Range(0, window-1).Draw(t, "phase")
		for i, m := range g.marks(ts) {
			place := m.in(phase)
			open := phase + g.numbers[place]*window
			if ts[i] < open || ts[i] >= open+window {
				t.Fatalf("%d at phase %d: window from %d", ts[i], phase, open)
			}
			if g.numbers[place-1] != g.numbers[place]-1 || g.numbers[place+1] != g.numbers[place]+1 {
				t.Fatalf("neighbours of place %d missing: %v", place, g.numbers)
			}
		}
		if !slices.IsSorted(g.numbers) {
			t.Fatalf("out of order: %v", g.numbers)
		}
	})
}

// No numbers make a rule panic, and an accusation always names somebody.
func TestWildNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3), rapid.Just(horizon), rapid.Just(never))
		duration := rapid.Custom(func(t *rapid.T) time.Duration { return time.Duration(number.Draw(t, "")) })
		r := Rule{number.Draw(t, "limit"), duration.Draw(t, "window"), duration.Draw(t, "early"), 0, number.Draw(t, "late")}
		events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Event {
			return Event{rapid.Int().Draw(t, "id"), duration.Draw(t, "from"), duration.Draw(t, "to"), number.Draw(t, "cost"), rapid.Bool().Draw(t, "admitted")}
		}), 0, 8).Draw(t, "events")
		found := []Finding{r.Kept(events), oneWindow(r.Limit, events)}
		for _, c := range Classes() {
			found = append(found, r.Admissions(c, events), r.Refusals(c, events))
		}
		var spent []Spent
		var refused []Refused
		for _, e := range events {
			spent = append(spent, Spent{e.From, e.To, e.Cost, number.Draw(t, "cap")})
			refused = append(refused, Refused{e.ID, e.From, e.To, e.Cost})
		}
		for _, f := range append(found, r.FalseRefusals(spent, refused)...) {
			if f.Lawful == (len(f.IDs) > 0) || f.Excess < 0 {
				t.Fatalf("%+v", f)
			}
		}
	})
}

// Large histories come to an end, whatever their spans: instants, spans of many
// windows, and attempts that never ended. The time is bounded by the steps of
// each rule; this test hangs if one is not.
func TestLargeHistoriesEnd(t *testing.T) {
	const n = 20_000
	for _, wide := range []int64{0, 25e6, 5e9, 600e9, never} {
		rng := rand.New(rand.NewPCG(3, uint64(wide)))
		r := Rule{Limit: 50, Window: time.Minute, Early: time.Second}
		l := &counterLimiter{limit: 50, window: int64(time.Minute), phase: 7e9}
		events, at := make([]Event, n), int64(0)
		for i := range events {
			at += rng.Int64N(1e9)
			e := Event{ID: i, Cost: 1 + rng.Int64N(3), From: time.Duration(at), To: time.Duration(at)}
			e.Admitted = l.admit(at, e.Cost)
			if wide < never || i%100 == 0 {
				e.From -= time.Duration(rng.Int64N(min(wide, horizon) + 1))
				e.To += time.Duration(rng.Int64N(min(wide, horizon) + 1))
			}
			events[i] = e
		}
		for _, f := range []Finding{r.Kept(events), r.Admissions(SlidingCounter, events), r.Refusals(SlidingCounter, events)} {
			if !f.Lawful {
				t.Errorf("spans of %v: %v accused, excess %d", time.Duration(wide), f.Class, f.Excess)
			}
		}
		if wide == 0 {
			continue
		}
		r.Limit = 20
		if r.Kept(events).Lawful && wide < 5e9 {
			t.Errorf("spans of %v: kept", time.Duration(wide))
		}
		r.Explained(events)
	}
}
