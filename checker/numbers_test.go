package checker

import (
	"slices"
	"testing"
	"time"
)

// tells sets the limit and the rest that an answer tells.
func tells(kind string, limit, remaining any) change {
	return func(l *line) {
		telling("x-ratelimit-limit-"+kind, limit)(l)
		telling("x-ratelimit-remaining-"+kind, remaining)(l)
	}
}

func TestLimitTrue(t *testing.T) {
	const id = "headers/limit-true"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("answers-quiet", id)
		return b, b.key(both(100, 1000))
	}
	t.Run("true", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "plain", 0, tells("requests", 100, 99), tells("tokens", 1000, 990))
		b.wants(id, Pass, "4 numbers told", []int{})
	})
	t.Run("another limit of requests", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, tells("requests", 100, 99))
		wrong := k.admit("plain", 0, tells("requests", 1000, 98))
		b.wants(id, Fail, "the limit of requests is told wrong", []int{wrong})
	})
	t.Run("another limit of tokens", func(t *testing.T) {
		b, k := start(t)
		wrong := k.admit("plain", 0, tells("requests", 100, 99), tells("tokens", 100, 99))
		b.wants(id, Fail, "the limit of tokens", []int{wrong})
		if r := b.verdict(id); r.Expected != "1000" || r.Observed != "100" {
			t.Errorf("expected %s, observed %s", r.Expected, r.Observed)
		}
	})
	for what, told := range map[string]change{
		"the limit alone":        telling("x-ratelimit-limit-requests", 5),
		"the rest alone":         telling("x-ratelimit-remaining-requests", 5),
		"the upstream's":         telling("llm_provider-x-ratelimit-limit-requests", 5),
		"words":                  tells("requests", "many", "many"),
		"of what is not limited": tells("images", 5, 4),
	} {
		t.Run(what, func(t *testing.T) {
			b, k := start(t)
			k.admit("plain", 0, told)
			b.wants(id, Skip, "no answer tells a limit and what remains", nil)
		})
	}
	t.Run("on a refusal", func(t *testing.T) {
		b, k := start(t)
		k.refuse("plain", 0, tells("requests", 5, 0))
		b.wants(id, Skip, "", nil)
	})
	t.Run("of a kind that the key has no limit of", func(t *testing.T) {
		b := newBook(t).scenario("answers-quiet", id)
		b.key(perWindow(100)).admit("plain", 0, tells("requests", 100, 99), tells("tokens", 200000, 1))
		b.wants(id, Pass, "1 numbers told", nil)
	})
}

// nearest tells the limit that is nearest to its end under the name that does not
// say what it counts.
func nearest(limit, remaining any) change {
	return func(l *line) {
		telling("x-ratelimit-limit", limit)(l)
		telling("x-ratelimit-remaining", remaining)(l)
	}
}

// A gateway that tells the nearest of a key's limits tells now the one and then
// the other.
func TestNearestLimit(t *testing.T) {
	const limits, remaining = "headers/limit-true", "headers/remaining-true"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t)
		b.measured()
		b.scenario("answers-quiet", limits, remaining)
		k := both(100, 1000)
		k.Parallel = slots(50).Parallel
		return b, b.key(k)
	}
	for name, told := range map[string][][2]any{
		"of tokens":         {{1000, 970}, {1000, 940}, {1000, 910}},
		"of either":         {{100, 99}, {1000, 940}, {1000, 910}, {100, 96}},
		"of slots":          {{100, 99}, {50, 49}, {50, 49}, {50, 49}, {100, 95}},
		"of an hour beside": {{"100, 100;w=5, 400;w=3600", 99}, {"400, 100;w=5, 400;w=3600", 370}, {"100, 100;w=5, 400;w=3600", 97}},
	} {
		t.Run(name, func(t *testing.T) {
			b, k := start(t)
			k.admit("plain", 0, nearest(100, 100))
			for i, n := range told {
				k.admit("plain", msTimes(i+1)*10*ms, nearest(n[0], n[1]))
			}
			b.wants(limits, Pass, "", nil)
			b.wants(remaining, Pass, "", nil)
		})
	}
	t.Run("of nobody's", func(t *testing.T) {
		b, k := start(t)
		wrong := k.admit("plain", 0, nearest("5000, 5000;w=3600", 4999))
		b.wants(limits, Fail, "the limit of requests is told wrong", []int{wrong})
	})
	t.Run("above itself", func(t *testing.T) {
		b, k := start(t)
		wrong := k.admit("plain", 0, nearest(100, 970))
		b.wants(remaining, Fail, "out of range", []int{wrong})
	})
}

