package checker

import (
	"testing"
	"time"
)

func TestRefusalStatus(t *testing.T) {
	const id = "refusal/status"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("requests-windows", id)
		return b, b.key(perWindow(2))
	}
	t.Run("429", func(t *testing.T) {
		b, k := start(t)
		k.admit("burst", 0)
		k.refuses(3, "burst", 0)
		b.wants(id, Pass, "429 on all 3 refusals", []int{})
	})
	for _, code := range []int{402, 403, 408, 412, 503, 529} {
		t.Run("another", func(t *testing.T) {
			b, k := start(t)
			ids := k.refuses(2, "burst", 0, status(code))
			b.wants(id, Fail, "2 of 2 refusals have another status", ids)
		})
	}
	t.Run("429 for plain requests and 503 for streams", func(t *testing.T) {
		b, k := start(t)
		k.refuses(2, "burst", 0)
		no := k.refuse("burst", 0, status(503), streamed)
		b.wants(id, Fail, "1 of 3", []int{no})
	})
	t.Run("an overload among refusals", func(t *testing.T) {
		b, k := start(t)
		k.refuses(2, "burst", 0)
		k.refuse("burst", 0, status(503))
		b.wants(id, Inconclusive, "or an overload?", []int{})
	})
	t.Run("a wrong status beside an overload", func(t *testing.T) {
		b, k := start(t)
		k.refuses(2, "burst", 0)
		k.refuse("burst", 0, status(503))
		no := k.refuse("burst", 0, status(402))
		b.wants(id, Fail, "", []int{no})
	})
	t.Run("the provider's own 429 and 503", func(t *testing.T) {
		b, k := start(t)
		k.refuse("burst", 0)
		k.admit("burst", 0, status(503))
		b.wants(id, Pass, "on all 1", nil)
	})
	t.Run("nothing refused", func(t *testing.T) {
		b, k := start(t)
		k.admit("burst", 0)
		k.refuse("burst", 0, refusedInStream)
		b.wants(id, Inconclusive, "nothing was refused by status", nil)
	})
}

func TestRefusalBeforeStream(t *testing.T) {
	const id = "refusal/before-stream"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("requests-windows", id)
		return b, b.key(perWindow(2))
	}
	t.Run("by status", func(t *testing.T) {
		b, k := start(t)
		k.refuses(2, "burst", 0, streamed)
		k.refuse("burst", 0)
		b.wants(id, Pass, "all 2 refused streams", []int{})
	})
	t.Run("in the stream", func(t *testing.T) {
		b, k := start(t)
		k.refuse("burst", 0, streamed)
		no := k.refuse("burst", 0, refusedInStream)
		b.wants(id, Fail, "1 streams were refused by an event", []int{no})
	})
	t.Run("an overload is no refusal", func(t *testing.T) {
		b, k := start(t)
		k.refuses(2, "burst", 0, streamed)
		k.refuse("burst", 0, streamed, status(503))
		b.wants(id, Pass, "all 2 refused streams", nil)
	})
	t.Run("the provider's own error in the stream", func(t *testing.T) {
		b, k := start(t)
		k.refuse("burst", 0, streamed)
		k.admit("burst", 0, refusedInStream)
		b.wants(id, Pass, "", nil)
	})
	t.Run("without a ledger, some by status", func(t *testing.T) {
		b, k := start(t)
		b.h.Run.Ledger = false
		k.refuse("burst", 0, streamed)
		k.refuse("burst", 0, refusedInStream)
		b.wants(id, Inconclusive, "may be the upstream's", nil)
	})
	t.Run("without a ledger, all in the stream", func(t *testing.T) {
		b, k := start(t)
		b.h.Run.Ledger = false
		no := k.refuses(2, "burst", 0, refusedInStream)
		b.wants(id, Fail, "", no)
	})
	t.Run("no stream refused", func(t *testing.T) {
		b, k := start(t)
		k.refuse("burst", 0)
		k.admit("burst", 0, streamed)
		b.wants(id, Inconclusive, "no stream was refused", nil)
	})
}

