package checker

import (
	"testing"

	"github.com/ratecheck/ratecheck/history"
)

// told sets one of the headers that tell of a call.
func told(name string, value any) change { return telling("x-"+proxyWord+"-"+name, value) }

// proxyWord is part of the documented names.
const proxyWord = "lite" + "llm"

func TestCallHeaders(t *testing.T) {
	const id = "headers/litellm-typed"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("answers-quiet", id)
		return b, b.key(both(100, 1000))
	}
	t.Run("as documented", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, told("call-id", "a"), told("response-duration-ms", 1.5), told("response-cost", 0.001), told("key-rpm-limit", 100), told("key-tpm-limit", 1000), told("attempted-retries", 0))
		k.admit("stream", 0, streamed, told("call-id", "b"), told("overhead-duration-ms", 0.2))
		k.refuse("plain", 0, told("call-id", "c"), told("key-spend", 0))
		b.wants(id, Pass, "10 headers on 3 answers", []int{})
	})
	for name, test := range map[string]struct {
		told                change
		says, want, instead string
	}{
		"a word for a number":     {told("response-cost", "None"), "response-cost is not of its documented type", "a number of 0 or more", `"None"`},
		"a negative duration":     {told("overhead-duration-ms", -1), "not of its documented type", "a number of 0 or more", `"-1"`},
		"a count that is none":    {told("attempted-retries", "0.0"), "not of its documented type", "a whole number of 0 or more", `"0.0"`},
		"longer than the attempt": {told("response-duration-ms", 1500), "longer than the whole attempt", "at most 0.002 s", "1.500 s"},
		"another limit of rpm":    {told("key-rpm-limit", 7), "the key's limit of requests is told wrong", "100", "7"},
		"another limit of tpm":    {told("key-tpm-limit", 7), "the key's limit of tokens is told wrong", "1000", "7"},
		"the id of another call":  {told("call-id", "a"), "two calls were told the same id", "an id of each call's own", "a twice"},
	} {
		t.Run(name, func(t *testing.T) {
			b, k := start(t)
			first := k.admit("plain", 0, told("call-id", "a"), told("response-duration-ms", 1))
			wrong := k.admit("plain", 0, test.told)
			attempts := []int{wrong}
			if name == "the id of another call" {
				attempts = []int{first, wrong}
			}
			b.wants(id, Fail, test.says, attempts)
			if r := b.verdict(id); r.Expected != test.want || r.Observed != test.instead {
				t.Errorf("expected %q, observed %q", r.Expected, r.Observed)
			}
		})
	}
	for name, lawful := range map[string]change{
		"a clock that was set":                       told("response-duration-ms", 100),
		"a retry that is told":                       func(l *line) { retried(l); told("attempted-retries", 1)(l) },
		"a fallback that is told":                    func(l *line) { retried(l); told("attempted-retries", 0)(l); told("attempted-fallbacks", 1)(l) },
		"a retry of which nothing is said":           func(l *line) { retried(l); told("model-group", "m")(l) },
		"a retry that the provider did not see":      told("attempted-retries", 2),
		"a call that was made again without failing": func(l *line) { l.calls = append(l.calls, l.calls[0]); told("attempted-retries", 0)(l) },
		"a discount below nothing":                   told("response-cost-discount-amount", -1),
	} {
		t.Run(name, func(t *testing.T) {
			b, k := start(t)
			k.admit("plain", 0, lawful)
			b.wants(id, Pass, "1 answers", nil)
		})
	}
	t.Run("a retry that is left out, or was made behind the target", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, retried, told("attempted-retries", 0))
		b.wants(id, Inconclusive, "tells of 0 retries, and 1 calls failed before", nil)
	})
	t.Run("the limit of a kind that the run gave the key none of", func(t *testing.T) {
		b := newBook(t).scenario("answers-quiet", id)
		b.key(slots(3)).admit("plain", 0, told("key-rpm-limit", 60))
		b.wants(id, Pass, "", nil)
	})
	t.Run("an attempt without an id beside another", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "plain", 0, told("version", "1"))
		b.wants(id, Pass, "2 headers on 2 answers", nil)
	})
	t.Run("no such headers", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, tells("requests", 100, 99), told("something-else", "?"))
		b.wants(id, Skip, "no answer tells of its call", nil)
	})
}

// retried has a call fail before the one that succeeds.
func retried(l *line) {
	l.calls = append([]history.Call{{Received: l.Sent + ms/2, Done: l.Sent + ms, Status: 500}}, l.calls...)
}
