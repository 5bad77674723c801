package reference

import (
	"math"
	"testing"
)

// countOnly is item with limits that refuse nothing.
func (item Item) countOnly() Item {
	item.CountOnly = [kinds]bool{Requests: true, Tokens: true}
	return item
}

// TestRule10CountsWithoutRefusing: what is only counted is counted, told from 0
// to the limit, and judged by who enforces the same counter.
func TestRule10CountsWithoutRefusing(t *testing.T) {
	m, item := NewMemory(), limitedTo(2, 100, 1)
	for i := range int64(5) {
		items := item.countOnly().asking(1, 60, 1)
		wantDecision(t, m.Reserve(ruleStart, items), admitted)
		wantAfter(t, items, Counter{max(0, 1-i), 60e9}, Counter{max(0, 40-60*i), 60e9}, Counter{0, 0})
		m.Settle(ruleStart, items, 50)
		m.Release(ruleStart, items)
		if i == 0 {
			m.Settle(ruleStart, items, 60) // too late
		}
		m.Reserve(ruleStart, item.countOnly().asking(0, 10, 0))
	}
	wantDecision(t, m.Reserve(ruleStart, item.asking(1, 0, 0)), Decision{RetryAfter: 60e9})
	wantDecision(t, m.Reserve(ruleStart, item.asking(0, 1, 0)), Decision{Kind: Tokens, RetryAfter: 60e9})
	// Slots are always enforced, and 0 refuses nothing where it is only counted.
	none := limitedTo(0, 0, 0).countOnly()
	wantDecision(t, m.Reserve(ruleStart, none.asking(1, 1, 0)), admitted)
	wantDecision(t, m.Reserve(ruleStart, none.asking(1, 1, 1)), Decision{Kind: Slots, Never: true})
}

// TestRule10CountsToTheEndOfNumbers: requests that nobody refuses may ask for
// more tokens than can be counted; what they give back is what they took.
func TestRule10CountsToTheEndOfNumbers(t *testing.T) {
	m, item := NewMemory(), limitedTo(Unlimited, 100, Unlimited)
	small, huge, more := item.countOnly().asking(0, 30, 0), item.countOnly().asking(0, math.MaxInt64, 0), item.countOnly().asking(0, math.MaxInt64, 0)
	for _, items := range [][]Item{small, huge, more} {
		wantDecision(t, m.Reserve(ruleStart, items), admitted)
	}
	if got := left(m, ruleStart, item)[Tokens]; got != 0 {
		t.Errorf("%d of 100 tokens left beside all there are", got)
	}
	m.Settle(ruleStart, huge, 7)
	m.Settle(ruleStart, more, 5)
	if got := left(m, ruleStart, item)[Tokens]; got != 58 {
		t.Errorf("%d of 100 tokens left after 30, 7 and 5, want 58", got)
	}
	last, after := item.countOnly().asking(0, 1, 0), item.countOnly().asking(0, 1, 0)
	m.Reserve(ruleStart, last)
	m.Settle(ruleStart, last, math.MaxInt64)
	m.Reserve(ruleStart, after)
	if got := left(m, ruleStart, item)[Tokens]; got != 0 {
		t.Errorf("%d of 100 tokens left after all there are were used", got)
	}
}
