package checker

import (
	"testing"
	"time"
)

// stimulus are the bursts and the paced demand of requests-windows on a limit
// of 2, as a limiter with fixed windows of the given lengths decides them.
func stimulus(k *sheet, turns ...time.Duration) {
	used, last := 0, time.Duration(0)
	ask := func(step string, at time.Duration) {
		for _, turn := range turns {
			if last < turn && turn <= at {
				used = 0
			}
		}
		last = at
		if used < 2 {
			used++
			k.admit(step, at)
		} else {
			k.refuse(step, at)
		}
	}
	for i, at := range []time.Duration{0, 2500 * ms, 5600 * ms} {
		for range 10 {
			ask([]string{"burst-start", "burst-middle", "burst-end"}[i], at)
		}
	}
	for i := range 4 * 6 {
		ask("pace", 5700*ms+time.Duration(i)*window5/6)
	}
}

func TestRequestsKept(t *testing.T) {
	const id = "requests/limit-kept"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("requests-windows", id, "requests/limit-usable")
		return b, b.key(perWindow(2))
	}
	t.Run("fixed windows", func(t *testing.T) {
		b, k := start(t)
		stimulus(k, 5*sec, 10600*ms, 15700*ms, 20800*ms)
		b.wants(id, Pass, "lawful for a fixed window from first use", []int{})
		b.wants("requests/limit-usable", Pass, "each lawful for some class", []int{})
	})
	t.Run("one too many", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "burst-start", 0)
		k.refuses(7, "burst-start", 0)
		b.wants(id, Fail, "1 requests more", []int{1, 2, 3})
	})
	t.Run("one too many, and too few of the burst were answered", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "burst-start", 0)
		for range 7 {
			k.lose("burst-start", 0)
		}
		b.wants(id, Fail, "1 requests more", []int{1, 2, 3})
	})
	t.Run("admitted in the ledger, though the answer was lost", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "burst-start", 0)
		k.admit("burst-start", 0, func(l *line) { l.Status, l.Headers, l.Error = 0, 0, "reset" })
		k.refuses(7, "burst-start", 0)
		b.wants(id, Fail, "1 requests more", []int{1, 2, 3})
	})
	t.Run("a lost attempt is no admission", func(t *testing.T) {
		b, k := start(t)
		stimulus(k, 5*sec, 10600*ms, 15700*ms, 20800*ms)
		k.lose("pace", 6*sec)
		b.wants(id, Pass, "", nil)
	})
	t.Run("the burst stretched", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "burst-start", 0)
		k.refuses(7, "burst-start", 0)
		k.refuse("burst-start", window5/4+ms)
		b.wants(id, Inconclusive, "stretched", []int{})
	})
	t.Run("a burst that was answered in part", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "burst-start", 0)
		k.refuses(7, "burst-start", 0)
		k.lose("burst-start", 0)
		b.wants(id, Inconclusive, "only 9 requests were admitted or refused, 10 are needed: attempt 10", nil)
	})
	t.Run("a pace that was answered in part", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "burst-start", 0)
		k.refuses(8, "burst-start", 0)
		for i := range 24 {
			k.lose("pace", sec+time.Duration(i)*window5/6)
		}
		b.wants(id, Inconclusive, "does not reach the limit", nil)
	})
	t.Run("no burst", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "pace", 0)
		b.wants(id, Inconclusive, "no burst", nil)
	})
	t.Run("the second key is the one at fault", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "burst-start", 0)
		k.lose("burst-start", 0)
		other := b.key(perWindow(1))
		evidence := other.admits(2, "burst-start", sec)
		b.wants(id, Fail, "key-2", evidence)
	})
}

