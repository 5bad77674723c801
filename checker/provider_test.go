package checker

import (
	"strconv"
	"testing"

	"github.com/ratecheck/ratecheck/history"
)

// provided has the provider send rate headers of its own in every call of an
// attempt: its limit of requests and of tokens, and what is left of each one
// less.
func provided(limit int) change {
	return func(l *line) {
		for i := range l.calls {
			l.calls[i].RateHeaders = map[string]string{}
			for _, kind := range []string{"Requests", "Tokens"} {
				l.calls[i].RateHeaders["X-Ratelimit-Limit-"+kind] = strconv.Itoa(limit)
				l.calls[i].RateHeaders["X-Ratelimit-Remaining-"+kind] = strconv.Itoa(limit - 1)
			}
		}
	}
}

// passes has an answer pass on what provided sent.
func passes(limit int) change {
	return func(l *line) {
		for _, kind := range []string{"requests", "tokens"} {
			telling("llm_provider-x-ratelimit-limit-"+kind, limit)(l)
			telling("llm_provider-x-ratelimit-remaining-"+kind, limit-1)(l)
		}
	}
}

func TestProviderFallback(t *testing.T) {
	const id = "headers/provider-fallback"
	start := func(t *testing.T, limits history.Limits) (*book, *sheet) {
		b := newBook(t).scenario("parallel-freed", id)
		return b, b.key(limits)
	}
	t.Run("of this call", func(t *testing.T) {
		b, k := start(t, slots(5))
		k.admit("take", 0, provided(9000), tells("requests", 9000, 8999), tells("tokens", 9000, 8999))
		k.admit("take", 0, streamed, provided(9100), tells("requests", 9100, 9099))
		k.admit("take", 0, provided(9200))
		b.wants(id, Pass, "6 numbers told where the key has no limit", []int{})
	})
	t.Run("of another call", func(t *testing.T) {
		b, k := start(t, slots(5))
		first := k.admit("take", 0, provided(9000), tells("requests", 9000, 8999))
		wrong := k.admit("take", 0, provided(9100), tells("requests", 9000, 8999))
		b.wants(id, Fail, "not the provider's of this call", []int{wrong, first})
		if r := b.verdict(id); r.Expected != "x-ratelimit-limit-requests: 9100, as the provider told in this call, or nothing" ||
			r.Observed != "x-ratelimit-limit-requests: 9000, which the provider told in the call of attempt 1" {
			t.Errorf("expected %q, observed %q", r.Expected, r.Observed)
		}
	})
	t.Run("of another call where the provider tells none", func(t *testing.T) {
		b, k := start(t, slots(5))
		first := k.admit("take", 0, provided(9000))
		wrong := k.admit("take", 0, telling("x-ratelimit-remaining-tokens", 8999))
		b.wants(id, Fail, "", []int{wrong, first})
		if r := b.verdict(id); r.Expected != "x-ratelimit-remaining-tokens: nothing, for the provider told none" {
			t.Errorf("expected %q", r.Expected)
		}
	})
	t.Run("of another key's call", func(t *testing.T) {
		b, k := start(t, slots(5))
		other := b.key(slots(6)).admit("take", 0, provided(9000))
		wrong := k.admit("take", 0, provided(9100), tells("tokens", 9000, 8999))
		b.wants(id, Fail, "", []int{wrong, other})
	})
	t.Run("half of a pair", func(t *testing.T) {
		b, k := start(t, slots(5))
		wrong := k.admit("take", 0, provided(9000), tells("requests", 9000, 17))
		b.wants(id, Fail, "", []int{wrong})
	})
	t.Run("of a call that was made again", func(t *testing.T) {
		b, k := start(t, slots(5))
		k.admit("take", 0, provided(9000), tells("requests", 9000, 8999), func(l *line) {
			l.calls = append([]history.Call{{Status: 500}}, l.calls...)
		})
		b.wants(id, Pass, "2 numbers", nil)
	})
	t.Run("a limit of the target's own", func(t *testing.T) {
		b, k := start(t, slots(5))
		k.admit("take", 0, provided(9000), tells("requests", 60, 59))
		b.wants(id, Skip, "2 numbers are told where the key has no limit, and none is the provider's", nil)
	})
	t.Run("nothing", func(t *testing.T) {
		b, k := start(t, slots(5))
		k.admit("take", 0, provided(9000), passes(9000))
		b.wants(id, Skip, "nothing is told where the key has no limit", nil)
	})
	t.Run("a kind that the key has a limit of", func(t *testing.T) {
		b, k := start(t, perWindow(5))
		k.admit("take", 0, provided(9000), tells("requests", 5, 4), tells("tokens", 9000, 8999))
		k.admit("take", 0, provided(9100), tells("requests", 9000, 8999)) // judged elsewhere
		b.wants(id, Pass, "2 numbers", nil)
	})
	t.Run("on a failed answer", func(t *testing.T) {
		b, k := start(t, slots(5))
		k.admit("take", 0, provided(9000))
		k.admit("take", 0, upstreamFails, tells("requests", 9000, 8999))
		b.wants(id, Skip, "", nil)
	})
	t.Run("nothing admitted", func(t *testing.T) {
		b, k := start(t, slots(5))
		k.refuse("take", 0, tells("requests", 9000, 8999))
		b.wants(id, Inconclusive, "nothing was admitted", nil)
	})
	t.Run("without our provider", func(t *testing.T) {
		b, k := start(t, slots(5))
		b.h.Run.Ledger = false
		k.admit("take", 0, tells("requests", 9000, 8999))
		b.wants(id, Skip, "of our provider only", nil)
	})
}

