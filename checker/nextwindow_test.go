package checker

import (
	"testing"

	"github.com/ratecheck/ratecheck/history"
)

// held enters requests that reserve in one window and end in the next: a limit
// of 2000, six of 300 that use 8 each, and a request behind the edge.
func held(b *book, changes ...change) *sheet {
	k := b.scenario("refund-next-window", "refund/own-window").key(tokensOnly(2000))
	k.admit("open", 0, costing(8, 20, 4))
	for range 6 {
		k.admit("hold", 3*sec, append([]change{costing(8, 400, 300), taking(3200 * ms)}, changes...)...)
	}
	return k
}

func TestOwnWindow(t *testing.T) {
	const id = "refund/own-window"
	// filled enters n requests of 400 far enough from each other to be charged.
	filled := func(b *book, k *sheet, n int) {
		k.admit("new-window", 5600*ms, costing(8, 20, 4))
		for i := range n {
			k.admit("fill", 6300*ms+600*ms*msTimes(i), costing(400, 500, 300))
		}
		k.refuse("fill", 6300*ms+600*ms*msTimes(n), costing(0, 500, 300))
	}
	// The window admits 8 and n*400 of 2000, and what was held may be missing.
	for n, want := range map[int]Verdict{3: Pass, 4: Pass, 5: Pass, 6: Fail} {
		b := newBook(t)
		b.measured()
		k := held(b)
		filled(b, k, n)
		b.wants(id, want, "", nil)
	}
	t.Run("to the token", func(t *testing.T) {
		for last, want := range map[int64]Verdict{440: Pass, 441: Fail} { // beside 8 and 1600 of 2000 and 48
			b := newBook(t)
			b.measured()
			k := held(b)
			k.admit("new-window", 5600*ms, costing(8, 20, 4))
			for i := range 4 {
				k.admit("fill", 6300*ms+600*ms*msTimes(i), costing(400, 500, 300))
			}
			k.admit("fill", 8700*ms, costing(last, 500, 300))
			k.refuse("fill", 9300*ms, costing(0, 500, 300))
			b.wants(id, want, "", nil)
		}
	})
	t.Run("by headers", func(t *testing.T) {
		for n, want := range map[int64]Verdict{2000: Pass, 2001: Fail, 1900: Pass} {
			b := newBook(t)
			k := held(b)
			settled := k.admit("settled", 6800*ms, costing(8, 20, 4), left(n))
			k.admit("fill", 7*sec, costing(400, 500, 300))
			k.refuse("fill", 7600*ms)
			b.wants(id, want, "", nil)
			if want == Fail {
				b.wants(id, Fail, "refunded to the next", []int{2, 3, 4, 5, 6, 7, settled})
			}
		}
	})
	t.Run("a hold's own answer tells it, and is named once", func(t *testing.T) {
		b := newBook(t)
		held(b, left(3000))
		b.wants(id, Fail, "refunded to the next", []int{2, 3, 4, 5, 6, 7})
	})
	t.Run("another counter", func(t *testing.T) {
		for name, tell := range map[string][]change{
			"of another limit":        {left(99000), telling("x-ratelimit-limit-tokens", 100000)},
			"that told so from first": {left(99000)},
		} {
			b := newBook(t)
			k := b.scenario("refund-next-window", id).key(tokensOnly(2000))
			k.admit("open", 0, append(tell, costing(8, 20, 4))...)
			k.admits(6, "hold", 3*sec, append(tell, costing(8, 400, 300), taking(3200*ms))...)
			k.admit("fill", 7*sec, append(tell, costing(400, 500, 300))...)
			k.refuse("fill", 7600*ms)
			if r := b.verdict(id); r.Verdict != Pass {
				t.Errorf("%s: %s (%s)", name, r.Verdict, r.Message)
			}
		}
	})
	t.Run("a bucket for tokens beside windows for requests", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		b.tokenBucket()
		k := held(b)
		for i := range 5 {
			k.admit("fill", 6*sec+600*ms*msTimes(i), costing(400, 500, 300))
		}
		k.refuse("fill", 9*sec, costing(0, 500, 300))
		k.admit("fill", 9800*ms, costing(400, 500, 300)) // 3000 of 2000 and what came back
		b.wants(id, Pass, "", nil)
	})
	t.Run("how tokens are counted was asked, and an answer does not tell", func(t *testing.T) {
		for name, unclear := range map[string]func(*sheet){
			"lost":     func(k *sheet) { k.lose("ask", 30*sec, costing(0, 400, 400)) },
			"overload": func(k *sheet) { k.refuse("ask", 30*sec, costing(0, 400, 400), status(503)) },
			"cut":      func(k *sheet) { k.admit("ask", 30*sec, costing(400, 400, 400), status(502)) },
		} {
			b := newBook(t)
			b.measured()
			unclear(b.tokenBucket())
			k := held(b)
			for i := range 5 {
				k.admit("fill", 6*sec+600*ms*msTimes(i), costing(400, 500, 300))
			}
			k.refuse("fill", 9*sec, costing(0, 500, 300))
			k.admit("fill", 9800*ms, costing(400, 500, 300)) // 3000 of 2000 and what came back
			if r := b.verdict(id); r.Verdict != Pass {
				t.Errorf("%s: %s (%s)", name, r.Verdict, r.Message)
			}
		}
	})
	t.Run("tokens of which two classes are possible", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		k := b.scenario("tokens-sequential", asksForTokenClass).key(tokensOnly(20))
		k.admit("ask", 0, costing(20, 20, 20))
		k.refuse("ask", 2*sec, costing(0, 20, 20))
		filled(b, held(b), 6) // on the clock a window may end among them
		b.wants(id, Pass, "", nil)
	})
	for name, change := range map[string]func(*book) *sheet{
		"nothing held": func(b *book) *sheet { return b.scenario("refund-next-window", id).key(tokensOnly(2000)) },
		"a hold refused": func(b *book) *sheet {
			k := held(b)
			k.refuse("hold", 3*sec)
			return k
		},
		"a hold lost":            func(b *book) *sheet { k := held(b); k.lose("hold", 3*sec); return k },
		"settled in that window": func(b *book) *sheet { return held(b, taking(1900*ms)) },
		"not used up":            func(b *book) *sheet { k := held(b); k.admit("fill", 7*sec); return k },
		"a fill lost": func(b *book) *sheet {
			k := held(b)
			k.lose("fill", 7*sec)
			k.refuse("fill", 7*sec)
			return k
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			k := change(b)
			if name != "not used up" {
				k.refuse("fill", 8*sec)
			}
			b.wants(id, Inconclusive, "", nil)
		})
	}
	t.Run("the edge of the window", func(t *testing.T) {
		for took, want := range map[int64]Verdict{1999: Inconclusive, 2000: Pass} {
			b := newBook(t)
			k := held(b, taking(msTimes(int(took))*ms))
			k.refuse("fill", 8*sec)
			b.wants(id, want, "", nil)
		}
	})
	t.Run("no token limit", func(t *testing.T) {
		b := newBook(t).scenario("refund-next-window", id)
		b.key(history.Limits{}).admit("hold", 0)
		b.wants(id, Inconclusive, "no key with a token limit", nil)
	})
}