func TestRemainingTrue(t *testing.T) {
	const id = "headers/remaining-true"
	// told are what one answer after the other tells of a limit of 100.
	for name, test := range map[string]struct {
		told           []any
		unknown, known Verdict // where the class was not, and was, measured
	}{
		"each at once":                  {[]any{99, 98, 97, 96}, Pass, Pass},
		"before the own charge":         {[]any{100, 99, 98}, Pass, Pass},
		"each one answer later":         {[]any{100, 100, 99, 99, 98}, Pass, Pass},
		"two at a time":                 {[]any{99, 97, 95}, Pass, Pass},
		"down to nothing":               {[]any{1, 0}, Pass, Pass},
		"never falls":                   {[]any{100, 100, 100}, Pass, Fail},
		"rises":                         {[]any{98, 99}, Pass, Fail}, // a bucket may
		"below nothing":                 {[]any{1, -1}, Fail, Fail},
		"above the limit":               {[]any{101}, Fail, Fail},
		"one that cannot be read":       {[]any{99, "many", 98}, Pass, Pass},
		"constant but for the last one": {[]any{99, 99, 99, 98}, Pass, Fail},
	} {
		t.Run(name, func(t *testing.T) {
			for measured, want := range map[bool]Verdict{false: test.unknown, true: test.known} {
				b := newBook(t)
				if measured {
					b.measured()
				}
				k := b.scenario("answers-quiet", id).key(perWindow(100))
				for i, n := range test.told {
					k.admit("plain", time.Duration(i)*10*ms, tells("requests", 100, n))
				}
				b.wants(id, want, "", nil)
			}
		})
	}
	t.Run("what shows it", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		k := b.scenario("answers-quiet", id).key(perWindow(100))
		k.admit("plain", 0, tells("requests", 100, 97))
		first := k.admit("plain", 10*ms, tells("requests", 100, 94))
		second := k.admit("plain", 20*ms, tells("requests", 100, 95))
		b.wants(id, Fail, "remaining requests rose on a quiet key", []int{first, second})
		if r := b.verdict(id); !slices.Equal(r.Needs, []string{asksForClass}) {
			t.Errorf("needs %v", r.Needs)
		}
		b.h.Attempts[first-1].Header["x-ratelimit-remaining-requests"] = "-1"
		b.wants(id, Fail, "out of range", nil)
		if r := b.verdict(id); r.Needs != nil {
			t.Errorf("what is out of range needs %v", r.Needs)
		}
	})
	// Of tokens what is told hangs on what is reserved and charged by then.
	for name, test := range map[string]struct {
		told []int64 // by a plain answer and a stream in turn, 10 ms apart
		last int64   // by a plain answer, 0.6 s later
		want Verdict
	}{
		"charged at once":                   {[]int64{970, 940, 910, 880}, 850, Pass},
		"charged 0.4 s after the answer":    {[]int64{1000, 1000, 1000, 1000}, 880, Pass},
		"100 reserved, and settled later":   {[]int64{900, 800, 700, 740}, 780, Pass},
		"settled when a plain answer comes": {[]int64{970, 470, 910, 410}, 850, Pass},
		"never charged":                     {[]int64{970, 970, 970, 970}, 970, Fail},
		"given back":                        {[]int64{970, 940, 910, 880}, 990, Fail},
	} {
		t.Run("tokens "+name, func(t *testing.T) {
			b := newBook(t)
			b.measured()
			k := b.scenario("answers-quiet", id).key(both(100, 1000))
			for i, left := range test.told {
				k.admit("plain", msTimes(i)*10*ms, func(l *line) { l.Stream = i%2 == 1 }, costing(30, 30, 20), tells("tokens", 1000, left))
			}
			last := k.admit("plain", 632*ms, costing(30, 30, 20), tells("tokens", 1000, test.last))
			evidence := []int{}
			if test.want == Fail {
				evidence = []int{last - 4, last}
			}
			b.wants(id, test.want, "", evidence)
		})
	}
	t.Run("tokens of requests that use none", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		k := b.scenario("answers-quiet", id).key(tokensOnly(1000))
		k.admit("plain", 0, costing(0, 30, 20), tells("tokens", 1000, 1000))
		k.admit("plain", sec, costing(0, 30, 20), tells("tokens", 1000, 1000))
		b.wants(id, Pass, "2 numbers", nil)
	})
	// Tokens may be counted otherwise than requests, where nobody asked.
	for what, test := range map[string]struct {
		change func(b *book)
		want   Verdict
	}{
		"asked for":     {func(*book) {}, Fail},
		"not asked for": {func(b *book) { b.h.Run.Planned[1].Asks = nil }, Pass},
		"lost": {func(b *book) {
			k := b.scenario("tokens-sequential", asksForTokenClass).key(tokensOnly(1000))
			k.admit("ask", 0)
			k.lose("ask", sec)
			k.refuse("ask", 2*sec)
		}, Pass},
		"a bucket": {func(b *book) { b.tokenBucket() }, Pass},
	} {
		t.Run("tokens whose class is "+what, func(t *testing.T) {
			b := newBook(t)
			b.measured()
			test.change(b)
			k := b.scenario("answers-quiet", id).key(tokensOnly(1000))
			k.admit("plain", 0, costing(30, 30, 20), tells("tokens", 1000, 970))
			k.admit("plain", sec, costing(30, 30, 20), tells("tokens", 1000, 970))
			b.wants(id, test.want, "", nil)
			if r := b.verdict(id); test.want == Fail && !slices.Equal(r.Needs, asksToStand()) {
				t.Errorf("needs %v", r.Needs)
			}
		})
	}
	t.Run("tokens of requests one right behind the other", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		k := b.scenario("answers-quiet", id).key(tokensOnly(1000))
		first := k.admit("plain", 0, costing(30, 30, 20), tells("tokens", 1000, 970))
		k.admit("plain", 2*ms, costing(30, 30, 20), tells("tokens", 1000, 940))
		third := k.admit("plain", sec, costing(30, 30, 20), tells("tokens", 1000, 970))
		b.wants(id, Fail, "do not fall", []int{first, third})
	})
	t.Run("tokens of requests side by side", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		k := b.scenario("answers-quiet", id).key(tokensOnly(1000))
		k.admit("plain", 0, costing(30, 30, 20), tells("tokens", 1000, 800), taking(100*ms))
		k.admit("plain", ms, costing(30, 30, 20), tells("tokens", 1000, 800), taking(100*ms))
		k.admit("plain", sec, costing(30, 30, 20), tells("tokens", 1000, 840))
		b.wants(id, Pass, "3 numbers", nil)
	})
	t.Run("a window later it may rise", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		k := b.scenario("answers-quiet", id).key(perWindow(100))
		k.admit("plain", 0, tells("requests", 100, 98))
		k.admit("plain", 5*sec, tells("requests", 100, 99))
		b.wants(id, Pass, "2 numbers told", nil)
	})
	t.Run("nothing told", func(t *testing.T) {
		b := newBook(t).scenario("answers-quiet", id)
		b.key(perWindow(100)).admit("plain", 0)
		b.wants(id, Skip, "no answer tells", nil)
	})
}

