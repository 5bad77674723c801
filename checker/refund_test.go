package checker

import (
	"testing"
	"time"
)

func TestRefundByHeaders(t *testing.T) {
	const id = "refund/upstream-error"
	// run enters three equal probes of 40 tokens, and two failed calls before the
	// last that may have reserved 80 to 160 each.
	run := func(b *book, first, second, third int64) {
		b.scenario("refund-upstream-error", id)
		k := b.key(tokensOnly(3000))
		k.admit("probe-1", 0, costing(40, 70, 30), left(first))
		k.admit("probe-2", 600*ms, costing(40, 70, 30), left(second))
		for i := range 2 {
			k.admit("fail", 1200*ms+time.Duration(i)*10*ms, costing(0, 160, 80), upstreamFails)
		}
		k.admit("probe-3", 1800*ms, costing(40, 70, 30), left(third))
	}
	for name, test := range map[string]struct {
		first, second, third int64
		unknown, known       Verdict // where the class was not, and was, measured
	}{
		"comes back":                      {2960, 2920, 2880, Pass, Pass},
		"comes back, one token too dear":  {2959, 2918, 2877, Pass, Pass},
		"keeps a token each":              {2960, 2920, 2878, Fail, Fail},
		"keeps a token in all":            {2960, 2920, 2879, Fail, Fail},
		"keeps the estimate":              {2960, 2920, 2680, Warn, Warn},
		"keeps an estimate and a token":   {2960, 2920, 2719, Fail, Fail},
		"keeps half of an estimate":       {2960, 2920, 2800, Fail, Fail},
		"keeps more than any estimate":    {2960, 2920, 2500, Fail, Fail},
		"comes back twice":                {2960, 2920, 3000, Inconclusive, Fail},
		"counts less, keeps a token each": {2970, 2940, 2908, Inconclusive, Fail},
		"counts less, comes back":         {2970, 2940, 2910, Inconclusive, Pass},
		// A window on the clock turned between the first two probes, or a bucket
		// was full again: the third fell by a probe, and nothing was kept.
		"turned between the probes": {2960, 2960, 2920, Inconclusive, Inconclusive},
		"turned before the third":   {2960, 2920, 2960, Inconclusive, Fail},
		"a bucket refills":          {2960, 2950, 2946, Inconclusive, Fail},
		"a counter's former window": {2960, 2925, 2888, Inconclusive, Fail},
		"stands still":              {2960, 2960, 2960, Inconclusive, Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			run(b, test.first, test.second, test.third)
			b.wants(id, test.unknown, "", nil)
			b = newBook(t)
			b.measured()
			run(b, test.first, test.second, test.third)
			b.wants(id, test.known, "", nil)
		})
	}
	t.Run("what shows it", func(t *testing.T) {
		b := newBook(t)
		run(b, 2960, 2920, 2878)
		b.wants(id, Fail, "2 failed calls left 2 tokens charged", []int{1, 2, 3, 4, 5})
	})
	t.Run("the third probe came before the refund may have", func(t *testing.T) {
		b := newBook(t)
		run(b, 2960, 2920, 2680)
		b.h.Attempts[4].Sent = 1400 * ms
		b.wants(id, Inconclusive, "less than 500ms after", nil)
	})
	t.Run("what the first probe had reserved came back between the others", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		run(b, 2930, 2890, 2880)
		b.h.Calls[len(b.h.Calls)-5].Done = 300 * ms
		b.wants(id, Inconclusive, "less than 500ms after", nil)
	})
	t.Run("a call that was to fail was served", func(t *testing.T) {
		b := newBook(t)
		run(b, 2960, 2920, 2680)
		b.h.Attempts[2].Status = 200
		b.wants(id, Inconclusive, "was to fail upstream did not: attempt 3", nil)
	})
	t.Run("the target keeps away from an upstream that failed", func(t *testing.T) {
		b := newBook(t)
		run(b, 2960, 2920, 2680)
		b.h.Attempts[4].Status, b.h.Calls[4].Nonce = 503, ""
		b.wants(id, Inconclusive, "probe-3 was not admitted", nil)
	})
	t.Run("nothing failed", func(t *testing.T) {
		b := newBook(t)
		run(b, 2960, 2920, 2680)
		b.h.Attempts[2].Step, b.h.Attempts[3].Step = "other", "other"
		b.wants(id, Inconclusive, "no call failed", nil)
	})
}

func TestRefundByFilling(t *testing.T) {
	const id = "refund/upstream-error"
	// run enters five failed calls and what filled up their key, and a control.
	run := func(b *book, after, control int) {
		b.scenario("refund-upstream-error", id)
		b.key(tokensOnly(3000)).admit("probe-1", 0)
		k := b.key(tokensOnly(620))
		for i := range 5 {
			k.admit("fail", 700*ms+time.Duration(i)*10*ms, costing(0, 160, 80), upstreamFails)
		}
		fillUp(k, "fill-after-failures", 1400*ms, after)
		fillUp(b.key(tokensOnly(621)), "fill-control", 1400*ms, control)
	}
	for name, test := range map[string]struct {
		after, control int
		unknown, known Verdict
	}{
		"alike":                    {10, 10, Pass, Pass},
		"one apart":                {9, 10, Pass, Pass},
		"charged after the answer": {11, 13, Pass, Pass},
		"keeps the estimates":      {3, 10, Inconclusive, Warn},
		"reserved a little late":   {8, 10, Pass, Pass},
		"keeps some":               {7, 10, Inconclusive, Fail},
		"nothing left":             {0, 10, Inconclusive, Warn},
		"gives back too much":      {16, 10, Inconclusive, Fail},
		"turned in the control":    {10, 14, Pass, Pass}, // 14 of 60 are 219 over: nobody knows
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			run(b, test.after, test.control)
			b.wants(id, test.unknown, "", nil)
			b = newBook(t)
			b.measured()
			run(b, test.after, test.control)
			b.wants(id, test.known, "", nil)
		})
	}
	t.Run("not filled up", func(t *testing.T) {
		b := newBook(t)
		run(b, 10, 10)
		b.h.Attempts = b.h.Attempts[:len(b.h.Attempts)-1]
		b.wants(id, Inconclusive, "could not be filled up", nil)
	})
}
