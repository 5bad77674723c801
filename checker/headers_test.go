package checker

import "testing"

func TestHeadersOnAnswers(t *testing.T) {
	const id = "headers/on-answers"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("answers-quiet", id)
		return b, b.key(perWindow(100))
	}
	for _, name := range []string{
		"x-ratelimit-remaining-requests", "x-ratelimit-limit", "ratelimit-remaining", "ratelimit",
		"anthropic-ratelimit-requests-remaining", "x-ai-ratelimit-remaining-minute", "ratelimitbysize-remaining",
	} {
		t.Run(name, func(t *testing.T) {
			b, k := start(t)
			k.admits(2, "plain", 0, telling(name, 1))
			k.admit("stream", 0, streamed)
			b.wants(id, Pass, "on all 2 plain answers", []int{})
		})
	}
	t.Run("the upstream's are not the target's", func(t *testing.T) {
		b, k := start(t)
		ids := k.admits(2, "plain", 0, telling("llm_provider-x-ratelimit-remaining-requests", 1))
		b.wants(id, Warn, "2 of 2 plain answers carry no rate headers", ids)
	})
	t.Run("on one of two", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, left(1))
		bare := k.admit("plain", 0)
		b.wants(id, Warn, "1 of 2", []int{bare})
	})
	t.Run("refusals and failures are not judged", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, left(1))
		k.refuse("plain", 0)
		k.admit("plain", 0, upstreamFails)
		k.lose("plain", 0)
		b.wants(id, Pass, "on all 1", nil)
	})
	t.Run("no answer", func(t *testing.T) {
		b, k := start(t)
		k.lose("plain", 0)
		b.wants(id, Inconclusive, "connection reset", nil)
	})
}

func TestHeadersOnStreams(t *testing.T) {
	const id = "headers/on-streams"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("answers-quiet", id)
		return b, b.key(perWindow(100))
	}
	t.Run("on both", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, left(1))
		k.admits(2, "stream", 0, left(1), streamed)
		b.wants(id, Pass, "on all 2 streams", nil)
	})
	t.Run("on plain answers alone", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "plain", 0, left(1))
		k.admits(2, "stream", 0, streamed)
		b.wants(id, Fail, "2 of 2 streams carry no rate headers", []int{1, 3, 4})
	})
	t.Run("on one of two streams", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, left(1))
		k.admit("stream", 0, streamed, left(1))
		k.admit("stream", 0, streamed)
		b.wants(id, Fail, "1 of 2 streams", []int{1, 3})
	})
	t.Run("on neither", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0)
		k.admit("stream", 0, streamed)
		b.wants(id, Skip, "plain answers carry no rate headers either", nil)
	})
	t.Run("at times on either", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, left(1))
		k.admit("plain", 0)
		k.admit("stream", 0, left(1), streamed)
		k.admit("stream", 0, streamed)
		b.wants(id, Inconclusive, "the two do not differ", nil)
	})
	t.Run("no plain answer to compare with", func(t *testing.T) {
		b, k := start(t)
		k.lose("plain", 0)
		k.admit("stream", 0, streamed)
		b.wants(id, Inconclusive, "no plain request was answered", nil)
	})
	t.Run("no stream", func(t *testing.T) {
		b, k := start(t)
		k.admit("plain", 0, left(1))
		k.lose("stream", 0, streamed)
		b.wants(id, Inconclusive, "no stream was answered", nil)
	})
}
