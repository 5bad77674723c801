package checker

import (
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

func TestRefundOnce(t *testing.T) {
	const id = "refund/once"
	fails := []change{upstreamFails, costing(0, 300, 150)}
	again := func(l *line) { // a call that failed and one that succeeded, 170 tokens
		l.calls = append(l.calls, l.calls[0])
		l.calls[0].Status, l.calls[0].Usage = 500, history.Usage{}
		l.calls[1].Usage.Total = 170
	}
	capped := func(l *line) { l.Cap = 300 }
	// run enters the readings: 40 for a probe, 170 for the retried call, and 40
	// for four that failed.
	run := func(b *book, retried []change, first, second, third int64) *sheet {
		k := b.scenario("refund-once", id).key(tokensOnly(4500))
		k.admit("probe-1", 0, costing(40, 70, 30), left(first))
		k.admit("retried", 100*ms, retried...)
		k.admit("probe-2", 1200*ms, costing(40, 70, 30), left(second))
		for i := range 4 {
			k.admit([]string{"fail", "fail-left"}[i%2], 1300*ms, fails...)
		}
		k.admit("probe-3", 2400*ms, costing(40, 70, 30), left(third))
		return k
	}
	for name, test := range map[string]struct {
		retried        []change
		second, third  int64
		unknown, known Verdict // where the class was not, and was, measured
		shown          []int
	}{
		"once":                         {[]change{again}, 4250, 4210, Pass, Pass, nil},
		"a token each too little":      {[]change{again}, 4252, 4217, Pass, Pass, nil},
		"more than a token too little": {[]change{again}, 4253, 4213, Inconclusive, Fail, []int{1, 2, 3}},
		"a token each too much":        {[]change{again}, 4248, 4208, Pass, Pass, nil},
		"more than a token too much":   {[]change{again}, 4247, 4207, Fail, Fail, []int{1, 2, 3}},
		"the retried keeps a call's":   {[]change{again}, 4100, 4060, Fail, Fail, []int{1, 2, 3}},
		// Four that failed keep 600, their max_tokens, and so may the one that was
		// tried again keep its cap of 300.
		"every failed call keeps it":    {[]change{again, capped}, 3948, 3308, Pass, Pass, nil},
		"and one keeps more":            {[]change{again, capped}, 3947, 3307, Fail, Fail, []int{1, 2, 3}},
		"and the others a token less":   {[]change{again, capped}, 3948, 3309, Fail, Fail, []int{1, 2, 3}},
		"the retried is free":           {[]change{again}, 4420, 4380, Inconclusive, Fail, []int{1, 2, 3}},
		"no proxy tried again":          {fails, 4420, 4380, Pass, Pass, nil},
		"a failed call keeps its own":   {fails, 4270, 3630, Pass, Pass, nil},
		"failed calls, a token each":    {[]change{again}, 4250, 4215, Pass, Pass, nil},
		"failed calls, more than that":  {[]change{again}, 4250, 4216, Inconclusive, Fail, []int{3, 4, 5, 6, 7, 8}},
		"failed calls come back twice":  {[]change{again}, 4250, 4500, Inconclusive, Fail, []int{3, 4, 5, 6, 7, 8}},
		"another tokenizer, all fairly": {[]change{again, func(l *line) { l.calls[1].Usage.Total = 169 }}, 4250, 4210, Pass, Pass, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			run(b, test.retried, 4460, test.second, test.third)
			b.wants(id, test.unknown, "", nil)
			if test.unknown == Fail {
				b.wants(id, Fail, "", test.shown)
			}
			b = newBook(t)
			b.measured()
			from := len(b.h.Attempts)
			run(b, test.retried, 4460, test.second, test.third)
			if test.known == Fail {
				for i := range test.shown {
					test.shown[i] += from
				}
			}
			b.wants(id, test.known, "", test.shown)
		})
	}
	t.Run("not charged yet", func(t *testing.T) {
		for ends, want := range map[time.Duration]Verdict{700 * ms: Fail, 700*ms + 1: Inconclusive} {
			for _, second := range []int64{4000, 4420} { // still reserved, and not yet charged
				b := newBook(t)
				b.measured()
				run(b, []change{again, func(l *line) { l.calls[1].Done = ends }}, 4460, second, second-40)
				b.wants(id, want, "", nil)
			}
		}
	})
	t.Run("a call ran on when its client had left", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		run(b, []change{again}, 4460, 4250, 4500)
		b.h.Calls[len(b.h.Calls)-2].Done = 2300 * ms
		b.wants(id, Inconclusive, "less than 500ms after", nil)
	})
	t.Run("no counter told", func(t *testing.T) {
		b := newBook(t).scenario("refund-once", id)
		b.key(tokensOnly(4500)).admit("probe-1", 0)
		b.wants(id, Skip, "tells no token counter", nil)
	})
	t.Run("a call did not reach the provider", func(t *testing.T) {
		b := newBook(t)
		k := run(b, []change{again}, 4460, 4250, 4500)
		k.refuse("fail", 1400*ms)
		b.wants(id, Inconclusive, "did not reach the provider", nil)
	})
	t.Run("nothing failed", func(t *testing.T) {
		b := newBook(t).scenario("refund-once", id)
		k := b.key(history.Limits{})
		for i, name := range []string{"probe-1", "probe-2", "probe-3"} {
			k.admit(name, msTimes(i)*sec, left(4000))
		}
		b.wants(id, Inconclusive, "no call failed", nil)
	})
	t.Run("a probe was refused", func(t *testing.T) {
		b := newBook(t).scenario("refund-once", id)
		b.key(tokensOnly(4500)).refuse("probe-1", 0)
		b.wants(id, Inconclusive, "probe-1 was not admitted", nil)
	})
}
