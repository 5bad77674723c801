package checker

import (
	"slices"
	"testing"
	"time"
)

func TestDriftByHeaders(t *testing.T) {
	const id = "drift/remaining-matches-usage"
	// run enters two equal probes of 40 tokens and two requests of 100 between
	// them, and what the probes told. 240 were used between the two readings.
	run := func(b *book, first, second int64) {
		b.scenario("drift-rest", id)
		k := b.key(tokensOnly(4000))
		k.admit("probe-1", 0, costing(40, 70, 30), left(first))
		k.admit("traffic", 700*ms, costing(100, 200, 60))
		k.admit("traffic", 710*ms, costing(100, 200, 60), streamed)
		k.admit("probe-2", 1400*ms, costing(40, 70, 30), left(second))
	}
	for name, test := range map[string]struct {
		first, second  int64
		unknown, known Verdict // where the class was not, and was, measured
	}{
		"to the token":                  {3960, 3720, Pass, Pass},
		"told before the own charge":    {4000, 3760, Pass, Pass},
		"one token more for each":       {3960, 3717, Fail, Fail},
		"one token less for each":       {3960, 3723, Inconclusive, Fail},
		"output alone":                  {3970, 3840, Inconclusive, Fail},
		"nothing counted":               {4000, 4000, Inconclusive, Fail},
		"a bucket, full again":          {3960, 3960, Inconclusive, Fail},
		"a window on the clock, turned": {3960, 3860, Inconclusive, Fail},
		"the counter rose":              {3920, 3960, Inconclusive, Fail},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			run(b, test.first, test.second)
			b.wants(id, test.unknown, "", nil)
			b = newBook(t)
			b.measured()
			run(b, test.first, test.second)
			b.wants(id, test.known, "", nil)
			if r := b.verdict(id); test.unknown != test.known && !slices.Equal(r.Needs, []string{"requests/limit-kept", "tokens/limit-kept"}) {
				t.Errorf("needs %v", r.Needs)
			}
		})
	}
	t.Run("what shows it", func(t *testing.T) {
		b := newBook(t)
		run(b, 3960, 3717)
		b.wants(id, Fail, "off by 3 tokens", []int{1, 2, 3, 4})
	})
	t.Run("read too soon for a charge after the answer", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		run(b, 3960, 3800)
		b.h.Attempts[len(b.h.Attempts)-1].Sent = 900 * ms
		b.wants(id, Inconclusive, "less than 500ms after", nil)
	})
	t.Run("a call ran on behind its answer", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		run(b, 3960, 3680) // 40 that were reserved have not come back
		b.h.Calls[len(b.h.Calls)-2].Done = 1350 * ms
		b.wants(id, Inconclusive, "less than 500ms after", nil)
	})
	t.Run("so did one that was sent before the first probe", func(t *testing.T) {
		for first, second := range map[int64]int64{3900: 3720, 4000: 3720} { // reserved, and not charged yet
			b := newBook(t)
			b.measured()
			b.scenario("drift-rest", id)
			k := b.key(tokensOnly(4000))
			other := func(l *line) { l.Asks = []string{"refund/unused-estimate"} }
			asking := func(l *line) { l.Asks = []string{id} }
			k.admit("traffic", 0, costing(40, 100, 30), other, func(l *line) { l.calls[0].Done = 900 * ms })
			k.admit("probe-1", 700*ms, costing(40, 70, 30), left(first), asking)
			k.admit("traffic", 1400*ms, costing(200, 300, 60), asking)
			k.admit("probe-2", 2100*ms, costing(40, 70, 30), left(second), asking)
			b.wants(id, Inconclusive, "less than 500ms after", nil)
		}
	})
	t.Run("a sequence that outlasts a window may turn", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		run(b, 3960, 3960)
		last := &b.h.Attempts[len(b.h.Attempts)-1]
		last.Sent, last.Headers, last.Done = 4500*ms, 4502*ms, 4502*ms
		b.h.Calls[len(b.h.Calls)-1].Received = 4501 * ms
		b.wants(id, Inconclusive, "refilled or turned", nil)
	})
	t.Run("an answer was lost of those that tell how tokens are counted", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		b.tokenBucket().lose("ask", 30*sec)
		run(b, 3960, 3830) // a bucket refills
		b.wants(id, Inconclusive, "refilled or turned", nil)
	})
	t.Run("another counter's header", func(t *testing.T) {
		b := newBook(t)
		run(b, 3960, 3717)
		telling("x-ratelimit-limit-tokens", 1_000_000)(&line{Attempt: b.h.Attempts[0]})
		for i := range b.h.Attempts {
			if h := b.h.Attempts[i].Header; h != nil {
				h["x-ratelimit-limit-tokens"] = "1000000"
			}
		}
		b.wants(id, Inconclusive, "another counter", nil)
	})
	t.Run("the second probe tells nothing", func(t *testing.T) {
		b := newBook(t)
		run(b, 3960, 3720)
		b.h.Attempts[3].Header = nil
		b.wants(id, Inconclusive, "does not tell what is left", nil)
	})
	t.Run("a request of the traffic was lost", func(t *testing.T) {
		b := newBook(t)
		run(b, 3960, 3717)
		b.key(tokensOnly(1)).lose("traffic", 0)
		b.wants(id, Inconclusive, "not answered as planned", nil)
	})
	t.Run("a retry of the target is used too", func(t *testing.T) {
		b := newBook(t)
		run(b, 3960, 3620)
		again := b.h.Calls[1]
		again.ID = len(b.h.Calls) + 1
		b.h.Calls = append(b.h.Calls, again)
		b.wants(id, Pass, "340 tokens used", nil)
	})
}

// fillUp enters n admissions of 60 tokens of a cap of 80 and a refusal.
func fillUp(k *sheet, step string, from time.Duration, n int) {
	for i := range n {
		k.admit(step, from+time.Duration(i)*600*ms/4, costing(60, 80, 40))
	}
	k.refuse(step, from+time.Duration(n)*600*ms/4, costing(60, 80, 40))
}

func TestDriftByFilling(t *testing.T) {
	const id = "drift/remaining-matches-usage"
	run := func(b *book, fills int) {
		b.scenario("drift-rest", id)
		b.key(tokensOnly(4000)).admit("probe-1", 0)
		k := b.key(tokensOnly(1200))
		k.admit("traffic", 0, costing(300, 400, 300))
		fillUp(k, "fill", 600*ms, fills)
	}
	for name, test := range map[string]struct {
		fills          int
		unknown, known Verdict
	}{
		"the limit":                     {15, Pass, Pass},
		"a cap less":                    {14, Pass, Pass},
		"charged after the answer":      {18, Pass, Pass}, // three may be on their way
		"what was reserved comes late":  {13, Pass, Pass}, // of three requests, 20 each
		"full far below the limit":      {12, Fail, Fail},
		"full at half":                  {6, Fail, Fail},
		"much more than the limit":      {26, Inconclusive, Inconclusive}, // 4.5 s: the window may have turned
		"a third more, within a window": {20, Inconclusive, Fail},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			run(b, test.fills)
			b.wants(id, test.unknown, "", nil)
			b = newBook(t)
			b.measured()
			run(b, test.fills)
			b.wants(id, test.known, "", nil)
		})
	}
	t.Run("not filled up", func(t *testing.T) {
		b := newBook(t)
		run(b, 15)
		b.h.Attempts = b.h.Attempts[:len(b.h.Attempts)-1]
		b.wants(id, Inconclusive, "could not be filled up", nil)
	})
}
