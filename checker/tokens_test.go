package checker

import (
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// sequence enters one request each 250 ms, as a row of letters says: a for
// admitted, r for refused, l for lost. Each uses 50 tokens of a cap of 110.
func sequence(k *sheet, row string, changes ...change) (ids []int) {
	changes = append([]change{costing(50, 110, 30)}, changes...)
	for i, letter := range row {
		at := time.Duration(i) * 250 * ms
		switch letter {
		case 'a':
			ids = append(ids, k.admit("ask", at, changes...))
		case 'r':
			ids = append(ids, k.refuse("ask", at, changes...))
		case 'l':
			ids = append(ids, k.lose("ask", at, changes...))
		}
	}
	return ids
}

func TestTokensKept(t *testing.T) {
	const id = "tokens/limit-kept"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("tokens-sequential", id)
		return b, b.key(tokensOnly(500))
	}
	const full, none = "aaaaaaaaaarrrrrrrrrr", "rrrrrrrrrrrrrrrrrrrr"
	for name, test := range map[string]struct {
		row     string
		verdict Verdict
		says    string
	}{
		"the limit in each window":    {full + full + full + full + "a", Pass, "41 of 81 requests admitted; each window admitted at least 500 of 500"},
		"a bucket":                    {"aaaaaaaaaaaaaaaaaaararararararararararararararararararararararararararararararara", Pass, ""},
		"charged 0.5 s late":          {"aaaaaaaaaaaarrrrrrrraaaaaaaaaaaarrrrrrrraaaaaaaaaaaarrrrrrrraaaaaaaaaaaarrrrrrrra", Pass, ""},
		"half of what was used":       {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Fail, "more than its limit"},
		"twice what was used":         {"aaaaarrrrrrrrrrrrrrraaaaarrrrrrrrrrrrrrraaaaarrrrrrrrrrrrrrraaaaarrrrrrrrrrrrrrra", Fail, "only 250 of 500 tokens in a window in which it asked for 1000"},
		"never again":                 {full + none + none + none + "r", Fail, "refused"},
		"refused for one window":      {full + none + full + full + "a", Fail, "refused"},
		"less than a cap short":       {"aaaaaaaarrrrrrrrrrrraaaaaaaarrrrrrrrrrrraaaaaaaarrrrrrrrrrrraaaaaaaarrrrrrrrrrrra", Pass, "at least 400 of 500"},
		"two caps short in one":       {full + "aaaaaarrrrrrrrrrrrrr" + full + full + "a", Fail, "only 300"},
		"short by what a counter may": {full + "aaaaaaarrrrrrrrrrrrr" + full + full + "a", Inconclusive, "which some class of limiter may do"},
		"a lost request":              {"aaaaalaaaarrrrrrrrrr" + full + full + full + "a", Inconclusive, "1 requests were neither admitted nor refused: attempt 6"},
		"a violation and a loss":      {"laaaarrrrrrrrrrrrrrraaaaarrrrrrrrrrrrrrraaaaarrrrrrrrrrrrrrraaaaarrrrrrrrrrrrrrra", Fail, "only 250"},
		"what was lost may have counted": {
			"aaaaallllrrrrrrrrrrraaaaallllrrrrrrrrrrraaaaallllrrrrrrrrrrraaaaallllrrrrrrrrrrra", Inconclusive, "neither admitted nor refused"},
		"too slow to reach the limit": {"a   a   a   a   a   a   a   a   a   a   a   a   a   a   a   a   a", Inconclusive, "in 0 windows only"},
	} {
		t.Run(name, func(t *testing.T) {
			b, k := start(t)
			sequence(k, test.row)
			b.wants(id, test.verdict, test.says, nil)
		})
	}
	for name, test := range map[string]struct {
		unsure change
		want   Verdict
	}{
		"came to the target as a failure": {status(502), Pass},
		"was cut":                         {func(l *line) { l.Error = history.Cut }, Pass},
		"is whole":                        {func(*line) {}, Fail},
	} {
		t.Run("twice the limit, of which every second answer "+name, func(t *testing.T) {
			b, k := start(t)
			for i := range 81 {
				how := []change{costing(50, 110, 30)}
				if i%2 == 1 {
					how = append(how, test.unsure)
				}
				k.admit("ask", msTimes(i)*250*ms, how...)
			}
			b.wants(id, test.want, "", nil)
		})
	}
	t.Run("a call that was given up and made again is used once", func(t *testing.T) {
		b, k := start(t)
		sequence(k, full+full+full+full+"a", func(l *line) {
			if len(l.calls) > 0 {
				l.calls = append(l.calls, l.calls[0])
				l.calls[0].Gone = true
			}
		})
		b.wants(id, Pass, "", nil)
	})
	t.Run("a call that failed may keep its estimate", func(t *testing.T) {
		b, k := start(t)
		cost := costing(50, 110, 30)
		sequence(k, full+"a")
		for i := range 4 {
			k.admit("ask", 5100*ms+msTimes(i)*10*ms, cost, upstreamFails)
		}
		for i := range 16 {
			k.refuse("ask", 6*sec+msTimes(i)*240*ms, cost)
		}
		k.admit("ask", 10100*ms, cost)
		b.wants(id, Inconclusive, "which some class of limiter may do", nil)
	})
	t.Run("the attempts at fault", func(t *testing.T) {
		b, k := start(t)
		ids := sequence(k, "aaaaarrrrrrrrrrrrrrraaaaarrrrrrrrrrrrrrra")
		b.wants(id, Fail, "only 250", ids[5:10])
	})
	t.Run("an overload long after", func(t *testing.T) {
		b, k := start(t)
		sequence(k, full+full+full)
		k.refuse("ask", 30*sec, costing(50, 110, 30), status(503))
		b.wants(id, Inconclusive, "or an overload?", nil)
	})
}

