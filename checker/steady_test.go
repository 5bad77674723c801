package checker

import (
	"slices"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

const steadyID = "drift/steady-state"

// steadyRound enters one round of traffic from an instant on: a stream, one
// that is left, a failure, and then fills of 150 until one is refused.
func steadyRound(k *sheet, name string, at time.Duration, fills int) (full int) {
	k.admit("mix-"+name, at, costing(60, 200, 60), streamed)
	k.admit("mix-"+name, at+10*ms, costing(60, 200, 60), streamed, func(l *line) { l.Error = history.Left })
	k.admit("mix-"+name, at+20*ms, costing(0, 200, 60), upstreamFails)
	for i := range fills {
		k.admit("fill-"+name, at+700*ms+msTimes(i)*200*ms, costing(150, 180, 120))
	}
	return k.refuse("fill-"+name, at+700*ms+msTimes(fills)*200*ms, costing(0, 180, 120))
}

func steadyRounds(b *book, fills ...int) (k *sheet, full []int) {
	k = b.scenario("drift-steady", steadyID).key(tokensOnly(1450))
	for i, n := range fills {
		full = append(full, steadyRound(k, string(rune('1'+i)), msTimes(i)*9*sec, n))
	}
	return k, full
}

func TestSteadyState(t *testing.T) {
	// A client that left may differ by 60, a fill is 150, and two or three of
	// them may be charged late: at most 510, which is three fills.
	for name, test := range map[string]struct {
		fills                   []int
		unknown, known, onClock Verdict
	}{
		"the same":               {[]int{8, 8, 8, 8}, Pass, Pass, Pass},
		"within the tolerance":   {[]int{8, 7, 6, 5}, Pass, Pass, Pass},
		"rises within it":        {[]int{8, 9, 10, 11}, Pass, Pass, Pass},
		"falls":                  {[]int{8, 7, 5, 4}, Inconclusive, Fail, Fail},
		"rises":                  {[]int{8, 9, 10, 12}, Inconclusive, Fail, Inconclusive},
		"one step":               {[]int{8, 8, 8, 2}, Inconclusive, Inconclusive, Inconclusive},
		"up and down":            {[]int{8, 9, 2, 1}, Inconclusive, Inconclusive, Inconclusive},
		"one window is not":      {[]int{8, 2, 8, 8}, Inconclusive, Inconclusive, Pass},
		"two windows, and apart": {[]int{8, 2}, Inconclusive, Inconclusive, Inconclusive},
		"two windows":            {[]int{8, 8}, Pass, Pass, Pass},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			steadyRounds(b, test.fills...)
			b.wants(steadyID, test.unknown, "", nil)
			b = newBook(t)
			b.measured()
			_, full := steadyRounds(b, test.fills...)
			b.wants(steadyID, test.known, "", nil)
			if test.known == Fail {
				b.wants(steadyID, Fail, "creeps by", full)
				if r := b.verdict(steadyID); !slices.Equal(r.Needs, asksToStand()) {
					t.Errorf("needs %v", r.Needs)
				}
			}
			b = newBook(t)
			b.measuredOnClock()
			steadyRounds(b, test.fills...)
			b.wants(steadyID, test.onClock, "", nil)
		})
	}
	t.Run("tokens on the clock beside windows for requests", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		b.tokensOnClock()
		steadyRounds(b, 8, 9, 10, 12)
		b.wants(steadyID, Inconclusive, "windows on the clock", nil)
	})
	t.Run("a bucket for tokens beside windows for requests", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		b.tokenBucket()
		steadyRounds(b, 8, 7, 5, 4)
		b.wants(steadyID, Inconclusive, "some class of limiter may do", nil)
	})
	creeping := []int{8, 7, 5, 4}
	for name, test := range map[string]struct {
		change func(b *book, first int)
		says   string
	}{
		"lasted too long": {func(b *book, _ int) {
			a := &b.h.Attempts[len(b.h.Attempts)-1]
			a.Sent, a.Headers, a.Done = a.Sent+2600*ms, a.Done+2600*ms, a.Done+2600*ms
		}, "lasted for nearly a window"},
		"other traffic": {func(b *book, first int) {
			b.h.Attempts = slices.Delete(b.h.Attempts, first, first+1)
		}, "another than that of the first"},
		"traffic refused": {func(b *book, first int) {
			b.h.Calls = slices.DeleteFunc(b.h.Calls, func(c history.Call) bool { return c.Nonce == b.h.Attempts[first].Nonce })
			b.h.Attempts[first].Status = 429
		}, "another than that of the first"},
		"a call ran on": {func(b *book, first int) {
			for i := range b.h.Calls {
				if b.h.Calls[i].Nonce == b.h.Attempts[first].Nonce {
					b.h.Calls[i].Done = 4001 * ms
				}
			}
		}, "began less than a window after"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			b.measured()
			first := len(b.h.Attempts)
			steadyRounds(b, creeping...)
			test.change(b, first)
			b.wants(steadyID, Inconclusive, test.says, nil)
		})
	}
	t.Run("tolerances", func(t *testing.T) {
		// Fills 0.6 s from each other: nothing is charged late. 210 is the client
		// that left and one fill.
		for last, want := range map[int64]Verdict{240: Pass, 239: Fail} {
			b := newBook(t)
			b.measured()
			k := b.scenario("drift-steady", steadyID).key(tokensOnly(700))
			for i, spent := range []int64{300, 280, last - 150} {
				at := msTimes(i) * 9 * sec
				n := string(rune('1' + i))
				k.admit("mix-"+n, at, costing(60, 200, 60), streamed, func(l *line) { l.Error = history.Left })
				k.admit("fill-"+n, at+700*ms, costing(150, 180, 120))
				k.admit("fill-"+n, at+1300*ms, costing(spent, 180, 120))
				k.refuse("fill-"+n, at+1900*ms, costing(0, 180, 120))
			}
			b.wants(steadyID, want, "", nil)
		}
	})
	for name, enter := range map[string]func(*sheet){
		"one window":      func(k *sheet) { steadyRound(k, "1", 0, 3) },
		"not used up":     func(k *sheet) { k.admit("fill-1", 0); k.admit("fill-2", 6*sec) },
		"an overload":     func(k *sheet) { k.refuse("fill-1", 0); k.refuse("fill-2", 6*sec, status(503)) },
		"lost":            func(k *sheet) { k.lose("fill-1", 0); k.refuse("fill-1", sec) },
		"no traffic":      func(k *sheet) { k.admit("other", 0) },
		"a later missing": func(k *sheet) { steadyRound(k, "1", 0, 3); steadyRound(k, "3", 9*sec, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t).scenario("drift-steady", steadyID)
			enter(b.key(history.Limits{}))
			b.wants(steadyID, Inconclusive, "", nil)
		})
	}
	t.Run("nothing is left for more", func(t *testing.T) {
		b := newBook(t)
		steadyRounds(b, 0, 0, 0)
		b.wants(steadyID, Pass, "admitted 0, 0, 0 tokens", nil)
	})
}
