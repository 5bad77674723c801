package checker

import (
	"testing"
	"time"
)

func TestRefusalQuick(t *testing.T) {
	const id = "refusal/quick"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("refusal-retry", id)
		return b, b.key(perWindow(2))
	}
	t.Run("quick", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "use-up", 0)
		k.refuse("use-up", sec)
		b.wants(id, Pass, "0.002 s, the quickest of 1", nil)
	})
	t.Run("slow", func(t *testing.T) {
		b, k := start(t)
		k.admit("use-up", 0)
		k.admit("use-up", sec)
		k.refuse("use-up", 2*sec, arriving(500*ms))
		slow := k.refuse("ask-late", 3*sec, arriving(400*ms))
		b.wants(id, Warn, "each of 2 refusals that were sent alone took at least 0.39", []int{slow})
	})
	t.Run("the quickest counts", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "use-up", 0)
		k.refuse("use-up", sec, arriving(400*ms))
		k.refuse("ask-late", 2*sec)
		b.wants(id, Pass, "the quickest of 2", nil)
	})
	t.Run("of a target that is slow in all that it says", func(t *testing.T) {
		b, k := start(t)
		k.admit("use-up", 0, arriving(300*ms))
		k.refuse("use-up", sec, arriving(400*ms))
		b.wants(id, Pass, "0.400 s", nil)
	})
	t.Run("a slow upstream excuses nothing", func(t *testing.T) {
		b, k := start(t)
		k.admit("use-up", 0, taking(900*ms), func(l *line) { l.calls[0].FirstByte = l.calls[0].Done })
		slow := k.refuse("use-up", sec, arriving(400*ms))
		k.refuse("ask-late", 2*sec, arriving(500*ms))
		b.wants(id, Warn, "", []int{slow})
	})
	t.Run("a single one that was slow", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "use-up", 0)
		k.refuse("use-up", sec, arriving(1200*ms))
		b.wants(id, Inconclusive, "may have met a pause", nil)
	})
	t.Run("in a crowd", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "use-up", 0)
		k.refuses(5, "use-up", sec, arriving(400*ms))
		b.wants(id, Inconclusive, "no request that was sent alone was refused", nil)
	})
	t.Run("an overload", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "use-up", 0)
		k.refuses(2, "use-up", sec)
		k.refuse("ask-late", 2*sec, status(503), arriving(400*ms))
		b.wants(id, Inconclusive, "", nil)
	})
	t.Run("nothing was admitted to compare with", func(t *testing.T) {
		b, k := start(t)
		k.refuse("use-up", 0, arriving(400*ms))
		b.wants(id, Inconclusive, "", nil)
	})
	t.Run("of a target that queues", func(t *testing.T) {
		b := newBook(t).scenario("refusal-retry", id)
		k := b.key(perWindow(5))
		k.admit("use-up", 0)
		for i := range 5 {
			k.admit("use-up", 2*ms+sec*time.Duration(i), arriving(998*ms))
		}
		b.wants(id, Skip, "the target queues: up to 1.0 s", nil)
	})
}
