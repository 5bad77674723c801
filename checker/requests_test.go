package checker

import (
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// windowsAt enters full windows of a limit of 2: a refusal just before each
// instant, a burst of 10 at the instant with 2 admissions, and a refusal after
// it. Bursts at more than two places cannot all lie at an edge of a window on
// the clock.
func windowsAt(k *sheet, step string, admitted int, instants ...time.Duration) (admissions []int) {
	for i, at := range instants {
		if i > 0 {
			k.refuse("before", at-100*ms)
		}
		name := step + "-" + string(rune('a'+i))
		admissions = append(admissions, k.admits(admitted, name, at)...)
		k.refuses(10-admitted, name, at)
	}
	return admissions
}

// every gives n instants, at the given distance.
func every(distance time.Duration, n int) (instants []time.Duration) {
	for i := range n {
		instants = append(instants, time.Duration(i)*distance)
	}
	return instants
}

func TestRequestsKept(t *testing.T) {
	const id = "requests/limit-kept"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("requests-windows", id)
		return b, b.key(perWindow(2))
	}
	t.Run("fixed windows", func(t *testing.T) {
		b, k := start(t)
		windowsAt(k, "burst", 2, every(5100*ms, 4)...)
		b.wants(id, Pass, "8 of 43 requests admitted, lawful for a fixed window from first use", []int{})
	})
	t.Run("one too many", func(t *testing.T) {
		b, k := start(t)
		ids := windowsAt(k, "burst", 3, 0, 7500*ms, 16*sec)
		b.wants(id, Fail, "key-1 was admitted 1 requests more", ids[:3])
	})
	t.Run("one too many, and too few were answered", func(t *testing.T) {
		b, k := start(t)
		ids := windowsAt(k, "burst", 3, 0, 7500*ms, 16*sec)
		for i := range b.h.Attempts {
			if a := &b.h.Attempts[i]; a.Status == 429 {
				a.Status, a.Error = 0, history.Reset
			}
		}
		b.wants(id, Fail, "1 requests more", ids[:3])
	})
	t.Run("admitted by the ledger, though the answers were lost", func(t *testing.T) {
		b, k := start(t)
		ids := windowsAt(k, "burst", 3, 0, 7500*ms, 16*sec)
		for i := range b.h.Attempts {
			if a := &b.h.Attempts[i]; a.Status == 200 {
				a.Status, a.Headers, a.Error = 0, 0, history.Reset
			}
		}
		b.wants(id, Fail, "1 requests more", ids[:3])
	})
	t.Run("an edge of a window on the clock excuses one burst", func(t *testing.T) {
		b, k := start(t)
		windowsAt(k, "burst", 3, 0)
		b.wants(id, Pass, "fixed window on the clock", nil)
	})
	t.Run("a lost attempt is no admission", func(t *testing.T) {
		b, k := start(t)
		windowsAt(k, "burst", 2, every(5100*ms, 4)...)
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
		k.admits(2, "burst", 0)
		k.lose("burst", 0)
		other := b.key(perWindow(2))
		ids := windowsAt(other, "burst", 3, 0, 7500*ms, 16*sec)
		b.wants(id, Fail, "key-2", ids[:3])
	})
	t.Run("without a ledger the status tells", func(t *testing.T) {
		b, k := start(t)
		b.h.Run.Ledger = false
		ids := windowsAt(k, "burst", 3, 0, 7500*ms, 16*sec)
		b.wants(id, Fail, "1 requests more", ids[:3])
	})
}

func TestRequestsInWholeSeconds(t *testing.T) {
	const id = "requests/limit-kept"
	start := func(t *testing.T, limit int64) (*book, *sheet) {
		b := newBook(t).scenario("requests-windows", id)
		return b, b.key(perWindow(limit))
	}
	// Over so many windows no window of 5 s on the clock and no bucket explains
	// windows of 4 s.
	t.Run("a second short, and turning on whole seconds", func(t *testing.T) {
		b, k := start(t, 2)
		windowsAt(k, "burst", 2, every(4*sec, 11)...)
		b.wants(id, Pass, "fixed window from first use", nil)
	})
	t.Run("half a millisecond short", func(t *testing.T) {
		b, k := start(t, 2)
		windowsAt(k, "burst", 2, every(4999500*time.Microsecond, 5)...)
		b.wants(id, Pass, "fixed window from first use", nil)
	})
	t.Run("as short, turning elsewhere", func(t *testing.T) {
		b, k := start(t, 2)
		windowsAt(k, "burst", 2, every(4300*ms, 11)...)
		b.wants(id, Fail, "more than its limit", nil)
	})
	t.Run("two seconds short, and turning on whole seconds", func(t *testing.T) {
		b, k := start(t, 2)
		windowsAt(k, "burst", 2, every(3*sec, 11)...)
		b.wants(id, Fail, "more than its limit", nil)
	})
	t.Run("a burst whose answers overtake each other", func(t *testing.T) {
		b, k := start(t, 2)
		windowsAt(k, "burst", 2, every(4*sec, 11)...)
		// The refusals of the third burst are answered before its admissions
		// reach the provider, 0.3 s later.
		for i := range b.h.Calls {
			if c := &b.h.Calls[i]; c.Received/sec == 8 {
				c.Received += 300 * ms
				c.Done += 300 * ms
			}
		}
		for i := range b.h.Attempts {
			if a := &b.h.Attempts[i]; a.Sent == 8*sec && a.Status == 200 {
				a.Headers += 300 * ms
				a.Done += 300 * ms
			}
		}
		b.wants(id, Pass, "", nil)
	})
	t.Run("too few turns to tell", func(t *testing.T) {
		b, k := start(t, 4)
		k.admit("burst", 0)
		k.refuses(20, "burst-late", 3950*ms)
		k.admits(3, "pace", 3900*ms)
		k.admits(2, "pace", 4100*ms)
		k.admits(2, "pace", 7900*ms)
		k.refuse("pace", 7950*ms)
		k.admits(3, "pace", 8100*ms)
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
	t.Run("a call that ran on behind a lost answer may be counted at its end", func(t *testing.T) {
		b, k := start(t)
		k.admit("burst-start", 0)
		k.admit("burst-start", 0, func(l *line) { l.Status, l.Error, l.calls[0].Done = 0, history.Reset, 3*sec })
		k.refuse("pace", 8900*ms)
		b.wants(id, Pass, "", nil)
	})
	saying := func(excerpt string) change {
		return func(l *line) { refusedInStream(l); l.Excerpt = excerpt }
	}
	const limited, failed = `{"error":{"message":"slow down","code":"429"}}`, `{"error":{"message":"connecting upstream","code":502}}`
	for name, test := range map[string]struct {
		others, first string
		want          Verdict
	}{
		"where others are told of the limit by an event": {limited, failed, Inconclusive},
		"where others are refused so too":                {failed, failed, Fail},
		"and says that it is of the limit":               {limited, limited, Fail},
		"and tells no code":                              {limited, `{"error":"over"}`, Fail},
	} {
		t.Run("a stream begins with an error "+name, func(t *testing.T) {
			b, k := start(t)
			k.refuse("burst-start", 10*ms, saying(test.first))
			k.admits(2, "burst-middle", 20*sec, streamed)
			k.refuse("burst-middle", 20*sec+10*ms, saying(test.others))
			b.wants(id, test.want, "", nil)
		})
	}
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
		k.refuse("pace", 11100*ms, status(503))
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
