package checker

import (
	"testing"

	"github.com/ratecheck/ratecheck/history"
)

func TestTightRetryAfter(t *testing.T) {
	const id = "refusal/retry-after-tight"
	// run has a client that was told v come back, and be decided, at a time
	// after the refusal.
	run := func(t *testing.T, v string, sent, decided int, changes ...change) *book {
		b := newBook(t).scenario("refusal-retry", id)
		k := b.key(perWindow(2))
		k.admits(2, "use-up", 0)
		k.refuse("use-up", 100*ms, telling("retry-after", v))
		at := 100*ms + msTimes(sent)*ms
		k.admit("early", at, append([]change{arriving(msTimes(decided-sent) * ms)}, changes...)...)
		return b
	}
	for name, test := range map[string]struct {
		told          string
		sent, decided int
		want          Verdict
	}{
		"surely early":                     {"5", 3500, 3501, Warn},
		"a whole second may be rounded up": {"5", 3999, 4000, Inconclusive},
		"a millisecond sooner":             {"5", 3998, 3999, Warn},
		"a slow target decides late":       {"5", 1000, 4000, Inconclusive},
		"sent late":                        {"5", 7000, 7001, Inconclusive},
		"a date may be two seconds long":   {"in 5s (HTTP-date)", 2999, 3000, Inconclusive},
		"a date, surely early":             {"in 5s (HTTP-date)", 2998, 2999, Warn},
		"a date by a Date that is old":     {"in 5s (HTTP-date, by a Date 1.5s behind)", 2000, 2001, Inconclusive},
		"the same, surely early":           {"in 5s (HTTP-date, by a Date 1.5s behind)", 1400, 1401, Warn},
		"a date by our clock":              {"in 5s (HTTP-date, by our clock)", 100, 101, Inconclusive},
		"a date of another tool":           {"Sun, 22 Nov 2026 03:30:09 GMT", 100, 101, Inconclusive},
		"told nothing":                     {"", 100, 101, Inconclusive},
		"told nonsense":                    {"soon", 100, 101, Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			b := run(t, test.told, test.sent, test.decided)
			b.wants(id, test.want, "", nil)
			if test.want == Warn {
				b.wants(id, Warn, "earlier than it was told was admitted", []int{3, 4})
				if r := b.verdict(id); r.Expected == "" || r.Observed != "retry-after: "+test.told+", and admitted" {
					t.Errorf("expected %q, observed %q", r.Expected, r.Observed)
				}
			}
		})
	}
	again := func(t *testing.T, enter func(k *sheet)) *book {
		b := newBook(t).scenario("refusal-retry", id)
		k := b.key(perWindow(2))
		k.refuse("use-up", 0)
		enter(k)
		return b
	}
	again(t, func(k *sheet) { k.refuse("early", 3*sec) }).wants(id, Pass, "refused again", []int{})
	again(t, func(k *sheet) { k.lose("early", 3*sec) }).wants(id, Inconclusive, "neither admitted nor refused", nil)
	again(t, func(k *sheet) { k.refuse("early", 3*sec, status(503)) }).wants(id, Inconclusive, "neither admitted nor refused", nil)
	again(t, func(k *sheet) { k.admit("obey", 5*sec) }).wants(id, Skip, "no refusal told", nil)
	b := newBook(t).scenario("refusal-retry", id)
	b.key(history.Limits{}).admit("early", 0)
	b.wants(id, Inconclusive, "neither admitted nor refused", nil)
	// Any key may show it, in any order.
	for _, first := range []bool{true, false} {
		b := newBook(t).scenario("refusal-retry", id)
		for _, through := range []bool{first, !first} {
			k := b.key(perWindow(2))
			k.refuse("use-up", 0)
			if through {
				k.admit("early", sec)
			} else {
				k.refuse("early", sec)
			}
		}
		b.wants(id, Warn, "", nil)
	}
}

// The windows are of 5 s: nobody waits for longer than two of them and 2 s.
func TestRetryAfterLongerThanAnyClassNeeds(t *testing.T) {
	const id = "refusal/retry-after-tight"
	for told, want := range map[string]Verdict{
		"3600": Warn, "1795318209": Warn, "13": Warn, "12": Skip, "in 12.5s (HTTP-date)": Warn, "in 1h0m0s (HTTP-date)": Warn,
		"in 12.5s (HTTP-date, by a Date 1s behind)": Skip, "in 1h0m0s (HTTP-date, by our clock)": Skip, "an hour": Skip,
	} {
		for what, limits := range map[string]history.Limits{"requests": perWindow(2), "tokens": tokensOnly(20)} {
			b := newBook(t).scenario("refusal-retry", id)
			k := b.key(limits)
			k.admits(2, "use-up", 0)
			refusal := k.refuse("use-up", 100*ms, telling("retry-after", told))
			evidence := []int{}
			if want == Warn {
				evidence = []int{refusal}
			}
			b.wants(id, want, "", evidence)
			if r := b.verdict(id); want == Warn && r.Observed != "retry-after: "+told {
				t.Errorf("%s by %s: observed %q", told, what, r.Observed)
			}
		}
	}
	b := newBook(t).scenario("refusal-retry", id)
	b.key(slots(1)).refuse("use-up", 0, telling("retry-after", "3600"))
	b.wants(id, Skip, "no refusal told", nil) // nobody knows when a slot frees
}
