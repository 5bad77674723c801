package reference

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRule14SettlesInTheWindowOfTheReservation(t *testing.T) {
	limit := int64(100)
	for _, tc := range []struct {
		name           string
		reserved, used int64
		settleAt       time.Duration
		left           int64
	}{
		{"less was used", 60, 20, time.Second, 80},
		{"all was used", 60, 60, time.Second, 40},
		{"nothing was used", 60, 0, time.Second, 100},
		{"a provider that counts backwards", 60, -5, time.Second, 100},
		{"more was used", 60, 90, time.Second, 10},
		{"more than the limit", 60, 150, time.Second, 0},
		{"in the last moment", 60, 20, time.Minute - 1, 80},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := NewMemory()
			item := limitedTo(10, limit, Unlimited)
			items := item.asking(1, tc.reserved, 0)
			m.Reserve(ruleStart, items)
			m.Settle(after(tc.settleAt), items, tc.used)
			want := [kinds]int64{9, tc.left, 0}
			if got := left(m, after(tc.settleAt), item); got != want {
				t.Errorf("%v left after the settlement, want %v", got, want)
			}
			m.Settle(after(tc.settleAt), items, 1)
			if got := left(m, after(tc.settleAt), item); got != want {
				t.Errorf("%v left after a second settlement, want %v", got, want)
			}
		})
	}
}

func TestRule14WritesNothingOnceTheWindowIsOver(t *testing.T) {
	m := NewMemory()
	item := limitedTo(Unlimited, 100, Unlimited)
	old, older := item.asking(0, 60, 0), item.asking(0, 40, 0)
	m.Reserve(ruleStart, old)
	m.Reserve(ruleStart, older)
	m.Settle(after(time.Minute), older, 0) // over, and no other window is open
	m.Reserve(after(time.Minute), item.asking(0, 30, 0))
	m.Settle(after(time.Minute+1), old, 0) // another window is open
	if got := left(m, after(time.Minute+1), item); got[Tokens] != 70 {
		t.Errorf("%d tokens left in the second window, want 70", got[Tokens])
	}
}

func TestRule14LeavesAloneWhatWasNotReserved(t *testing.T) {
	m := NewMemory()
	unlimited, limited, unasked := limitedTo(10, Unlimited, Unlimited), limitedTo(10, 100, Unlimited), limitedTo(10, 100, Unlimited)
	limited.Scope, unasked.Scope = "team", "user"
	items := append(unlimited.asking(1, 50, 0), limited.asking(1, 50, 0)...)
	items = append(items, unasked.asking(1, 0, 0)...)
	m.Reserve(ruleStart, items)
	m.Settle(ruleStart, items, 70)
	limited.Limits[Tokens], unlimited.Limits[Tokens] = 100, 100
	got := []int64{left(m, ruleStart, unlimited)[Tokens], left(m, ruleStart, limited)[Tokens], left(m, ruleStart, unasked)[Tokens]}
	if diff := cmp.Diff([]int64{100, 30, 100}, got); diff != "" {
		t.Errorf("tokens left without a limit, with one, and with nothing asked (-want +got):\n%s", diff)
	}
}
