package checker

import (
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

func TestOneUpstreamCall(t *testing.T) {
	const id = "requests/one-upstream-call"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("requests-windows", id)
		return b, b.key(perWindow(10))
	}
	// again makes the call of an attempt once more, 5 ms before or after.
	again := func(status int, by time.Duration) change {
		return func(l *line) {
			c := l.calls[0]
			c.Received, c.Done, c.Status = c.Received+by, c.Done+by, status
			l.calls = append(l.calls, c)
		}
	}
	t.Run("one each", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "burst", sec)
		k.refuse("burst", sec)
		b.wants(id, Pass, "3 admitted requests, one call each", []int{})
	})
	t.Run("made again though it had succeeded", func(t *testing.T) {
		b, k := start(t)
		k.admit("burst", sec)
		twice := k.admit("burst", sec, again(200, 5*ms))
		b.wants(id, Fail, "made again", []int{twice})
	})
	t.Run("made again after a failure", func(t *testing.T) {
		b, k := start(t)
		k.admit("burst", sec, again(500, -5*ms))
		b.wants(id, Pass, "", nil)
	})
	t.Run("it succeeded, and the second failed", func(t *testing.T) {
		b, k := start(t)
		twice := k.admit("burst", sec, again(500, 5*ms))
		b.wants(id, Fail, "", []int{twice})
	})
	for name, brokenOff := range map[string]func(*history.Call){
		"made again when its time was up":   func(c *history.Call) { c.Gone = true },
		"made again when it had broken off": func(c *history.Call) { c.Cut = true },
	} {
		t.Run(name, func(t *testing.T) {
			b, k := start(t)
			k.admit("burst", sec, streamed, again(200, 5*ms), func(l *line) { brokenOff(&l.calls[0]) })
			b.wants(id, Pass, "", nil)
		})
	}
	t.Run("nothing reached the provider", func(t *testing.T) {
		b, k := start(t)
		k.refuse("burst", sec)
		b.wants(id, Inconclusive, "nothing reached the provider", nil)
	})
	t.Run("without the ledger", func(t *testing.T) {
		b, k := start(t)
		b.h.Run.Ledger = false
		k.admit("burst", sec)
		b.wants(id, Skip, "our provider's ledger only", nil)
	})
}

func TestRefusedNotCharged(t *testing.T) {
	const id = "requests/refused-not-charged"
	// run enters a request that holds the slot of a key with five requests, four
	// that are refused for it, and so many that fill the key up.
	run := func(b *book, through int) (blocked []int, full int) {
		b.scenario("refusal-free", id)
		five, one := int64(5), int64(1)
		k := b.key(history.Limits{Requests: &five, Parallel: &one})
		k.admit("hold", 0, taking(500*ms))
		blocked = k.refuses(4, "blocked", 100*ms)
		for i := range through {
			k.admit("fill", sec+time.Duration(i)*10*ms)
		}
		return blocked, k.refuse("fill", 2100*ms)
	}
	t.Run("not charged", func(t *testing.T) {
		b := newBook(t)
		run(b, 4)
		b.wants(id, Pass, "4 refused, and all 5 requests admitted", []int{})
	})
	t.Run("charged", func(t *testing.T) {
		b := newBook(t)
		blocked, full := run(b, 0)
		b.wants(id, Fail, "4 refused requests were charged as requests", append(blocked, full))
	})
	t.Run("one of them charged", func(t *testing.T) {
		b := newBook(t)
		run(b, 3)
		b.wants(id, Fail, "", nil)
	})
	t.Run("refused for a slot that was freed beside the answer", func(t *testing.T) {
		b := newBook(t)
		run(b, 3)
		full := &b.h.Attempts[len(b.h.Attempts)-1]
		full.Sent, full.Headers, full.Done = 1900*ms, 1902*ms, 1902*ms
		b.wants(id, Inconclusive, "its slots may have been taken", nil)
	})
	t.Run("an overload fills nothing up", func(t *testing.T) {
		b := newBook(t)
		run(b, 0)
		b.h.Attempts[len(b.h.Attempts)-1].Status = 503
		b.wants(id, Inconclusive, "could not be used up", nil)
	})
	t.Run("not filled up", func(t *testing.T) {
		b := newBook(t)
		run(b, 4)
		b.h.Attempts = b.h.Attempts[:len(b.h.Attempts)-1]
		b.wants(id, Inconclusive, "could not be used up", nil)
	})
	t.Run("nothing was refused for the slot", func(t *testing.T) {
		b := newBook(t).scenario("refusal-free", id)
		k := b.key(perWindow(5))
		k.lose("blocked", 0)
		k.refuse("fill", sec)
		b.wants(id, Inconclusive, "nothing was refused on the key with a request limit: attempt 1", nil)
	})
}

