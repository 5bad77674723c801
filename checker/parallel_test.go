package checker

import (
	"testing"
	"time"
)

func TestParallelKept(t *testing.T) {
	const id = "parallel/limit-kept"
	hold := taking(sec)
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("parallel-bursts", id)
		return b, b.key(slots(3))
	}
	t.Run("kept", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "hold", 0, hold)
		k.refuses(12, "hold", 0)
		b.wants(id, Pass, "hold: peak 3 of 3, 12 refused", []int{})
	})
	t.Run("one too many", func(t *testing.T) {
		b, k := start(t)
		through := k.admits(4, "hold", 0, hold)
		k.refuses(11, "hold", 0)
		b.wants(id, Fail, "4 requests of key-1 were in flight at once", through)
	})
	t.Run("one too many, and others lost", func(t *testing.T) {
		b, k := start(t)
		through := k.admits(4, "hold", 0, hold)
		k.lose("hold", 0)
		b.wants(id, Fail, "", through)
	})
	t.Run("one too many in the second step", func(t *testing.T) {
		b, k := start(t)
		k.lose("hold", 0)
		through := k.admits(4, "hold-streams", 2*sec, hold, streamed)
		b.wants(id, Fail, "", through)
		if r := b.verdict(id); r.Observed != "4 in the step hold-streams, by the provider's ledger" {
			t.Errorf("observed: %s", r.Observed)
		}
	})
	t.Run("held from one step into the next", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "hold", 0, taking(3*sec))
		k.refuses(3, "hold", 0)
		k.admit("hold-streams", 2*sec, hold)
		b.wants(id, Fail, "", []int{1, 2, 3, 7})
	})
	t.Run("one ends as the next begins", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "hold", 0, hold)
		k.refuses(11, "hold", 0)
		k.admit("hold", 0, taking(2*sec), arriving(sec))
		b.wants(id, Pass, "peak 3", nil)
	})
	t.Run("the provider's clock is not known so well", func(t *testing.T) {
		b, k := start(t)
		b.h.Run.LedgerSkew = 5 * ms
		k.admits(3, "hold", 0, hold)
		k.refuses(11, "hold", 0)
		k.admit("hold", 0, arriving(sec-8*ms), hold)
		b.wants(id, Pass, "peak 3", nil)
		b.h.Run.LedgerSkew = ms
		b.wants(id, Fail, "", nil)
	})
	t.Run("a caller that left is in flight no longer", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "hold", 0, hold)
		k.refuses(11, "hold", 0)
		for i := range b.h.Calls {
			b.h.Calls[i].Gone, b.h.Calls[i].Done = true, 3*sec
		}
		k.admit("hold", 990*ms, arriving(20*ms), hold)
		b.wants(id, Pass, "peak 3", nil)
	})
	// twice has a request tried again while its first call runs on.
	twice := func(l *line) {
		c := l.calls[0]
		c.Received += 200 * ms
		l.calls[0].Gone = true
		l.calls[0].Done = c.Received + 100*ms
		l.calls = append(l.calls, c)
	}
	t.Run("a request that is tried again takes one slot", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "hold", 0, hold, twice)
		k.refuses(12, "hold", 0)
		b.wants(id, Pass, "peak 3 of 3", nil)
	})
	t.Run("and keeps it until its last call has ended", func(t *testing.T) {
		b, k := start(t)
		through := k.admits(3, "hold", 0, hold, twice)
		k.refuses(12, "hold", 0)
		more := k.admit("hold", 500*ms, hold)
		b.wants(id, Fail, "4 requests", append(through, more))
	})
	t.Run("queued", func(t *testing.T) {
		b, k := start(t)
		for i := range 15 {
			wave := time.Duration(i/3) * sec
			k.admit("hold", 0, taking(wave+sec), arriving(wave+ms))
		}
		b.wants(id, Pass, "hold: peak 3 of 3, the others waited", nil)
	})
	t.Run("one at a time", func(t *testing.T) {
		b, k := start(t)
		for i := range 15 {
			wave := time.Duration(i) * sec
			k.admit("hold", 0, taking(wave+sec), arriving(wave+ms))
		}
		b.wants(id, Inconclusive, "none was refused, and 1 were in flight", nil)
	})
	t.Run("the burst stretched", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "hold", 0, taking(10*ms))
		k.refuses(12, "hold", 20*ms)
		b.wants(id, Inconclusive, "stretched", nil)
	})
	t.Run("lost", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "hold", 0, hold)
		k.refuses(11, "hold", 0)
		k.lose("hold", 0)
		b.wants(id, Inconclusive, "neither admitted nor refused", nil)
	})
	t.Run("too few asked", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "hold", 0, hold)
		b.wants(id, Inconclusive, "asked for 3 slots only", nil)
	})
	t.Run("without a ledger", func(t *testing.T) {
		b, k := start(t)
		b.h.Run.Ledger = false
		k.admits(4, "hold", 0, hold)
		b.wants(id, Skip, "ledger", nil)
	})
}

