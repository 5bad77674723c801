package checker

import (
	"slices"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// measuredOnClock enters the scenario that tells the class: windows of a limit
// of 4 that turn every 5 s, whenever their first request came.
func (b *book) measuredOnClock() *sheet {
	k := b.scenario("requests-windows", "requests/limit-kept").key(perWindow(4))
	b.tokensAsked()
	for i, at := range []time.Duration{3 * sec, 5010 * ms, 14 * sec, 15010 * ms} {
		for j := range 4 {
			// Not at one instant: an edge could lie within the spans of all.
			k.admit("burst", at+msTimes(j)*10*ms)
		}
		k.refuses(16, "burst", at+40*ms)
		if i%2 == 0 {
			k.refuse("before", at.Truncate(window5)+4980*ms)
		}
	}
	return k
}

// tokensOnClock enters the scenarios that tell how tokens are counted: as
// measuredOnClock counts requests, by a limiter that reserves.
func (b *book) tokensOnClock() *sheet {
	k := b.scenario("tokens-sequential", asksForTokenClass).key(tokensOnly(1000))
	cost := costing(250, 250, 250)
	for i, at := range []time.Duration{3 * sec, 5010 * ms, 14 * sec, 15010 * ms} {
		for j := range 4 {
			k.admit("ask", at+msTimes(j)*10*ms, cost)
		}
		k.refuses(16, "ask", at+40*ms, cost)
		if i%2 == 0 {
			k.refuse("ask", at.Truncate(window5)+4980*ms, cost)
		}
	}
	b.scenario("drift-edge", asksForReserving).key(tokensOnly(1310)).refuse("never", 0)
	return k
}

func TestStraddlingBurst(t *testing.T) {
	const id = "requests/straddling-burst"
	// A window of 3 opens at 0; the burst of 6 is under way at its end.
	burst := func(b *book) *sheet {
		k := b.scenario("requests-straddle", id).key(perWindow(3))
		k.admit("open", 0)
		k.admits(2, "straddle", 4800*ms)
		k.refuses(4, "straddle", 4900*ms)
		return k
	}
	measured := func(t *testing.T) *book { b := newBook(t); b.measured(); return b }
	behind := []time.Duration{6500 * ms, 7500 * ms}
	t.Run("kept", func(t *testing.T) {
		b := measured(t)
		k := burst(b)
		for _, at := range behind {
			k.admit("next-window", at)
		}
		b.wants(id, Pass, "4 of a burst of 6 were refused around a window's edge; behind it 2 of 2", []int{})
	})
	t.Run("costs the next window", func(t *testing.T) {
		b := measured(t)
		k := burst(b)
		open := len(b.h.Attempts) - 6
		last := 0
		for _, at := range behind {
			last = k.refuse("next-window", at)
		}
		b.wants(id, Fail, "4 of 6 in the burst, 2 of 2 behind the edge", nil)
		r := b.verdict(id)
		if !slices.Equal(r.Needs, []string{asksForClass}) || r.Attempts[0] != open || r.Attempts[1] < last-1 || len(r.Attempts) != 2 {
			t.Errorf("needs %v, attempts %v; want the opening %d and one behind the edge", r.Needs, r.Attempts, open)
		}
	})
	t.Run("refused while the former window may still be open", func(t *testing.T) {
		for at, want := range map[time.Duration]Verdict{4999 * ms: Pass, 5000*ms - 1: Pass, 5002 * ms: Fail, 6 * sec: Fail} {
			b := measured(t)
			burst(b).refuse("next-window", at)
			b.wants(id, want, "", nil)
		}
	})
	t.Run("a whole second early is no accusation", func(t *testing.T) {
		b := measured(t)
		k := burst(b)
		// The next window opened at 4.1 s, by a part of the burst.
		k.admits(3, "straddle", 4100*ms)
		k.refuses(3, "straddle", 4990*ms)
		k.refuse("next-window", 6500*ms)
		b.wants(id, Pass, "", nil)
	})
	t.Run("refused in the burst although there was room", func(t *testing.T) {
		b := measured(t)
		k := b.scenario("requests-straddle", id).key(perWindow(3))
		k.admit("open", 0)
		k.refuses(6, "straddle", 4*sec)
		k.admits(2, "next-window", 6500*ms)
		b.wants(id, Fail, "6 of 6 in the burst, 0 of 2 behind the edge", nil)
		if r := b.verdict(id); r.Observed != "refused 4.000 s after the window had opened; 0 of the burst were admitted" {
			t.Errorf("observed %q", r.Observed)
		}
	})
	for name, change := range map[string]func(*book, *sheet){
		"class not known": func(b *book, k *sheet) { b.h.Run.Planned[0].Asks = nil; k.refuse("next-window", 6500*ms) },
		"nothing behind":  func(*book, *sheet) {},
		"lost":            func(_ *book, k *sheet) { k.lose("next-window", 6500*ms) },
		"an overload":     func(_ *book, k *sheet) { k.refuse("next-window", 6500*ms, status(503)) },
		"charged overload": func(_ *book, k *sheet) {
			k.refuses(3, "straddle", 5100*ms, status(503))
			k.refuse("next-window", 6500*ms)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := measured(t)
			change(b, burst(b))
			b.wants(id, Inconclusive, "", nil)
		})
	}
	t.Run("nothing refused", func(t *testing.T) {
		b := measured(t)
		k := b.scenario("requests-straddle", id).key(perWindow(30))
		k.admit("open", 0)
		k.admits(5, "straddle", 4900*ms)
		k.admit("next-window", 6500*ms)
		b.wants(id, Inconclusive, "the burst was not refused", nil)
	})
	t.Run("no request limit", func(t *testing.T) {
		b := measured(t).scenario("requests-straddle", id)
		b.key(history.Limits{}).admit("open", 0)
		b.wants(id, Inconclusive, "no key with a request limit", nil)
	})
}

