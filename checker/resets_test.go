package checker

import (
	"slices"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

func TestResetPlausible(t *testing.T) {
	const id = "headers/reset-plausible"
	const name = "x-ratelimit-reset-requests"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("answers-quiet", id)
		return b, b.key(both(100, 1000))
	}
	// The windows are of 5 s.
	for text, want := range map[string]Verdict{
		"0": Pass, "5": Pass, "6": Pass, "4.2": Pass, "0s": Pass, "5s": Pass, "4.999s": Pass, "120ms": Pass, "6s": Pass,
		"in 4.2s (Unix seconds)": Pass, "in 8s (RFC 3339)": Pass, "in 10s (RFC 3339, by a Date 2s behind)": Pass, "in -1s (date and time UTC)": Pass, "in 0s (Unix milliseconds)": Pass,
		// More than a window, and no more than two: a sliding counter may.
		"7": Inconclusive, "10": Inconclusive, "9.5s": Inconclusive, "in 8.1s (RFC 3339)": Inconclusive, "in 10.1s (RFC 3339, by a Date 2s behind)": Inconclusive, "in 12s (HTTP-date)": Inconclusive,
		"12": Fail, "6m0s": Fail, "50": Fail, "122401.806": Fail, "-1": Fail, "-30s": Fail, "soon": Fail, "None": Fail,
		"in -2s (Unix seconds)": Fail, "in 5h30m4s (date and time UTC)": Fail, "in 13.1s (HTTP-date)": Fail,
		// By our clock nobody knows.
		"in 4s (Unix seconds, by our clock)": Pass, "in 5h30m4s (date and time UTC, by our clock)": Inconclusive,
		"in -2s (Unix seconds, by our clock)": Inconclusive, "2026-11-22T03:30:09Z": Inconclusive, "1795318209": Inconclusive,
	} {
		t.Run(text, func(t *testing.T) {
			b, k := start(t)
			k.admit("plain", 0, telling(name, 3))
			second := k.admit("plain", 10*ms, telling(name, text))
			evidence := []int{}
			if want == Fail {
				evidence = []int{second}
			}
			b.wants(id, want, "", evidence)
		})
	}
	t.Run("more than a window, and no sliding counter", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		b.scenario("answers-quiet", id)
		late := b.key(both(100, 1000)).admit("plain", 0, telling(name, "9"))
		b.wants(id, Fail, "1 of 1 resets", []int{late})
		if r := b.verdict(id); !slices.Equal(r.Needs, []string{asksForClass}) {
			t.Errorf("needs %v", r.Needs)
		}
	})
	t.Run("more than a window, and a sliding counter for tokens alone", func(t *testing.T) {
		for name, want := range map[string]Verdict{"x-ratelimit-reset-tokens": Inconclusive, "x-ratelimit-reset": Inconclusive, "x-ratelimit-reset-requests": Fail} {
			b := newBook(t)
			b.measured()
			b.tokenCounter()
			b.scenario("answers-quiet", id).key(both(100, 1000)).admit("plain", 0, telling(name, "9"))
			b.wants(id, want, "", nil)
		}
		b := newBook(t)
		b.measured()
		b.tokenBucket()
		late := b.scenario("answers-quiet", id).key(both(100, 1000)).admit("plain", 0, telling("x-ratelimit-reset-tokens", "9"))
		b.wants(id, Fail, "1 of 1", []int{late})
	})
	t.Run("an instant told when the request came", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, taking(3*sec), telling(name, "in -4s (Unix seconds)"))
		b.wants(id, Pass, "1 resets told", nil)
	})
	t.Run("what cannot be true weighs more than what is open", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, telling(name, "9"))
		second := k.admit("plain", 0, telling(name, "-9"))
		b.wants(id, Fail, "1 of 2", []int{second})
	})
	t.Run("on refusals", func(t *testing.T) {
		b, k := start(t)
		k.admit("burst", 0)
		k.refuse("burst", 0, telling("reset_at", "in 5s (date and time UTC)"))
		b.wants(id, Pass, "1 resets told", nil)
		late := k.refuse("burst", 0, telling("reset_at", "in 2h0m5s (date and time UTC)"))
		b.wants(id, Fail, "1 of 2", []int{late})
	})
	t.Run("a few show it", func(t *testing.T) {
		b, k := start(t)
		ids := k.admits(9, "plain", 0, telling(name, "soon"), telling("x-ratelimit-reset-tokens", "later"))
		b.wants(id, Fail, "18 of 18", ids[:shown])
	})
	t.Run("none told", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, left(3))
		k.refuse("plain", 0)
		b.wants(id, Skip, "no answer tells when", nil)
	})
	t.Run("nothing answered", func(t *testing.T) {
		b, k := start(t)
		k.lose("plain", 0)
		b.wants(id, Inconclusive, "connection reset", nil)
	})
	for what, told := range map[string][]change{
		"of a limit that the key has not": {telling("x-ratelimit-limit-requests", 100), telling("x-ratelimit-reset-max_parallel_requests", "86000")},
		"of another counter":              {telling("x-ratelimit-limit-requests", 14400), telling(name, "86000")},
		"the upstream's":                  {telling("llm_provider-"+name, "86000")},
		"of a failed call":                {telling(name, "86000"), upstreamFails},
	} {
		t.Run(what, func(t *testing.T) {
			b, k := start(t)
			k.admit("plain", 0, told...)
			b.wants(id, Skip, "", nil)
		})
	}
	t.Run("of an overload", func(t *testing.T) {
		b, k := start(t)
		k.refuse("burst", 0)
		k.refuse("burst", 0, status(503), telling(name, "86000"))
		b.wants(id, Skip, "", nil)
	})
	t.Run("of a kind that is not limited", func(t *testing.T) {
		b := newBook(t).scenario("answers-quiet", id)
		b.key(tokensOnly(1000)).admit("plain", 0, telling(name, "86000"))
		b.wants(id, Skip, "", nil)
	})
	t.Run("without our provider, a number without its limit may be the provider's", func(t *testing.T) {
		b, k := start(t)
		b.h.Run.Ledger = false
		k.admit("plain", 0, telling(name, "86000"))
		b.wants(id, Skip, "", nil)
		k.admit("plain", 0, telling(name, "86000"), telling("x-ratelimit-limit-requests", 100))
		b.wants(id, Fail, "1 of 1", nil)
	})
	t.Run("of a policy that is not the key's", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, telling("ratelimit", `"daily";r=999;t=80000`), telling("ratelimit-policy", `"minute";q=100;w=5, "daily";q=1400;w=86400`))
		b.wants(id, Skip, "", nil)
		wrong := k.admit("plain", 0, telling("ratelimit", `"minute";r=99;t=80000`), telling("ratelimit-policy", `"minute";q=100;w=5, "daily";q=1400;w=86400`))
		b.wants(id, Fail, "1 of 1", []int{wrong})
	})
	t.Run("no policy is the key's for sure", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, telling("ratelimit", `"a";r=3;t=3, "b";r=3;t=86000`))
		b.wants(id, Skip, "", nil)
		k.admit("plain", 0, telling("ratelimit", `"a";r=3;t=3`))
		b.wants(id, Pass, "1 resets", nil)
	})
}

