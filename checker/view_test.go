package checker

import (
	"slices"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

func TestDecidedBy(t *testing.T) {
	const skew = 5 * ms
	for name, test := range map[string]struct {
		attempt history.Attempt
		calls   []history.Call
		want    time.Duration
	}{
		"the answer":                     {history.Attempt{Sent: sec, Headers: 2 * sec, Done: 3 * sec}, nil, 2 * sec},
		"no answer":                      {history.Attempt{Sent: sec, Done: 3 * sec}, nil, 3 * sec},
		"it reached the provider":        {history.Attempt{Sent: sec, Headers: 2 * sec, Done: 3 * sec}, []history.Call{{Received: 1500 * ms}}, 1505 * ms},
		"the first of two calls":         {history.Attempt{Sent: sec, Headers: 2 * sec, Done: 3 * sec}, []history.Call{{Received: 1900 * ms}, {Received: 1500 * ms}}, 1505 * ms},
		"a provider whose clock is late": {history.Attempt{Sent: sec, Headers: 2 * sec, Done: 3 * sec}, []history.Call{{Received: 4 * sec}}, 2 * sec},
		"a provider whose clock is fast": {history.Attempt{Sent: sec, Headers: 2 * sec, Done: 3 * sec}, []history.Call{{Received: 900 * ms}}, sec},
	} {
		v := &view{joined: &joined{History: &history.History{Run: history.Run{LedgerSkew: skew}}}}
		if got := v.decidedBy(seen{Attempt: test.attempt, calls: test.calls}); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestUsed(t *testing.T) {
	usage := history.Usage{Total: 7}
	for name, test := range map[string]struct {
		a    seen
		want int64
	}{
		"by the ledger":               {seen{calls: []history.Call{{Status: 200, Usage: usage}}}, 7},
		"whatever the answer says":    {seen{Attempt: history.Attempt{Usage: &history.Usage{Total: 1}}, calls: []history.Call{{Status: 200, Usage: usage}}}, 7},
		"a retry after a failure":     {seen{calls: []history.Call{{Status: 500, Usage: usage}, {Status: 200, Usage: usage}}}, 7},
		"served twice":                {seen{calls: []history.Call{{Status: 200, Usage: usage}, {Status: 200, Usage: usage}}}, 14},
		"by the answer, if no ledger": {seen{Attempt: history.Attempt{Usage: &usage}}, 7},
		"nobody says":                 {seen{}, 0},
	} {
		if got := used(test.a); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestStep(t *testing.T) {
	attempts := []seen{{Attempt: history.Attempt{ID: 1, Step: "after-one"}}, {Attempt: history.Attempt{ID: 2, Step: "after"}}, {Attempt: history.Attempt{ID: 3, Step: "after-two"}}}
	for name, want := range map[string][]int{"after": {2}, "after-*": {1, 3}, "*": {1, 2, 3}, "aft": {}} {
		if got := ids(step(attempts, name)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestAttemptsAreSeenInTheOrderInWhichTheyWereSent(t *testing.T) {
	b := newBook(t).scenario("s", "refusal/status")
	k := b.key(perWindow(1))
	k.admit("ask", 2*sec)
	k.admit("ask", sec)
	k.admit("ask", sec)
	if got := ids(newJoined(&b.h).view("s").all()); !slices.Equal(got, []int{2, 3, 1}) {
		t.Errorf("%v", got)
	}
}