func TestRetryAfter(t *testing.T) {
	const id = "refusal/retry-after"
	for _, test := range []struct {
		value   string
		verdict Verdict
	}{
		{"5", Pass}, {"0", Pass}, {"Sun, 06 Nov 1994 08:49:37 GMT", Pass},
		{"", Fail}, {"1m0s", Fail}, {"1.5", Fail}, {"-1", Fail}, {"5, 7", Fail}, {"soon", Fail}, {"5s", Fail},
	} {
		t.Run(test.value, func(t *testing.T) {
			b := newBook(t).scenario("requests-windows", id)
			k := b.key(perWindow(2))
			k.refuse("burst", 0)
			last := k.refuse("burst", 0, telling("retry-after", test.value))
			var evidence []int
			if test.verdict == Fail {
				evidence = []int{last}
			}
			b.wants(id, test.verdict, "", evidence)
		})
	}
	t.Run("an overload need not say", func(t *testing.T) {
		b := newBook(t).scenario("requests-windows", id)
		k := b.key(perWindow(2))
		k.refuse("burst", 0)
		k.refuse("burst", 0, status(503), telling("retry-after", ""))
		b.wants(id, Pass, "on all 1", nil)
	})
	t.Run("nothing refused", func(t *testing.T) {
		b := newBook(t).scenario("requests-windows", id)
		b.key(perWindow(2)).admit("burst", 0)
		b.wants(id, Inconclusive, "nothing was refused", nil)
	})
}

func TestRetryAfterSufficient(t *testing.T) {
	const id = "refusal/retry-after-sufficient"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("refusal-retry", id)
		return b, b.key(perWindow(2))
	}
	// usedUp enters a refusal that says when to come back. It is told at 2 ms.
	usedUp := func(k *sheet, value string) int {
		k.admits(2, "use-up", 0)
		return k.refuse("use-up", 0, telling("retry-after", value))
	}
	t.Run("admitted", func(t *testing.T) {
		b, k := start(t)
		usedUp(k, "5")
		k.admit("obey", 5002*ms)
		b.wants(id, Pass, "1 refused clients came back when told", []int{})
	})
	t.Run("refused again", func(t *testing.T) {
		b, k := start(t)
		first := usedUp(k, "5")
		again := k.refuse("obey", 5002*ms)
		b.wants(id, Fail, "waited as long as it was told", []int{first, again})
	})
	t.Run("the last refusal counts", func(t *testing.T) {
		b, k := start(t)
		usedUp(k, "5")
		late := k.refuse("ask-late", 2*sec, telling("retry-after", "4"))
		again := k.refuse("obey", 6002*ms)
		b.wants(id, Fail, "", []int{late, again})
	})
	t.Run("an overload is not what is obeyed", func(t *testing.T) {
		b, k := start(t)
		first := usedUp(k, "5")
		k.refuse("use-up", sec, status(503), telling("retry-after", "1"))
		again := k.refuse("obey", 5002*ms)
		b.wants(id, Fail, "", []int{first, again})
	})
	t.Run("came back too early", func(t *testing.T) {
		b, k := start(t)
		usedUp(k, "5")
		k.refuse("obey", 4*sec)
		b.wants(id, Inconclusive, "earlier than Retry-After", nil)
	})
	t.Run("a date is of another clock", func(t *testing.T) {
		b, k := start(t)
		usedUp(k, "Sun, 06 Nov 1994 08:49:37 GMT")
		k.refuse("obey", 5002*ms)
		b.wants(id, Inconclusive, "another than ours", nil)
	})
	t.Run("no refusal", func(t *testing.T) {
		b, k := start(t)
		k.admits(5, "use-up", 0)
		b.wants(id, Inconclusive, "could not be used up", nil)
	})
	t.Run("no refusal on one key, a broken word on the next", func(t *testing.T) {
		b, k := start(t)
		k.admits(5, "use-up", 0)
		other := b.key(tokensOnly(100))
		first := usedUp(other, "5")
		again := other.refuse("obey", 5002*ms)
		b.wants(id, Fail, "(a token limit)", []int{first, again})
	})
	t.Run("nothing to obey", func(t *testing.T) {
		b, k := start(t)
		usedUp(k, "")
		b.wants(id, Skip, "no Retry-After", nil)
	})
	t.Run("nothing that could be read", func(t *testing.T) {
		b, k := start(t)
		usedUp(k, "1m0s")
		b.wants(id, Skip, "1m0s", nil)
	})
	t.Run("told to wait for ever", func(t *testing.T) {
		b, k := start(t)
		usedUp(k, "3600")
		b.wants(id, Inconclusive, "more than two windows", nil)
	})
	t.Run("lost", func(t *testing.T) {
		b, k := start(t)
		usedUp(k, "5")
		k.lose("obey", 5002*ms)
		b.wants(id, Inconclusive, "neither admitted nor refused", nil)
	})
	t.Run("an overload on the way back", func(t *testing.T) {
		b, k := start(t)
		usedUp(k, "5")
		k.refuse("obey", 5002*ms, status(503))
		b.wants(id, Inconclusive, "neither admitted nor refused", nil)
	})
	t.Run("came back without a refusal", func(t *testing.T) {
		b, k := start(t)
		k.refuse("obey", 0*time.Second)
		b.wants(id, Inconclusive, "could not be used up", nil)
	})
}