func TestTokensUsable(t *testing.T) {
	const id = "tokens/limit-usable"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("tokens-sequential", id)
		return b, b.key(tokensOnly(500))
	}
	cost := costing(50, 100, 30)
	t.Run("refused when the cap did not fit", func(t *testing.T) {
		b, k := start(t)
		for i := range 9 {
			k.admit("ask", time.Duration(i)*100*ms, cost)
		}
		k.refuses(2, "ask", sec, cost)
		b.wants(id, Pass, "2 refusals, each lawful", []int{})
	})
	t.Run("refused at half", func(t *testing.T) {
		b, k := start(t)
		for i := range 5 {
			k.admit("ask", time.Duration(i)*100*ms, cost)
		}
		wrong := k.refuses(2, "ask", 2*sec, cost)
		b.wants(id, Fail, "was refused 2 times although there was room", wrong)
	})
	t.Run("what is in flight counts at its cap", func(t *testing.T) {
		b, k := start(t)
		k.admits(5, "ask", 0, cost, taking(3*sec))
		k.refuse("ask", sec, cost)
		b.wants(id, Pass, "1 refusals", nil)
	})
	for name, failed := range map[string]change{
		"a call that failed":       upstreamFails,
		"an answer that was lost":  func(l *line) { l.Status, l.Error = 0, history.Reset },
		"an answer that was cut":   func(l *line) { l.Error = history.Cut },
		"an answer that came late": status(504),
	} {
		t.Run(name+" may keep its estimate", func(t *testing.T) {
			b, k := start(t)
			k.admit("ask", 0, cost, failed)
			for i := range 7 {
				k.admit("ask", time.Duration(i+1)*100*ms, cost)
			}
			k.refuse("ask", 2*sec, cost) // 100 and 350 of 500
			b.wants(id, Pass, "1 refusals", nil)
			b, k = start(t)
			k.admit("ask", 0, cost, failed)
			for i := range 6 {
				k.admit("ask", time.Duration(i+1)*100*ms, cost)
			}
			wrong := k.refuse("ask", 2*sec, cost)
			b.wants(id, Fail, "", []int{wrong})
		})
	}
	t.Run("what was used two windows ago does not", func(t *testing.T) {
		b, k := start(t)
		k.admits(9, "ask", 0, cost)
		wrong := k.refuse("ask", 11*sec, cost)
		b.wants(id, Fail, "1 times", []int{wrong})
	})
	t.Run("an overload", func(t *testing.T) {
		b, k := start(t)
		k.admits(9, "ask", 0, cost)
		k.refuse("ask", sec, cost)
		k.refuse("ask", 11*sec, cost, status(503))
		b.wants(id, Pass, "", nil)
	})
	t.Run("nothing refused", func(t *testing.T) {
		b, k := start(t)
		k.admit("ask", 0, cost)
		b.wants(id, Inconclusive, "nothing was refused", nil)
	})
}

