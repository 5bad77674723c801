package checker

import (
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

const countedID = "tokens/endpoints-counted"

// alsoCounted has the scenario planned last ask whether its tokens are counted.
func (b *book) alsoCounted() *book {
	plan := &b.h.Run.Planned[len(b.h.Run.Planned)-1]
	plan.Asks = append(plan.Asks, countedID)
	return b
}

func TestEndpointsCountedByHeaders(t *testing.T) {
	for name, test := range map[string]struct {
		readings       []int64
		known, unknown Verdict // where the class was, and was not, measured
		says           string
	}{
		"to the token":                   {[]int64{680, 520, 180}, Pass, Pass, "plain answers used 160 tokens, and the counter fell by 160; streams used 340 tokens, and the counter fell by 340"},
		"drifting":                       {[]int64{679, 515, 172}, Pass, Pass, ""},
		"twice":                          {[]int64{680, 360, -320}, Pass, Pass, ""},
		"half, as where output counts":   {[]int64{700, 620, 450}, Pass, Pass, ""},
		"less than half of plain":        {[]int64{700, 621, 281}, Fail, Inconclusive, "plain answers are not charged"},
		"one token for each plain one":   {[]int64{719, 715, 414}, Fail, Inconclusive, ""},
		"streams free":                   {[]int64{680, 520, 480}, Fail, Inconclusive, ""},
		"nothing counted":                {[]int64{720, 720, 720}, Fail, Inconclusive, ""},
		"a counter that rose by itself":  {[]int64{680, 700, 360}, Fail, Inconclusive, ""},
		"less than half of both, and up": {[]int64{680, 700, 690}, Fail, Inconclusive, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			oneKey(b, test.readings...)
			b.alsoCounted()
			b.wants(countedID, test.unknown, "", nil)
			b = newBook(t)
			b.measured()
			oneKey(b, test.readings...)
			b.alsoCounted()
			b.wants(countedID, test.known, test.says, nil)
		})
	}
	t.Run("what shows it", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		first := len(b.h.Attempts)
		oneKey(b, 680, 520, 480)
		b.alsoCounted().wants(countedID, Fail, "streams are not charged", []int{first + 5, first + 6, first + 7, first + 8})
		r := b.verdict(countedID)
		if r.Expected != "remaining falls from 520 by about the 340 tokens that were used" || r.Observed != "it fell by 40, to 480" {
			t.Errorf("expected %q, observed %q", r.Expected, r.Observed)
		}
		if len(r.Needs) != 2 || r.Needs[0] != asksForClass || r.Figure.String() != "0.12x" {
			t.Errorf("needs %v, figure %v", r.Needs, r.Figure)
		}
	})
	t.Run("what has no streams", func(t *testing.T) {
		b := newBook(t).scenario("endpoint-embeddings", countedID).on(history.Embeddings)
		k := b.key(both(19, 410))
		k.admit("probe-1", 0, left(370), costing(40, 100, 20))
		k.admits(3, "traffic", 10*ms, costing(40, 100, 20))
		k.admit("probe-2", 700*ms, left(210), costing(40, 100, 20))
		b.wants(countedID, Pass, "plain answers used 160 tokens, and the counter fell by 160", []int{})
	})
	t.Run("read too early", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		k := b.scenario("endpoint-embeddings", countedID).key(both(19, 410))
		k.admit("probe-1", 0, left(410), costing(40, 100, 20))
		k.admits(3, "traffic", 10*ms, costing(40, 100, 20))
		k.admit("probe-2", 20*ms, left(410), costing(40, 100, 20))
		b.wants(countedID, Inconclusive, "was read less than", nil)
	})
	t.Run("what was reserved before comes back meanwhile", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		k := b.scenario("endpoint-embeddings", countedID).key(both(19, 410))
		k.admit("other", 0, costing(40, 160, 20), func(l *line) { l.calls[0].Done = 900 * ms })
		k.admit("probe-1", 700*ms, left(250), costing(40, 100, 20))
		k.admits(3, "traffic", 710*ms, costing(40, 100, 20))
		k.admit("probe-2", 1400*ms, left(210), costing(40, 100, 20))
		b.wants(countedID, Inconclusive, "was read less than", nil)
	})
	t.Run("traffic that failed", func(t *testing.T) {
		b := newBook(t).scenario("endpoint-embeddings", countedID)
		k := b.key(both(19, 410))
		k.admit("probe-1", 0, left(370), costing(40, 100, 20))
		k.admit("traffic", 10*ms, upstreamFails)
		k.admit("probe-2", 700*ms, left(370), costing(40, 100, 20))
		b.wants(countedID, Inconclusive, "not answered as planned: attempt 2", nil)
	})
	t.Run("a probe that was refused", func(t *testing.T) {
		b := newBook(t).scenario("endpoint-embeddings", countedID)
		k := b.key(both(19, 410))
		k.admit("probe-1", 0, left(370), costing(40, 100, 20))
		k.admit("traffic", 10*ms, costing(40, 100, 20))
		k.refuse("probe-2", 700*ms)
		b.wants(countedID, Inconclusive, "probe-2 was not admitted", nil)
	})
	t.Run("one probe", func(t *testing.T) {
		b := newBook(t).scenario("endpoint-embeddings", countedID)
		b.key(both(19, 410)).admit("probe-1", 0, left(370))
		b.wants(countedID, Inconclusive, "1 probes were sent", nil)
	})
}

func TestEndpointsCountedByFilling(t *testing.T) {
	for name, test := range map[string]struct {
		fills          int
		known, unknown Verdict
	}{
		"full at the limit":      {4, Pass, Pass},
		"one more, charged late": {5, Pass, Pass},
		"full too early":         {1, Pass, Pass}, // is charged, and too much: drift
		"late, or streams free":  {12, Inconclusive, Inconclusive},
		"much uncounted":         {14, Fail, Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			fill(oneKey(b), test.fills)
			b.alsoCounted().wants(countedID, test.unknown, "", nil)
			b = newBook(t)
			b.measured()
			fill(oneKey(b), test.fills)
			b.alsoCounted().wants(countedID, test.known, "", nil)
		})
	}
	t.Run("never full", func(t *testing.T) {
		b := newBook(t)
		oneKey(b).admit("fill", 2*time.Second, costing(40, 100, 20))
		b.alsoCounted().wants(countedID, Inconclusive, "could not be filled up", nil)
	})
}