func TestIsolation(t *testing.T) {
	const id = "isolation/keys"
	cost := costing(50, 80, 40)
	limits := both(16, 1600)
	tells := func(requests, tokens int64) change {
		return func(l *line) {
			for name, n := range map[string]int64{
				"x-ratelimit-limit-requests": 16, "x-ratelimit-remaining-requests": requests,
				"x-ratelimit-limit-tokens": 1600, "x-ratelimit-remaining-tokens": tokens,
			} {
				telling(name, n)(l)
			}
		}
	}
	// run enters eight quiet requests that tell their counters, each of them
	// costing so many tokens, and a noisy burst beside the third, which takes so
	// many of the quiet key's.
	run := func(t *testing.T, each, requestsTaken, tokensTaken int64) *book {
		b := newBook(t).scenario("isolation-keys", id)
		victim, bully := b.key(limits), b.key(limits)
		for i := range int64(8) {
			n := i + 1
			requests, tokens := 16-n, 1600-n*each
			if i >= 2 {
				requests, tokens = requests-requestsTaken, tokens-tokensTaken
			}
			victim.admit("quiet", time.Duration(i)*312*ms, cost, tells(requests, tokens))
		}
		bully.admits(16, "noisy", 620*ms, cost)
		bully.refuses(24, "noisy", 620*ms, cost)
		return b
	}
	t.Run("apart", func(t *testing.T) {
		run(t, 50, 0, 0).wants(id, Pass, "8 requests admitted and counted alone, beside 40 of another key, 24 of them refused", []int{})
	})
	t.Run("counted at the cap", func(t *testing.T) { run(t, 80, 0, 0).wants(id, Pass, "", nil) })
	t.Run("charged too much, but by its own requests", func(t *testing.T) { run(t, 130, 0, 0).wants(id, Pass, "", nil) })
	t.Run("requests taken", func(t *testing.T) {
		run(t, 50, 1, 0).wants(id, Fail, "more requests of a key were taken", []int{3})
	})
	t.Run("tokens taken", func(t *testing.T) {
		run(t, 50, 0, 800).wants(id, Fail, "more tokens of a key were taken", []int{3})
	})
	t.Run("tokens taken from one who is charged too much", func(t *testing.T) {
		run(t, 130, 0, 500).wants(id, Fail, "more tokens of a key were taken", []int{3})
	})
	t.Run("headers of another counter", func(t *testing.T) {
		b := run(t, 50, 9, 800)
		for i := range b.h.Attempts {
			if h := b.h.Attempts[i].Header; h != nil {
				h["x-ratelimit-limit-requests"], h["x-ratelimit-limit-tokens"] = "1000", "99999"
			}
		}
		b.wants(id, Pass, "", nil)
	})
	t.Run("refused beside the other's traffic", func(t *testing.T) {
		b := run(t, 50, 0, 0)
		no := (&sheet{b: b, alias: "key-1", scenario: "isolation-keys"}).refuse("quiet", 700*ms, cost)
		b.wants(id, Fail, "1 of 9 requests of a key were refused", []int{no})
	})
	t.Run("refused though lost attempts stand beside it", func(t *testing.T) {
		b := run(t, 50, 0, 0)
		k := &sheet{b: b, alias: "key-1", scenario: "isolation-keys"}
		k.lose("quiet", 650*ms, cost)
		no := k.refuse("quiet", 700*ms, cost)
		b.wants(id, Fail, "", []int{no})
	})
	t.Run("refused before the other asked", func(t *testing.T) {
		b := run(t, 50, 0, 0)
		(&sheet{b: b, alias: "key-1", scenario: "isolation-keys"}).refuse("quiet", 100*ms, cost)
		b.wants(id, Inconclusive, "not surely because of the other", nil)
	})
	t.Run("refused because of its own traffic", func(t *testing.T) {
		b := run(t, 50, 0, 0)
		k := &sheet{b: b, alias: "key-1", scenario: "isolation-keys"}
		k.admits(8, "quiet", 690*ms, cost)
		k.refuse("quiet", 2300*ms, cost)
		b.wants(id, Inconclusive, "not surely because of the other", nil)
	})
	t.Run("lost", func(t *testing.T) {
		b := run(t, 50, 0, 0)
		(&sheet{b: b, alias: "key-1", scenario: "isolation-keys"}).lose("quiet", 100*ms, cost)
		b.wants(id, Inconclusive, "neither admitted nor refused", nil)
	})
	t.Run("the noise was none", func(t *testing.T) {
		b := newBook(t).scenario("isolation-keys", id)
		b.key(limits).admits(8, "quiet", 0, cost)
		b.key(limits).admits(10, "noisy", 0, cost)
		b.wants(id, Inconclusive, "was to exceed its limits", nil)
	})
	t.Run("one key alone", func(t *testing.T) {
		b := newBook(t).scenario("isolation-keys", id)
		b.key(limits).admits(8, "quiet", 0, cost)
		b.wants(id, Inconclusive, "not both keys", nil)
	})
}