func TestSmallLimitUsable(t *testing.T) {
	const id = "tokens/small-limit-usable"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("estimate-edges", id)
		return b, b.key(tokensOnly(700))
	}
	unstated := func(l *line) { l.MaxTokens, l.Cap = nil, 0 }
	t.Run("admitted", func(t *testing.T) {
		b, k := start(t)
		k.admit("first", 0, unstated)
		b.wants(id, Pass, "the first request was admitted", []int{})
	})
	t.Run("refused", func(t *testing.T) {
		b, k := start(t)
		first := k.refuse("first", 0, unstated)
		b.wants(id, Fail, "although nothing had been used", []int{first})
	})
	t.Run("an overload", func(t *testing.T) {
		b, k := start(t)
		k.refuse("first", 0, unstated, status(503))
		b.key(tokensOnly(150)).refuse("never", 0)
		b.wants(id, Inconclusive, "neither admitted nor refused", nil)
	})
	t.Run("lost", func(t *testing.T) {
		b, k := start(t)
		k.lose("first", 0, unstated)
		b.wants(id, Inconclusive, "connection reset", nil)
	})
	t.Run("not sent", func(t *testing.T) {
		b, k := start(t)
		k.admit("never", 0)
		b.wants(id, Inconclusive, "it was not sent", nil)
	})
}

func TestRefusalBody(t *testing.T) {
	const id = "refusal/body"
	const right = `{"error":{"message":"slow down","type":"x","code":"429"}}`
	saying := func(text string) change { return func(l *line) { l.Excerpt = text } }
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("requests-windows", id)
		return b, b.key(perWindow(1))
	}
	for name, test := range map[string]struct {
		text, kind string
		want       Verdict
	}{
		"an error object":            {right, "application/json", Pass},
		"with no type of content":    {right, "", Pass},
		"a problem":                  {`{"type":"about:blank","title":"Too many requests"}`, "application/problem+json; charset=utf-8", Pass},
		"a problem in other letters": {`{"title":"Too many requests"}`, "Application/Problem+JSON", Pass},
		"a problem with its type":    {`{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","violated-policies":["a"]}`, "application/problem+json", Pass},
		"a problem with its detail":  {`{"detail":"slow down","status":429}`, "application/problem+json", Pass},
		"a problem of odd types":     {`{"type":429,"title":["slow down"]}`, "application/problem+json", Warn},
		"an error with an odd title": {`{"title":["slow down"],` + right[1:], "application/json", Pass},
		"null":                       {"null", "application/json", Fail},
		"a problem by its body only": {`{"type":"about:blank","title":"Too many requests"}`, "application/json", Warn},
		"a problem without a title":  {`{"type":"about:blank"}`, "application/problem+json", Warn},
		"a detail":                   {`{"detail":"slow down"}`, "application/json", Warn},
		"an error in a word":         {`{"error":"slow down"}`, "application/json", Warn},
		"an error that says nothing": {`{"error":{"code":429}}`, "application/json", Warn},
		"text":                       {"slow down\n", "text/plain", Fail},
		"a page":                     {"<html>429</html>", "text/html", Fail},
		"a list":                     {`["slow down"]`, "application/json", Fail},
		"nothing":                    {"", "application/json", Fail},
	} {
		t.Run(name, func(t *testing.T) {
			b, k := start(t)
			k.refuse("burst", 0, saying(right))
			other := k.refuse("burst", 0, saying(test.text), telling("content-type", test.kind))
			evidence := []int{}
			if test.want != Pass {
				evidence = []int{other}
			}
			b.wants(id, test.want, "", evidence)
		})
	}
	for name, more := range map[string][]change{
		"was not kept whole": {saying(`{"error":"` + strings.Repeat("x", shortenedExcerpt))},
		"came in a stream":   {refusedInStream},
		"is an overload's":   {saying("busy"), status(503)},
	} {
		t.Run("a body that "+name, func(t *testing.T) {
			b, k := start(t)
			k.refuse("burst", 0, saying(right), streamed)
			k.refuse("burst", 0, saying(right))
			k.refuse("burst", 0, more...)
			b.wants(id, Pass, "an error object on all 2 refusals", nil)
		})
	}
	// Of a long body the beginning is kept, and of one that broke off what came.
	long := strings.Repeat("x", shortenedExcerpt)
	for name, test := range map[string]struct {
		text string
		want Verdict
		says string
	}{
		"an error object":            {`{"type":"error","error":{"type":"rate_limit_error","details":[{"a":1},null],"message":"slow down"},"more":"` + long, Pass, "all 1 refusals"},
		"an error with a long end":   {`{"error":{"message":"slow down","help":"` + long, Pass, "all 1 refusals"},
		"a message that is long":     {`{"error":{"message":"` + long, Inconclusive, "the bodies of 1 refusals are longer"},
		"a message elsewhere":        {`{"message":"no","errors":[{"message":"no"}],"error":{"inner":{"message":"no"}},"more":"` + long, Inconclusive, ""},
		"a page":                     {"<!DOCTYPE html><title>429</title>" + long, Fail, "no JSON object"},
		"a list":                     {`[{"error":{"message":"slow down"}},"` + long, Fail, "no JSON object"},
		"two objects":                {`{"error":{"message":"slow down"}}{"more":"` + long, Fail, "no JSON object"},
		"an object with a bare word": {`{"error":slow,"more":"` + long, Fail, "no JSON object"},
	} {
		t.Run("long: "+name, func(t *testing.T) {
			b, k := start(t)
			k.refuse("burst", 0, saying(test.text[:shortenedExcerpt]))
			b.wants(id, test.want, test.says, nil)
		})
	}
	for text, want := range map[string]Verdict{"": Inconclusive, `{"err`: Inconclusive, `{"error":{"message":"slow down"`: Pass, "<ht": Fail} {
		t.Run("broke off: "+text, func(t *testing.T) {
			b, k := start(t)
			k.refuse("burst", 0, saying(text), func(l *line) { l.Error = history.Deadline })
			b.wants(id, want, "", nil)
		})
	}
	t.Run("nothing refused", func(t *testing.T) {
		b, k := start(t)
		k.admit("burst", 0)
		b.wants(id, Inconclusive, "nothing was refused by status", nil)
	})
}