func TestRefusalsBesideAHeldEstimateAreNotJudged(t *testing.T) {
	for name, test := range map[string]struct {
		at   time.Duration
		want bool
	}{
		"the estimate may be held": {300 * ms, true},
		"it has been settled":      {600 * ms, false},
		"nothing fits beside it":   {600 * ms, true},
	} {
		b := newBook(t).scenario("tokens-sequential", "tokens/limit-kept")
		k := b.key(tokensOnly(500))
		k.admit("ask", 0, costing(100, 400, 300))
		most := int64(150)
		if name == "nothing fits beside it" {
			most = 401
		}
		k.refuse("ask", test.at, costing(100, most, 100))
		v := newJoined(&b.h).view("tokens-sequential")
		if got := v.refusalsExplained(v.keys[0], 500); got != test.want {
			t.Errorf("%s: explained %t, want %t", name, got, test.want)
		}
	}
}

func TestTokensConcurrent(t *testing.T) {
	const id = "tokens/limit-kept-concurrent"
	cost := costing(200, 350, 150)
	slow := taking(900 * ms)
	// burst enters 25 requests at an instant, so many of them admitted. They
	// reach the provider within the given time.
	burst := func(b *book, limit int64, at time.Duration, admitted int, within time.Duration) (through []int) {
		k := b.key(tokensOnly(limit))
		for i := range admitted {
			through = append(through, k.admit("burst", at, cost, slow, arriving(within*time.Duration(i+1)/time.Duration(admitted))))
		}
		k.refuses(25-admitted, "burst", at, cost)
		return through
	}
	start := func(t *testing.T) *book { return newBook(t).scenario("tokens-concurrent", id) }
	t.Run("within the limit", func(t *testing.T) {
		b := start(t)
		burst(b, 1000, 0, 5, 10*ms)
		burst(b, 1010, 2600*ms, 5, 10*ms)
		b.wants(id, Pass, "1.0x the limit of 1010", []int{})
	})
	t.Run("five times the limit", func(t *testing.T) {
		b := start(t)
		through := burst(b, 1000, 0, 25, 350*ms)
		burst(b, 1010, 2600*ms, 25, 80*ms)
		b.wants(id, Fail, "admitted 5.0x the token limit", through[:5])
	})
	t.Run("declared check-then-charge", func(t *testing.T) {
		b := start(t)
		b.h.Run.TokenClass = "check-then-charge"
		through := burst(b, 1000, 0, 25, 350*ms)
		burst(b, 1010, 2600*ms, 25, 80*ms)
		b.wants(id, Warn, "admitted 5.0x the token limit, as a check-then-charge limiter may", through[:5])
	})
	t.Run("declared check-then-charge, and more than was in flight", func(t *testing.T) {
		b := start(t)
		b.h.Run.TokenClass = "check-then-charge"
		k := b.key(tokensOnly(1000))
		k.admits(10, "burst", 0, cost, slow)
		k.admits(10, "burst", 1500*ms, cost, slow) // the first ten were charged by then
		k.admits(10, "burst", 3000*ms, cost, slow)
		k.admits(10, "burst", 4500*ms, cost, slow)
		b.wants(id, Fail, "more than was in flight", nil)
	})
	t.Run("a bucket whose clock is a little ahead, asked slowly", func(t *testing.T) {
		b := start(t)
		for _, at := range []time.Duration{0, 7600 * ms} { // 200 come back in a second
			k := b.key(tokensOnly(1000))
			k.admits(5, "burst", at, cost, slow)
			k.admit("burst", at+sec-4*ms, cost, slow)
			k.refuses(19, "burst", at+sec-4*ms, cost)
		}
		b.wants(id, Inconclusive, "stretched", nil)
	})
	t.Run("an edge of a window on the clock excuses one burst", func(t *testing.T) {
		b := start(t)
		burst(b, 1000, 0, 10, 100*ms)
		burst(b, 1010, 2600*ms, 5, 10*ms)
		b.wants(id, Pass, "2.0x the limit of 1000", nil)
	})
	t.Run("and not two at different phases", func(t *testing.T) {
		b := start(t)
		burst(b, 1000, 0, 10, 100*ms)
		burst(b, 1010, 2600*ms, 10, 100*ms)
		b.wants(id, Fail, "2.0x", nil)
	})
	t.Run("but two at one phase", func(t *testing.T) {
		b := start(t)
		burst(b, 1000, 0, 10, 100*ms)
		burst(b, 1010, 5020*ms, 10, 100*ms)
		b.wants(id, Pass, "2.0x", nil)
	})
	// A bucket refills while a slow target works the burst off; both bursts then
	// look as if an edge had been in them.
	t.Run("a bucket refills during the burst", func(t *testing.T) {
		b := start(t)
		burst(b, 1000, 0, 6, 1100*ms)
		burst(b, 1010, 2600*ms, 6, 1100*ms)
		b.wants(id, Pass, "1.2x", nil)
	})
	t.Run("the burst did not overlap", func(t *testing.T) {
		b := start(t)
		k := b.key(tokensOnly(1000))
		k.admits(5, "burst", 0, cost)
		k.refuses(20, "burst", 10*ms, cost)
		b.wants(id, Inconclusive, "stretched", nil)
	})
	t.Run("a violation though the burst stretched", func(t *testing.T) {
		b := start(t)
		k := b.key(tokensOnly(1000))
		k.admits(15, "burst", 0, cost)
		k.admits(10, "burst", 10*ms, cost)
		b.wants(id, Fail, "5.0x", nil)
	})
	t.Run("lost", func(t *testing.T) {
		b := start(t)
		burst(b, 1000, 0, 5, 10*ms)
		b.wants(id, Pass, "", nil)
		k := b.key(tokensOnly(1000))
		k.admits(5, "burst", 0, cost, slow)
		k.lose("burst", 0, cost)
		b.wants(id, Inconclusive, "neither admitted nor refused", nil)
	})
	t.Run("nothing admitted", func(t *testing.T) {
		b := start(t)
		b.key(tokensOnly(1000)).refuses(25, "burst", 0, cost)
		b.wants(id, Inconclusive, "nothing of the burst", nil)
	})
	t.Run("too little asked", func(t *testing.T) {
		b := start(t)
		b.key(tokensOnly(1000)).admits(5, "burst", 0, cost, slow)
		b.wants(id, Inconclusive, "asked for 1000 tokens only", nil)
	})
}
