package checker

import (
	"testing"

	"github.com/ratecheck/ratecheck/history"
)

const basisID = "tokens/basis"

// cached says how much of what an attempt used came from a cache.
func cached(n int64) change {
	return func(l *line) {
		for i := range l.calls {
			l.calls[i].Usage.Cached = n
		}
	}
}

// basisSheet enters 300 tokens, 100 of them cached, by a probe and two plain
// requests, and as many by a probe and two streams; readings are what the three
// probes told.
func basisSheet(b *book, readings ...int64) *sheet {
	b.scenario("forwarding-bodies", basisID)
	k := b.key(both(110, 3900))
	asking := func(l *line) { l.Asks = []string{basisID} }
	other := func(l *line) { l.Asks = []string{"forwarding/body-unchanged"} }
	k.admits(3, "tools", 0, other)
	probe := func(i int) change {
		if i >= len(readings) {
			return func(*line) {}
		}
		return left(readings[i])
	}
	k.admit("probe-1", 700*ms, asking, costing(40, 100, 30), probe(0))
	for i := range 2 {
		k.admit("traffic", 710*ms+msTimes(i)*10*ms, asking, costing(130, 310, 70), cached(50))
	}
	k.admit("probe-2", 1400*ms, asking, costing(40, 100, 30), probe(1))
	for i := range 2 {
		k.admit("traffic-streams", 1410*ms+msTimes(i)*10*ms, asking, streamed, costing(130, 310, 70), cached(50))
	}
	k.admit("probe-3", 2100*ms, asking, costing(40, 100, 30), probe(2))
	return k
}

func TestBasis(t *testing.T) {
	for name, test := range map[string]struct {
		plain, streams int64   // what was charged
		known, unknown Verdict // where the class was, and was not, measured
		says           string
	}{
		"all":                            {300, 300, Pass, Pass, "of cached tokens all: plain answers used 300 tokens, and the counter fell by 300"},
		"without what was cached":        {200, 200, Pass, Pass, "of cached tokens none"},
		"a tenth of what was cached":     {210, 210, Pass, Pass, "of cached tokens 10 %"},
		"a token more for each":          {203, 203, Pass, Pass, "of cached tokens none"},
		"streams by another tokenizer":   {200, 185, Pass, Pass, ""},
		"the input alone":                {130, 130, Fail, Inconclusive, "not even the other tokens are charged"},
		"the output alone":               {160, 160, Fail, Inconclusive, "not even the other tokens are charged"},
		"nothing":                        {0, 0, Fail, Inconclusive, ""},
		"cached tokens twice":            {400, 400, Fail, Fail, "plain answers with cached tokens are charged more than they used"},
		"cached tokens twice on streams": {200, 400, Fail, Fail, "streams with cached tokens are charged more"},
		"streams of less":                {200, 100, Fail, Inconclusive, "of streams with cached tokens not even"},
		"all on streams, none on plain":  {200, 300, Fail, Inconclusive, "count otherwise on streams"},
		"none on streams, all on plain":  {300, 200, Fail, Inconclusive, ""},
		"a counter that rose meanwhile":  {-500, -500, Fail, Inconclusive, ""},
		"a little more on streams":       {200, 230, Pass, Pass, ""},
	} {
		t.Run(name, func(t *testing.T) {
			readings := []int64{3500, 3500 - test.plain, 3500 - test.plain - test.streams}
			b := newBook(t)
			basisSheet(b, readings...)
			b.wants(basisID, test.unknown, "", nil)
			b = newBook(t)
			b.measured()
			basisSheet(b, readings...)
			b.wants(basisID, test.known, test.says, nil)
		})
	}
	t.Run("what shows it", func(t *testing.T) {
		b := newBook(t)
		basisSheet(b, 3500, 3100, 2700)
		b.wants(basisID, Fail, "", []int{4, 5, 6, 7})
		if r := b.verdict(basisID); r.Expected != "200 to 300 tokens, for 100 of 300 were cached" || r.Observed != "remaining fell by 400, to 3100" {
			t.Errorf("expected %q, observed %q", r.Expected, r.Observed)
		}
	})
	t.Run("what shows that streams differ", func(t *testing.T) {
		b := newBook(t)
		basisSheet(b, 3500, 3300, 3000)
		b.wants(basisID, Inconclusive, "plain answers used 300 tokens, 100 of them cached: too little was charged, or it refilled", nil)
		b.measured()
		b.wants(basisID, Fail, "", []int{4, 5, 6, 7, 8, 9, 10})
		if r := b.verdict(basisID); r.Expected != "0 % of them, as of the 100 on plain answers" || r.Observed != "100 % of 100" {
			t.Errorf("expected %q, observed %q", r.Expected, r.Observed)
		}
	})
	t.Run("no token headers", func(t *testing.T) {
		b := newBook(t)
		basisSheet(b)
		b.wants(basisID, Skip, "does not tell what is left", nil)
	})
	t.Run("another counter's", func(t *testing.T) {
		b := newBook(t)
		basisSheet(b, 3500, 3300, 3100)
		for i := range b.h.Attempts {
			if b.h.Attempts[i].Header != nil {
				b.h.Attempts[i].Header["x-ratelimit-limit-tokens"] = "9"
			}
		}
		b.wants(basisID, Inconclusive, "that is another counter", nil)
	})
	t.Run("without our provider", func(t *testing.T) {
		b := newBook(t)
		basisSheet(b, 3500, 3300, 3100)
		b.h.Run.Ledger = false
		b.wants(basisID, Skip, "of our provider only", nil)
	})
	t.Run("nothing was cached", func(t *testing.T) {
		b := newBook(t)
		basisSheet(b, 3500, 3300, 3100)
		for i := range b.h.Calls {
			b.h.Calls[i].Usage.Cached = 0
		}
		b.wants(basisID, Inconclusive, "no plain answers with cached tokens", nil)
	})
	for name, test := range map[string]struct {
		change func(h *history.History)
		says   string
	}{
		"other requests just before": {func(h *history.History) { h.Attempts[0].Sent, h.Attempts[0].Done = 650*ms, 652*ms }, "after other requests had ended"},
		"traffic that ended late":    {func(h *history.History) { h.Attempts[5].Done = 1300 * ms }, "after the traffic had ended"},
		"traffic that failed":        {func(h *history.History) { h.Attempts[5].Status = 500 }, "not answered as planned"},
		"a probe that was refused":   {func(h *history.History) { h.Attempts[6].Status = 429; h.Calls[6].Nonce = "" }, "probe-2 was not admitted"},
		"two probes":                 {func(h *history.History) { h.Attempts = h.Attempts[:9] }, "2 probes were sent"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			basisSheet(b, 3500, 3300, 3100)
			test.change(&b.h)
			b.wants(basisID, Inconclusive, test.says, nil)
		})
	}
	t.Run("no probe", func(t *testing.T) {
		b := newBook(t).scenario("forwarding-bodies", basisID)
		b.key(both(110, 3900)).admit("tools", 0)
		b.wants(basisID, Inconclusive, "no probe was sent", nil)
	})
}
