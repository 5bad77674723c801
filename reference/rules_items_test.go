package reference

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ruleStart is when the tests of the rules begin: no whole second, for a limiter
// that counts in whole seconds must be told apart (rule 1).
var ruleStart = time.Date(2026, 3, 4, 5, 6, 7, 654_321_987, time.UTC)

// after is ruleStart+d.
func after(d time.Duration) time.Time { return ruleStart.Add(d) }

// limitedTo is an item of one key with these limits, a window of 60 s and no
// amounts.
func limitedTo(requests, tokens, slots int64) Item {
	return Item{Descriptor: Descriptor{
		Scope:  "api_key",
		Value:  "k",
		Limits: [kinds]int64{requests, tokens, slots},
		Window: time.Minute,
	}}
}

// asking is a copy of item that asks for these amounts, as the items of a call.
func (item Item) asking(requests, tokens, slots int64) []Item {
	item.Amounts = [kinds]int64{requests, tokens, slots}
	return []Item{item}
}

func wantDecision(t *testing.T, got, want Decision) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
}

func wantAfter(t *testing.T, items []Item, want ...Counter) {
	t.Helper()
	if diff := cmp.Diff(want, items[0].After[:len(want)]); diff != "" {
		t.Errorf("counters after the call (-want +got):\n%s", diff)
	}
}

// left is what remains of each kind of item at now.
func left(m *Memory, now time.Time, item Item) [kinds]int64 {
	items := item.asking(0, 0, 0)
	m.Peek(now, items)
	var remaining [kinds]int64
	for k, c := range items[0].After {
		remaining[k] = c.Remaining
	}
	return remaining
}