// A Retry-After that is a date is judged where the answer says what time it is.
func TestRetryAfterByDate(t *testing.T) {
	const id = "refusal/retry-after-sufficient"
	for text, want := range map[string]Verdict{
		"in 5s (HTTP-date)":               Fail,
		"in 5s (HTTP-date, by our clock)": Inconclusive,
		"in 5s (Unix seconds)":            Skip,
	} {
		t.Run(text, func(t *testing.T) {
			b := newBook(t).scenario("refusal-retry", id)
			k := b.key(history.Limits{Requests: new(int64)})
			first := k.refuse("use-up", 0, telling("retry-after", text))
			again := k.refuse("obey", 5002*ms)
			evidence := []int{}
			if want == Fail {
				evidence = []int{first, again}
			}
			b.wants(id, want, "", evidence)
		})
	}
	t.Run("admitted", func(t *testing.T) {
		b := newBook(t).scenario("refusal-retry", id)
		k := b.key(perWindow(1))
		k.admit("use-up", 0)
		k.refuse("use-up", time.Millisecond, telling("retry-after", "in 5s (HTTP-date, by our clock)"))
		k.admit("obey", 5003*ms)
		b.wants(id, Pass, "1 refused clients", nil)
	})
	t.Run("too early", func(t *testing.T) {
		b := newBook(t).scenario("refusal-retry", id)
		k := b.key(perWindow(1))
		k.refuse("use-up", 0, telling("retry-after", "in 5s (HTTP-date)"))
		k.refuse("obey", 4*sec)
		b.wants(id, Inconclusive, "earlier than Retry-After", nil)
	})
	const form = "refusal/retry-after"
	for text, want := range map[string]Verdict{"in 5s (HTTP-date)": Pass, "Sun, 06 Nov 1994 08:49:37 GMT": Pass, "in 5s (RFC 3339)": Fail, "as sent: in 5s (HTTP-date)": Fail} {
		b := newBook(t).scenario("requests-windows", form)
		b.key(perWindow(1)).refuse("burst", 0, telling("retry-after", text))
		b.wants(form, want, "", nil)
	}
}