func TestProviderPassed(t *testing.T) {
	const id = "headers/provider-passed"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("forwarding-bodies", id)
		return b, b.key(both(110, 3900))
	}
	t.Run("as sent", func(t *testing.T) {
		b, k := start(t)
		k.admit("tools", 0, provided(9000), passes(9000))
		k.admit("stream", 0, streamed, provided(9001), passes(9001))
		b.wants(id, Pass, "8 headers of the provider", []int{})
	})
	for name, test := range map[string]struct {
		told     change
		observed string
	}{
		"twice":         {telling("llm_provider-x-ratelimit-limit-tokens", "9000, 9000"), "llm_provider-x-ratelimit-limit-tokens: 9000, 9000"},
		"another value": {telling("llm_provider-x-ratelimit-limit-tokens", "8000"), "llm_provider-x-ratelimit-limit-tokens: 8000"},
		"not at all":    {func(l *line) { delete(l.Header, "llm_provider-x-ratelimit-limit-tokens") }, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			b, k := start(t)
			wrong := k.admit("tools", 0, provided(9000), passes(9000), test.told)
			b.wants(id, Fail, "not passed on as it was sent", []int{wrong})
			if r := b.verdict(id); r.Expected != "llm_provider-x-ratelimit-limit-tokens: 9000" || r.Observed != test.observed {
				t.Errorf("expected %q, observed %q", r.Expected, r.Observed)
			}
		})
	}
	t.Run("on plain answers alone", func(t *testing.T) {
		b, k := start(t)
		k.admit("tools", 0, provided(9000), passes(9000))
		wrong := k.admit("stream", 0, streamed, provided(9001))
		b.wants(id, Fail, "", []int{wrong})
	})
	t.Run("of the last call", func(t *testing.T) {
		b, k := start(t)
		k.admit("tools", 0, provided(9000), passes(9000), func(l *line) {
			l.calls = append([]history.Call{{Status: 500, RateHeaders: map[string]string{"X-Ratelimit-Limit-Tokens": "7"}}}, l.calls...)
		})
		b.wants(id, Pass, "4 headers", nil)
	})
	t.Run("no such headers", func(t *testing.T) {
		b, k := start(t)
		k.admit("tools", 0, provided(9000), tells("requests", 110, 109))
		b.wants(id, Skip, "no answer has a header llm_provider-*", nil)
	})
	t.Run("nothing sent", func(t *testing.T) {
		b, k := start(t)
		k.admit("tools", 0, telling("llm_provider-content-type", "text/plain"))
		b.wants(id, Inconclusive, "the provider sent no headers", nil)
	})
	t.Run("nothing admitted", func(t *testing.T) {
		b, k := start(t)
		k.lose("tools", 0)
		b.wants(id, Inconclusive, "nothing was admitted: attempt 1", nil)
	})
	t.Run("without our provider", func(t *testing.T) {
		b, k := start(t)
		b.h.Run.Ledger = false
		k.admit("tools", 0, passes(9000))
		b.wants(id, Skip, "of our provider only", nil)
	})
}
