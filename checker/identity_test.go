package checker

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/checker/window"
	"github.com/ratecheck/ratecheck/history"
)

func (b *book) identity() Identity { return Judge(&b.h).Identity }

func TestIdentityOfRequests(t *testing.T) {
	firstUse, log, clock := window.FixedFirstUse.String(), window.SlidingLog.String(), window.FixedClock.String()
	t.Run("windows from first use, or a log", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		got := b.identity()
		want := Counting{Classes: []string{firstUse, log}, Evidence: "12 of 66 requests admitted on key-1 (limit 2)"}
		if diff := cmp.Diff(want, got.Requests); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if class := Judge(&b.h).Class; class != firstUse+" or "+log {
			t.Errorf("class %q", class)
		}
	})
	t.Run("windows on the clock", func(t *testing.T) {
		b := newBook(t)
		b.measuredOnClock()
		got := b.identity().Requests
		if !slices.Equal(got.Classes, []string{clock}) {
			t.Errorf("classes %v", got.Classes)
		}
		if got.Phase != "windows begin on the clock: one at 5.011 s of the run, give or take 0.031 s" {
			t.Errorf("phase %q", got.Phase)
		}
		// Turns at 5 s and 15 s are known; those between them are not.
		if got.LeastWindow > 5 || got.MostWindow < 5 {
			t.Errorf("from %v to %v s", got.LeastWindow, got.MostWindow)
		}
		if got.Granularity != "" {
			t.Errorf("granularity %q", got.Granularity)
		}
	})
	// straddled enters a burst around the end of a window of 3, which turns some
	// time after it was opened.
	straddled := func(b *book, turns time.Duration) *sheet {
		k := b.scenario("requests-straddle", asksForStraddle).key(perWindow(3))
		k.admit("open", 0)
		k.admits(2, "straddle", 3900*ms)
		k.refuse("straddle", turns-10*ms)
		k.admits(3, "straddle", turns)
		k.refuse("straddle", turns+10*ms)
		return k
	}
	for turns, want := range map[time.Duration]string{
		5 * sec: "finer than whole seconds", 4999 * ms: "finer than whole seconds",
		4990 * ms: "windows turn up to a second early, as on whole seconds", 4010 * ms: "windows turn up to a second early, as on whole seconds",
	} {
		b := newBook(t)
		b.measured()
		straddled(b, turns)
		got := b.identity().Requests
		if !slices.Equal(got.Classes, []string{firstUse}) || got.Granularity != want || got.Phase != "a window opens with its key's first request" {
			t.Errorf("turns after %s: %v, %q, %q; want %q", turns, got.Classes, got.Granularity, got.Phase, want)
		}
	}
	t.Run("windows that are too short leave the classes as they are", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		straddled(b, 3950*ms)
		if got := b.identity().Requests; !slices.Equal(got.Classes, []string{firstUse, log}) || got.Granularity != "" {
			t.Errorf("%v, %q", got.Classes, got.Granularity)
		}
	})
	for name, change := range map[string]func(*sheet){
		"an overload": func(k *sheet) { k.refuse("straddle", 4*sec, status(503)) },
		"lost":        func(k *sheet) { k.lose("straddle", 4*sec) },
	} {
		t.Run(name+" in the burst tells nothing", func(t *testing.T) {
			b := newBook(t)
			b.measured()
			change(straddled(b, 5*sec))
			if got := b.identity().Requests; !slices.Equal(got.Classes, []string{firstUse, log}) || got.Granularity != "" {
				t.Errorf("%v, %q", got.Classes, got.Granularity)
			}
		})
		t.Run(name+" among the windows", func(t *testing.T) {
			b := newBook(t)
			k := b.measured()
			change(k)
			if got := b.identity().Requests; len(got.Classes) > 0 || got.Evidence != "no class explains what was admitted and refused on key-1, or too little was answered" {
				t.Errorf("%v, %q", got.Classes, got.Evidence)
			}
		})
	}
	t.Run("no class", func(t *testing.T) {
		b := newBook(t)
		b.measured().admits(5, "burst", 100*ms)
		if got := b.identity().Requests; len(got.Classes) > 0 || got.LeastWindow != 0 || got.Phase != "" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("without limits, keys, attempts", func(t *testing.T) {
		empty := Identity{Requests: Counting{Classes: []string{}}, Tokens: Counting{Classes: []string{}}}
		b := newBook(t)
		for _, id := range AsksForIdentity() {
			b.scenario(id, id)
			if diff := cmp.Diff(empty, b.identity()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			b.key(history.Limits{}).refuse("never", 0)
		}
		got := b.identity()
		if len(got.Requests.Classes) > 0 || len(got.Tokens.Classes) > 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestIdentityOfTokens(t *testing.T) {
	t.Run("a bucket", func(t *testing.T) {
		b := newBook(t)
		b.tokenBucket()
		want := Counting{Classes: []string{window.Bucket.String()}, Evidence: "11 of 21 requests admitted on key-1 (limit 1000)"}
		if diff := cmp.Diff(want, b.identity().Tokens); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
	for name, change := range map[string]func(*sheet){
		"an overload": func(k *sheet) { k.refuse("ask", sec, status(503)) },
		"lost":        func(k *sheet) { k.lose("ask", sec) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			change(b.tokenBucket())
			if got := b.identity().Tokens; len(got.Classes) > 0 {
				t.Errorf("%v", got.Classes)
			}
		})
	}
	t.Run("a refusal counts at its cap, and one that states none at the limit", func(t *testing.T) {
		for most, want := range map[int64]bool{900: false, 901: true, 0: true} {
			b := newBook(t)
			k := b.scenario("tokens-sequential", asksForTokenClass).key(tokensOnly(1000))
			k.admit("ask", 0, costing(100, 100, 100))
			k.refuse("ask", sec, costing(0, most, 0))
			got := slices.Contains(b.identity().Tokens.Classes, window.FixedFirstUse.String())
			if got != want {
				t.Errorf("a cap of %d beside 100 of 1000: explained %t", most, got)
			}
		}
	})
	t.Run("what may be charged late", func(t *testing.T) {
		for at, want := range map[time.Duration]bool{501 * ms: true, 502 * ms: false} {
			b := newBook(t)
			k := b.scenario("tokens-sequential", asksForTokenClass).key(tokensOnly(1000))
			k.admit("ask", 0, costing(1000, 1000, 100))
			k.admit("ask", at, costing(1000, 1000, 100))
			k.refuse("ask", 2*sec, costing(0, 1000, 100))
			got := slices.Contains(b.identity().Tokens.Classes, window.FixedFirstUse.String())
			if got != want {
				t.Errorf("another thousand after %s: explained %t", at, got)
			}
		}
	})
}

func TestCharging(t *testing.T) {
	never := func(enter func(*sheet)) func(*book) {
		return func(b *book) { enter(b.scenario("drift-edge", asksForReserving).key(tokensOnly(1310))) }
	}
	burst := func(limit, used int64) func(*book) {
		return func(b *book) {
			b.scenario("tokens-concurrent", asksForCharging).key(tokensOnly(limit)).admits(3, "burst", 0, costing(used, used, used))
		}
	}
	for name, test := range map[string]struct {
		enter func(*book)
		want  string
	}{
		"more than the limit is refused":  {never(func(k *sheet) { k.refuse("never", 0) }), ReserveAndSettle},
		"more than the limit is admitted": {never(func(k *sheet) { k.admit("never", 0) }), ""},
		"it was lost":                     {never(func(k *sheet) { k.lose("never", 0) }), ""},
		"it met an overload":              {never(func(k *sheet) { k.refuse("never", 0, status(503)); k.refuse("search", sec) }), ""},
		"it was asked twice":              {never(func(k *sheet) { k.refuses(2, "never", 0) }), ""},
		"a burst of twice the limit":      {burst(300, 200), ""},
		"a burst of more than that":       {burst(299, 200), CheckThenCharge},
	} {
		b := newBook(t)
		test.enter(b)
		if got := b.identity().Tokens.Charging; got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// Tokens may be counted in another class than requests. What may be charged late
// hides it, unless the limiter is known to reserve.
func TestTokensCountedOtherwise(t *testing.T) {
	requests := []window.Class{window.FixedFirstUse, window.SlidingLog}
	// asked enters a bucket of 1000 that admits 400 more each 2 s, and twice 100
	// within half a second, which may have been charged late.
	asked := func(b *book) *sheet {
		k := b.scenario("tokens-sequential", asksForTokenClass).key(tokensOnly(1000))
		k.admit("ask", 0, costing(600, 600, 600))
		k.admit("ask", 100*ms, costing(400, 400, 400))
		k.refuse("ask", 1900*ms, costing(0, 400, 400))
		k.admit("ask", 2*sec+100*ms, costing(400, 400, 400))
		return k
	}
	for name, test := range map[string]struct {
		enter func(*book)
		want  bool
	}{
		"nothing asked":       {func(*book) {}, false},
		"a bucket, far apart": {func(b *book) { b.tokenBucket() }, true},
		"a bucket whose clock is a little ahead": {func(b *book) {
			k := b.scenario("tokens-sequential", asksForTokenClass).key(tokensOnly(1000))
			k.admit("ask", 0, costing(1000, 1000, 1000))
			for i := range 10 {
				at := 2 * msTimes(i+1) * sec
				k.refuse("ask", at-200*ms, costing(0, 400, 400))
				k.admit("ask", at-4*ms, costing(400, 400, 400))
			}
		}, true},
		"it may be charged late": {func(b *book) { asked(b) }, false},
		"it reserves":            {func(b *book) { asked(b); b.scenario("e", asksForReserving).key(tokensOnly(9)).refuse("never", 0) }, true},
		"it reserves nothing":    {func(b *book) { asked(b); b.scenario("e", asksForReserving).key(tokensOnly(9)).admit("never", 0) }, false},
		"no class explains it": {func(b *book) {
			k := b.tokenBucket()
			for i := range 3 {
				k.admit("ask", msTimes(i+1)*600*ms, costing(1000, 1000, 1000))
			}
		}, false},
		"an overload":     {func(b *book) { b.tokenBucket().refuse("ask", sec, status(503)) }, false},
		"nothing refused": {func(b *book) { b.scenario("t", asksForTokenClass).key(tokensOnly(9)).admit("ask", 0) }, false},
		"no limit":        {func(b *book) { b.scenario("t", asksForTokenClass).key(history.Limits{}).refuse("ask", 0) }, false},
		"counted as requests are": {func(b *book) {
			k := b.scenario("t", asksForTokenClass).key(tokensOnly(20))
			k.admits(2, "ask", 0)
			k.refuse("ask", sec)
		}, false},
	} {
		b := newBook(t)
		test.enter(b)
		if got := newJoined(&b.h).countsTokensOtherwise(requests); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}
