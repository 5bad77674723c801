package checker

import (
	"fmt"
	"testing"

	"github.com/ratecheck/ratecheck/history"
)

func excerpt(text string) change { return func(l *line) { l.Excerpt = text } }

// refusalText is a refusal's body that names a limit in its message.
func refusalText(kind string) change {
	return excerpt(fmt.Sprintf(`{"error":{"message":"Rate limit exceeded for api_key: x. Limit type: %s. Current limit: 3, Remaining: 0","type":"throttling_error","param":null,"code":"429"}}`, kind))
}

func TestNamesLimit(t *testing.T) {
	const id = "refusal/names-limit"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("refusal-free", id)
		return b, b.key(both(8, 210))
	}
	// tokensOut uses the tokens up and leaves requests.
	tokensOut := func(k *sheet) { k.admit("hold", 0, costing(160, 190, 150)) }
	for name, test := range map[string]struct {
		told change
		want Verdict
		says string
	}{
		"by header":                       {telling("rate_limit_type", "tokens"), Pass, "1 refusals name a limit that can have refused, for 1 of them"},
		"by text":                         {refusalText("tokens"), Pass, "1 refusals name"},
		"by type":                         {excerpt(`{"error":{"message":"no","type":"tokens","code":"rate_limit_exceeded"}}`), Pass, "1 refusals name"},
		"by message":                      {excerpt("Rate limit reached for m on tokens per min (TPM): Limit 210"), Pass, "1 refusals name"},
		"another by header":               {telling("rate_limit_type", "requests"), Warn, "names requests, which cannot have refused"},
		"another by text":                 {refusalText("requests"), Warn, "names requests"},
		"another by type":                 {excerpt(`{"error":{"message":"no","type":"requests"}}`), Warn, "names requests"},
		"another by message":              {excerpt("Rate limit reached for m on requests per min (RPM): Limit 8"), Warn, "names requests"},
		"slots, which the key has not":    {telling("rate_limit_type", "concurrent_requests"), Warn, "names slots"},
		"nothing":                         {excerpt(`{"error":{"message":"Too Many Requests","type":"rate_limit_error","code":"429"}}`), Skip, "none of 1 refusals names a limit"},
		"all limits":                      {excerpt("you may send 8 requests per minute and 210 tokens per minute"), Skip, "none of 1"},
		"a number as code":                {excerpt(`{"error":{"message":"no","type":null,"code":429}}`), Skip, "none of 1"},
		"budget, which is none of ours":   {telling("rate_limit_type", "budget"), Skip, "none of 1"},
		"budget in the text":              {refusalText("budget"), Skip, "none of 1"},
		"a budget, and tokens":            {excerpt("Limit type: budget. 210 tokens per minute"), Pass, "1 refusals name"},
		"an error that is text, not JSON": {excerpt(`{"error":"slow down"}`), Skip, "none of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			b, k := start(t)
			tokensOut(k)
			no := k.refuse("blocked", sec, costing(0, 206, 200), test.told)
			var attempts []int
			if test.want == Warn {
				attempts = []int{no}
			}
			b.wants(id, test.want, test.says, attempts)
		})
	}
	t.Run("header and text differ", func(t *testing.T) {
		b, k := start(t)
		tokensOut(k)
		no := k.refuse("blocked", sec, costing(0, 206, 200), telling("rate_limit_type", "tokens"), refusalText("requests"))
		b.wants(id, Warn, "names requests", []int{no})
		if r := b.verdict(id); r.Expected != "tokens, by all that was asked of the key until then" || r.Observed != `"limit type: requests"` {
			t.Errorf("expected %q, observed %q", r.Expected, r.Observed)
		}
	})
	t.Run("for slots", func(t *testing.T) {
		b := newBook(t).scenario("refusal-free", id)
		nine, one := int64(9), int64(1)
		k := b.key(history.Limits{Requests: &nine, Parallel: &one})
		k.admit("hold", 0, taking(sec))
		k.refuses(4, "blocked", 250*ms, telling("rate_limit_type", "max_parallel_requests"))
		b.wants(id, Pass, "4 refusals name a limit that can have refused, for 4 of them", nil)
		no := k.refuse("blocked", 260*ms, telling("rate_limit_type", "requests"))
		b.wants(id, Warn, "a request limit and slots names requests", []int{no})
	})
	t.Run("either can have refused", func(t *testing.T) {
		b, k := start(t)
		k.admits(8, "fill", 0, costing(20, 20, 10))
		k.refuse("fill", sec, costing(0, 20, 10), telling("rate_limit_type", "requests"))
		k.refuse("fill", sec, costing(0, 20, 10), telling("rate_limit_type", "tokens"))
		b.wants(id, Pass, "2 refusals name a limit that can have refused, for 0 of them", nil)
	})
	t.Run("refusals may have been charged", func(t *testing.T) {
		b, k := start(t)
		tokensOut(k)
		k.refuses(8, "blocked", sec, costing(0, 206, 200))
		k.refuse("blocked", 2*sec, costing(0, 206, 200), telling("rate_limit_type", "requests"))
		b.wants(id, Pass, "", nil)
	})
	t.Run("a request without a maximum may be reserved at any number", func(t *testing.T) {
		b := newBook(t).scenario("refusal-free", id)
		k := b.key(both(8, 5000))
		k.refuse("first", 0, telling("rate_limit_type", "tokens"), func(l *line) { l.MaxTokens = nil })
		b.wants(id, Pass, "", nil)
	})
	t.Run("no limit can have refused", func(t *testing.T) {
		b := newBook(t).scenario("refusal-free", id)
		b.key(perWindow(8)).refuse("first", 0, telling("rate_limit_type", "tokens"))
		b.wants(id, Skip, "", nil) // that it was refused is judged elsewhere
	})
	t.Run("a later request does not count", func(t *testing.T) {
		b, k := start(t)
		tokensOut(k)
		no := k.refuse("blocked", sec, costing(0, 206, 200), telling("rate_limit_type", "requests"))
		k.admits(8, "fill", 2*sec, costing(1, 1, 1))
		b.wants(id, Warn, "", []int{no})
	})
	t.Run("nothing refused", func(t *testing.T) {
		b, k := start(t)
		k.admit("hold", 0)
		b.wants(id, Inconclusive, "nothing was refused", nil)
	})
	t.Run("an overload names what it wants", func(t *testing.T) {
		b, k := start(t)
		tokensOut(k)
		k.refuse("blocked", sec, costing(0, 206, 200), telling("rate_limit_type", "tokens"))
		k.refuse("blocked", sec, costing(0, 206, 200), status(503), telling("rate_limit_type", "requests"))
		b.wants(id, Pass, "1 refusals", nil)
	})
}