func TestLockout(t *testing.T) {
	const id = "tokens/lockout-bounded"
	// The slow answer takes 6 s and uses 560 of 1900. It states no max_tokens.
	slow := func(b *book, changes ...change) *sheet {
		k := b.scenario("tokens-lockout", id).key(both(1001, 1900))
		k.admit("slow", 0, append([]change{costing(560, 0, 0), taking(6 * sec)}, changes...)...)
		return k
	}
	asks := costing(440, 500, 430)
	t.Run("never locked out", func(t *testing.T) {
		b := newBook(t)
		k := slow(b)
		for i := range 6 {
			k.admit("ask", 7*sec+time.Duration(i)*2*sec, asks)
		}
		b.wants(id, Pass, "admitted at +1.0, +3.0", []int{})
	})
	// row enters refusals from 15 s on, when by every way of counting there is
	// room again, until the last is answered at the end, and then admissions.
	row := func(b *book, end time.Duration, changes ...change) (list []int) {
		k := slow(b)
		for at := 15 * sec; at < end-10*ms; at += 2 * sec {
			list = append(list, k.refuse("ask", at, append([]change{costing(0, 500, 430)}, changes...)...))
		}
		list = append(list, k.refuse("ask", end-2*ms, costing(0, 500, 430)))
		k.admit("ask", end+2*sec, asks)
		return list
	}
	t.Run("as long as a window and a second", func(t *testing.T) {
		for end, want := range map[time.Duration]Verdict{21*sec - 1: Pass, 21 * sec: Pass, 21*sec + 1: Fail, 25 * sec: Fail} {
			b := newBook(t)
			list := row(b, end)
			if b.wants(id, want, "", nil); want == Fail {
				b.wants(id, Fail, "locked out for more than", append([]int{1}, list...))
			}
		}
	})
	t.Run("refused for long, by what some class remembers", func(t *testing.T) {
		b := newBook(t)
		k := slow(b, func(l *line) { l.calls[0].Usage.Total = 1900 })
		for i := range 4 {
			k.refuse("ask", 6500*ms+time.Duration(i)*2*sec, costing(0, 1500, 430))
		}
		b.wants(id, Inconclusive, "some class of limiter may still remember", nil)
	})
	t.Run("an overload in the midst", func(t *testing.T) {
		b := newBook(t)
		row(b, 25*sec)
		b.h.Attempts[3].Status = 503
		b.wants(id, Inconclusive, "or met an overload: attempt 4: status 503", nil)
	})
	t.Run("the client gave up, and the call ran on", func(t *testing.T) {
		b := newBook(t)
		row(b, 25*sec)
		b.h.Attempts[0].Error = history.Deadline
		b.wants(id, Inconclusive, "not answered as planned", nil)
	})
	t.Run("a call that ran on is charged when it ended", func(t *testing.T) {
		b := newBook(t)
		row(b, 25*sec)
		b.h.Calls[0].Done, b.h.Calls[0].Usage.Total = 24*sec, 1900
		b.wants(id, Inconclusive, "some class of limiter may still remember", nil)
	})
	t.Run("not slow", func(t *testing.T) {
		for took, want := range map[time.Duration]Verdict{window5 - 1: Inconclusive, window5: Pass} {
			b := newBook(t)
			k := slow(b, taking(took))
			k.admit("ask", 20*sec, asks)
			b.wants(id, want, "", nil)
		}
	})
	t.Run("asked for two windows", func(t *testing.T) {
		for at, want := range map[time.Duration]Verdict{16*sec - 1: Inconclusive, 16 * sec: Pass} {
			b := newBook(t)
			slow(b).admit("ask", at, asks)
			b.wants(id, want, "", nil)
		}
	})
	t.Run("lost", func(t *testing.T) {
		b := newBook(t)
		k := slow(b)
		k.lose("ask", 7*sec)
		k.admit("ask", 20*sec, asks)
		b.wants(id, Inconclusive, "not every request", nil)
	})
	t.Run("no slow request, no limits, no keys", func(t *testing.T) {
		b := newBook(t).scenario("tokens-lockout", id)
		b.key(history.Limits{}).admit("ask", 0)
		b.wants(id, Inconclusive, "it was not sent", nil)
		b = newBook(t).scenario("tokens-lockout", id)
		b.wants(id, Inconclusive, "", nil)
	})
}