func TestKeyBeforeProvider(t *testing.T) {
	const id = "headers/key-before-provider"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("answers-provider", id)
		return b, b.key(both(110, 110_000))
	}
	t.Run("the key's own", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "plain", 0, tells("requests", 110, 109), tells("tokens", 110_000, 1), telling("llm_provider-x-ratelimit-limit-requests", 10000))
		b.wants(id, Pass, "4 numbers told under the unprefixed names", []int{})
	})
	t.Run("none", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, telling("x-ratelimit-api_key-limit-requests", 110))
		b.wants(id, Pass, "no answer carries the provider's numbers", nil)
	})
	t.Run("the provider's", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, tells("requests", 110, 109))
		wrong := k.admit("stream", 0, streamed, tells("requests", 10000, 9999), tells("tokens", 200000, 1))
		b.wants(id, Fail, "told the provider's numbers", []int{wrong})
		if r := b.verdict(id); r.Observed != "x-ratelimit-limit-requests: 10000" {
			t.Errorf("observed %s", r.Observed)
		}
	})
	t.Run("the provider's behind the key's", func(t *testing.T) {
		b, k := start(t)
		wrong := k.admit("plain", 0, telling("x-ratelimit-limit-tokens", "110000, 200000"))
		b.wants(id, Fail, "", []int{wrong})
	})
	for name, told := range map[string]struct {
		value string
		says  string
	}{
		"the key's own twice":             {"110, 110", "1 numbers told"},
		"the key's own with its policies": {`110, 110;w=60;name="a, 7", 5000;w=3600`, "1 numbers told"},
		"the key's own as a policy":       {"110;w=60", "1 numbers told"},
		"no number":                       {"None", "no answer carries the provider's numbers"},
	} {
		t.Run(name, func(t *testing.T) {
			b, k := start(t)
			k.admit("plain", 0, telling("x-ratelimit-limit-requests", told.value))
			b.wants(id, Pass, told.says, nil)
		})
	}
	t.Run("of what the key has no limit of", func(t *testing.T) {
		b := newBook(t).scenario("answers-provider", id)
		b.key(perWindow(110)).admit("plain", 0, tells("tokens", 200000, 1))
		b.wants(id, Pass, "", nil)
	})
	t.Run("nothing admitted", func(t *testing.T) {
		b, k := start(t)
		k.refuse("plain", 0, tells("requests", 10000, 9999))
		k.lose("plain", 0)
		b.wants(id, Inconclusive, "nothing was admitted: attempt 2", nil)
	})
}