func TestNeverFits(t *testing.T) {
	const id = "refusal/never-fits"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("estimate-edges", id)
		return b, b.key(tokensOnly(150))
	}
	silent := telling("retry-after", "")
	for name, test := range map[string]struct {
		how  []change
		want Verdict
	}{
		"no word of coming back":  {[]change{silent}, Pass},
		"told not to retry":       {[]change{telling("x-should-retry", "false")}, Pass},
		"told to come back":       {nil, Warn},
		"told to retry":           {[]change{telling("x-should-retry", "true")}, Warn},
		"told so by another code": {[]change{status(402)}, Warn},
	} {
		t.Run(name, func(t *testing.T) {
			b, k := start(t)
			k.refuse("never", 0, silent)
			second := k.refuse("never", sec, test.how...)
			evidence := []int{}
			if test.want == Warn {
				evidence = []int{second}
			}
			b.wants(id, test.want, "", evidence)
		})
	}
	t.Run("a bad request", func(t *testing.T) {
		b, k := start(t)
		k.lose("never", 0, status(400))
		k.lose("never", sec, status(413))
		k.lose("never", 2*sec, status(422), telling("retry-after", "5"))
		b.wants(id, Pass, "not told to come back", nil)
	})
	t.Run("admitted", func(t *testing.T) {
		b, k := start(t)
		k.admit("never", 0, costing(510, 600, 500))
		b.wants(id, Skip, "does not look at max_tokens", nil)
	})
	t.Run("lost", func(t *testing.T) {
		b, k := start(t)
		k.lose("never", 0)
		b.wants(id, Inconclusive, "neither admitted nor refused", nil)
	})
	t.Run("an overload", func(t *testing.T) {
		b, k := start(t)
		k.refuse("never", 0, silent)
		k.refuse("never", 0, status(503))
		b.wants(id, Inconclusive, "attempt 2: status 503", nil)
	})
	t.Run("not asked", func(t *testing.T) {
		b, k := start(t)
		k.admit("first", 0)
		b.wants(id, Inconclusive, "it was not asked", nil)
	})
}
