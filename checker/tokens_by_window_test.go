package checker

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/history"
)

// TestTokensByWindow: what each key was admitted window by window, by way, the
// key without a request limit first. An admission is 10 tokens.
func TestTokensByWindow(t *testing.T) {
	b := newBook(t).scenario("tokens-sequential", "tokens/limit-kept")
	b.key(tokensOnly(500)).admits(3, "in-turn-1", 0)
	b.scenario(history.TokensByWindow)
	beside := b.key(both(3000, 40))
	beside.admits(4, "in-turn-1", 0)
	beside.refuses(2, "in-turn-1", sec)
	beside.refuses(3, "in-turn-2", 6*sec)
	alone := b.key(tokensOnly(30))
	alone.admits(5, "at-once-1", 0)
	alone.admits(2, "at-once-2", 6*sec)
	alone.lose("at-once-2", 6*sec)
	b.key(tokensOnly(20)).admits(2, "in-turn-1", 0)
	b.key(tokensOnly(10))                          // nothing was sent
	b.key(perWindow(10)).admits(1, "in-turn-1", 0) // has no token limit
	want := []WindowTokens{
		{Way: history.InTurn, Limit: 20, Admitted: []int64{20}},
		{Way: history.InTurn, RequestLimit: true, Limit: 40, Admitted: []int64{40, 0}},
		{Way: history.AtOnce, Limit: 30, Admitted: []int64{50, -1}},
	}
	if d := cmp.Diff(want, TokensByWindow(&b.h)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got := TokensByWindow(&history.History{}); got != nil {
		t.Errorf("of nothing it is %v", got)
	}
}