func TestRequestsInWholeSeconds(t *testing.T) {
	const id = "requests/limit-kept"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("requests-windows", id)
		return b, b.key(perWindow(2))
	}
	// Started at 0.3 s of a second, the windows turn 4.7 s later, and then each
	// 5 s or, where the first request comes late in its second, sooner.
	t.Run("turns on whole seconds", func(t *testing.T) {
		b, k := start(t)
		stimulus(k, 4700*ms, 9700*ms, 14700*ms, 18700*ms)
		b.wants(id, Pass, "fixed window from first use", nil)
	})
	t.Run("the same turns with a burst whose answers overtake each other", func(t *testing.T) {
		b, k := start(t)
		k.refuse("burst-start", 0, arriving(40*ms))
		k.admit("burst-start", 41*ms, arriving(90*ms))
		k.b.h.Attempts, k.b.h.Calls = nil, nil
		stimulus(k, 4700*ms, 9700*ms, 14700*ms, 18700*ms)
		for i := range b.h.Attempts[:10] {
			a := &b.h.Attempts[i]
			a.Headers, a.Done = 30*ms+time.Duration(10-i)*10*ms, 30*ms+time.Duration(10-i)*10*ms
		}
		for i := range b.h.Calls[:2] {
			b.h.Calls[i].Received, b.h.Calls[i].Done = 110*ms, 115*ms
		}
		b.wants(id, Pass, "", nil)
	})
	t.Run("short windows that turn elsewhere", func(t *testing.T) {
		b, k := start(t)
		stimulus(k, 4300*ms, 8700*ms, 13100*ms, 17500*ms, 21900*ms)
		b.wants(id, Fail, "more than its limit", nil)
	})
	t.Run("two seconds short", func(t *testing.T) {
		b, k := start(t)
		stimulus(k, 3*sec, 6*sec, 9*sec, 12*sec, 15*sec, 18*sec, 21*sec, 24*sec)
		b.wants(id, Fail, "more than its limit", nil)
	})
	t.Run("too few turns to tell", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "burst-start", 0)
		k.refuses(8, "burst-start", 0)
		k.refuse("pace", 4*sec)
		k.admits(2, "pace", 4600*ms)
		k.refuse("pace", 8400*ms)
		k.admits(2, "pace", 8600*ms)
		b.wants(id, Inconclusive, "unless its windows turn on whole seconds", []int{})
	})
}

func TestRequestsUsable(t *testing.T) {
	const id = "requests/limit-usable"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("requests-windows", id)
		return b, b.key(perWindow(2))
	}
	t.Run("nothing refused", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "burst-start", 0)
		b.wants(id, Inconclusive, "nothing was refused", nil)
	})
	t.Run("refused with room", func(t *testing.T) {
		b, k := start(t)
		k.admit("burst-start", 0)
		no := k.refuses(2, "burst-start", 10*ms)
		b.wants(id, Fail, "refused 2 times", no)
		if r := b.verdict(id); r.Observed != "attempt 2 was refused at 0.012 s with room for 1" {
			t.Errorf("observed: %s", r.Observed)
		}
	})
	t.Run("an admission may have come before it", func(t *testing.T) {
		b, k := start(t)
		k.admit("burst-start", 0)
		k.refuse("burst-start", 0, arriving(20*ms))
		k.admit("burst-start", 10*ms)
		b.wants(id, Pass, "", nil)
	})
	t.Run("a lost attempt may have been counted", func(t *testing.T) {
		b, k := start(t)
		k.admit("burst-start", 0)
		k.lose("burst-start", 0)
		k.refuse("burst-start", 10*ms)
		b.wants(id, Pass, "", nil)
	})
	t.Run("a sliding counter remembers two windows", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "burst-start", 0)
		k.refuse("pace", 7400*ms) // more than half of the two still counts
		b.wants(id, Pass, "", nil)
	})
	t.Run("nobody remembers more", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "burst-start", 0)
		no := k.refuse("pace", 10600*ms)
		b.wants(id, Fail, "", []int{no})
	})
	t.Run("an overload is no refusal", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "burst-start", 0)
		k.refuses(8, "burst-start", 0)
		k.refuse("pace", 10600*ms, status(503))
		b.wants(id, Inconclusive, "a refusal, or an overload?", nil)
	})
	t.Run("a target that refuses with 503 is taken at its word", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "burst-start", 0)
		k.refuses(8, "burst-start", 0, status(503))
		no := k.refuse("pace", 10600*ms, status(503))
		b.wants(id, Fail, "", []int{no})
	})
}
