package checker

import (
	"slices"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

func TestRequestsReopen(t *testing.T) {
	const id = "requests/window-reopens"
	// silence uses a key up at 0 and asks for its limit again.
	silence := func(b *book, silent time.Duration, back, lost, refused int) (refusals []int) {
		limit := back + lost + refused
		k := b.key(perWindow(int64(limit)))
		k.admits(limit, "use-up", 0)
		k.refuses(6, "use-up", 0)
		at := 2*ms + silent
		k.admits(back, "after-silence", at)
		for range lost {
			k.lose("after-silence", at)
		}
		return k.refuses(refused, "after-silence", at)
	}
	start := func(t *testing.T) *book { return newBook(t).scenario("requests-silence", id) }
	t.Run("all back", func(t *testing.T) {
		b := start(t)
		silence(b, 2*window5, 10, 0, 0)
		silence(b, window5+625*ms, 10, 0, 0)
		b.wants(id, Pass, "10 of 10 after 10.000 s of silence; 10 of 10 after 5.625 s", []int{})
	})
	t.Run("not all back after two windows", func(t *testing.T) {
		b := start(t)
		silence(b, window5+625*ms, 10, 0, 0)
		refusals := silence(b, 2*window5, 9, 0, 1)
		b.wants(id, Fail, "key-2 got 9 of its 10 requests back", refusals)
	})
	t.Run("a violation beside lost attempts", func(t *testing.T) {
		b := start(t)
		refusals := silence(b, 2*window5, 5, 2, 3)
		b.wants(id, Fail, "5 of its 10", refusals)
	})
	t.Run("lost attempts alone", func(t *testing.T) {
		b := start(t)
		silence(b, 2*window5, 8, 2, 0)
		b.wants(id, Inconclusive, "not every request after the silence", []int{})
	})
	t.Run("a lost key, and a violation on the next", func(t *testing.T) {
		b := start(t)
		silence(b, 2*window5, 8, 2, 0)
		b.wants(id, Inconclusive, "", nil)
		silence(b, 2*window5, 5, 0, 5)
		b.wants(id, Fail, "key-2", nil)
	})
	t.Run("a call ran on behind a lost answer", func(t *testing.T) {
		// The target was busy and counted it three seconds later.
		b := start(t)
		k := b.key(perWindow(10))
		k.admits(9, "use-up", 0)
		k.admit("use-up", 0, func(l *line) {
			l.Status, l.Error = 0, history.Reset
			l.calls[0].Received, l.calls[0].Done = 3*sec, 3*sec+ms
		})
		k.refuses(6, "use-up", 0)
		k.admits(9, "after-silence", 2*window5+700*ms)
		k.refuse("after-silence", 2*window5+700*ms)
		b.wants(id, Pass, "9 of 10", nil)
	})
	t.Run("not used up", func(t *testing.T) {
		b := start(t)
		k := b.key(perWindow(3))
		k.admits(3, "use-up", 0)
		k.admits(3, "after-silence", 11*sec)
		b.wants(id, Inconclusive, "could not be used up", nil)
	})
	t.Run("an overload after the silence", func(t *testing.T) {
		b := start(t)
		k := b.key(perWindow(3))
		k.admits(3, "use-up", 0)
		k.refuses(3, "use-up", 0)
		k.admits(2, "after-silence", 11*sec)
		k.refuse("after-silence", 11*sec, status(503))
		b.wants(id, Inconclusive, "or an overload?", nil)
	})
	t.Run("a counter gives back by and by", func(t *testing.T) {
		b := start(t)
		silence(b, window5+2500*ms, 4, 0, 6) // 40 % of the second window, less a charge's delay
		b.wants(id, Pass, "4 of 10", nil)
		refusals := silence(b, window5+2500*ms, 3, 0, 7)
		b.wants(id, Fail, "key-2 got 3 of its 10", refusals[:5])
	})
	t.Run("a fixed window gives all back after one", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		b.scenario("requests-silence", id)
		silence(b, window5+625*ms, 4, 0, 6)
		b.wants(id, Fail, "4 of its 10", nil)
		if r := b.verdict(id); !slices.Equal(r.Needs, []string{"requests/limit-kept"}) {
			t.Errorf("needs %v: without the class this cannot be reproduced", r.Needs)
		}
		if class := Judge(&b.h).Class; class != "fixed window from first use or sliding log" {
			t.Errorf("class: %s", class)
		}
	})
	t.Run("a class that was measured beside a lost attempt is none", func(t *testing.T) {
		b := newBook(t)
		b.measured().lose("before", 7*sec)
		b.scenario("requests-silence", id)
		silence(b, window5+625*ms, 4, 0, 6)
		b.wants(id, Pass, "", nil)
	})
}
