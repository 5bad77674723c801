package checker

import (
	"slices"
	"testing"
	"time"
)

func TestManyKeys(t *testing.T) {
	const id = "isolation/many-keys"
	const limit = 2
	// play enters a key that is used up, a crowd, and bursts of six on the old
	// key, the last and a fresh one, of which so many are admitted.
	play := func(b *book, crowd int, behind time.Duration, old, last, fresh int) (oldKey, lastKey, freshKey *sheet) {
		b.scenario("isolation-many-keys", id)
		burst := func(k *sheet, step string, at time.Duration, n int) {
			k.admits(n, step, at)
			k.refuses(3*limit-n, step, at)
		}
		oldKey = b.key(perWindow(limit))
		burst(oldKey, "use-up", 0, limit)
		for i := range crowd {
			lastKey = b.key(perWindow(limit))
			lastKey.admit("crowd", time.Duration(i)*ms)
		}
		burst(oldKey, "old", behind, old)
		burst(lastKey, "last", behind, last)
		freshKey = b.key(perWindow(limit))
		burst(freshKey, "fresh", behind, fresh)
		return oldKey, lastKey, freshKey
	}
	for name, test := range map[string]struct {
		behind           time.Duration
		old, last, fresh int
		unknown, known   Verdict // where the class was not, and was, measured
	}{
		"all limited":                        {2 * sec, 0, 1, 2, Pass, Pass},
		"the fresh key is not limited":       {2 * sec, 0, 1, 6, Warn, Warn},
		"the last key is not limited":        {2 * sec, 0, 6, 2, Warn, Warn},
		"the old key was forgotten":          {2 * sec, 2, 1, 2, Pass, Warn}, // a window on the clock may have turned
		"the old key is not limited":         {2 * sec, 6, 1, 2, Warn, Warn},
		"one more than the limit":            {2 * sec, 0, 1, 3, Pass, Warn}, // or turned within the burst
		"the crowd took longer than windows": {11 * sec, 2, 2, 2, Pass, Pass},
		"and the fresh one is not limited":   {11 * sec, 2, 2, 6, Warn, Warn},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			play(b, manyKeys, test.behind, test.old, test.last, test.fresh)
			b.wants(id, test.unknown, "", nil)
			b = newBook(t)
			b.measured()
			play(b, manyKeys, test.behind, test.old, test.last, test.fresh)
			b.wants(id, test.known, "", nil)
			if r := b.verdict(id); test.unknown != test.known && !slices.Equal(r.Needs, []string{asksForClass}) {
				t.Errorf("needs %v", r.Needs)
			}
		})
	}
	t.Run("what shows it", func(t *testing.T) {
		b := newBook(t)
		play(b, manyKeys, 2*sec, 0, 1, 6)
		n := len(b.h.Attempts)
		b.wants(id, Warn, "the fresh key was admitted 2 requests more", []int{n - 5, n - 4, n - 3, n - 2, n - 1})
	})
	t.Run("not many keys", func(t *testing.T) {
		b := newBook(t)
		play(b, manyKeys-1, 2*sec, 0, 1, 2)
		b.wants(id, Inconclusive, "999 of 999 keys were served", nil)
	})
	t.Run("the first of few that are not limited", func(t *testing.T) {
		b := newBook(t)
		play(b, 10, 2*sec, 0, 1, 6)
		b.wants(id, Warn, "the fresh key", nil)
	})
	t.Run("lost requests", func(t *testing.T) {
		b := newBook(t)
		_, _, fresh := play(b, manyKeys, 2*sec, 0, 1, 2)
		fresh.lose("fresh", 2*sec)
		b.wants(id, Inconclusive, "neither admitted nor refused", nil)
	})
	t.Run("a bucket whose clock is a little ahead", func(t *testing.T) {
		b := newBook(t)
		k := b.scenario("requests-windows", asksForClass).key(perWindow(10))
		for _, at := range []time.Duration{0, 22500 * ms} { // no phase of a clock explains both
			k.admits(10, "burst", at)
			k.refuse("burst", at+400*ms)
			k.admit("burst", at+500*ms)
			k.admit("burst", at+sec)
		}
		if class := Judge(&b.h).Class; class != "token bucket" {
			t.Fatalf("class: %s", class)
		}
		b.scenario("isolation-many-keys", id)
		old := b.key(perWindow(10))
		old.admits(10, "use-up", 0)
		b.key(perWindow(10)).admit("crowd", 100*ms)
		old.admit("old", 496*ms)
		old.refuse("old", 600*ms)
		b.wants(id, Inconclusive, "1 of 1 keys were served", nil)
	})
	t.Run("nothing refused", func(t *testing.T) {
		b := newBook(t).scenario("isolation-many-keys", id)
		b.key(perWindow(limit)).admits(2, "fresh", 0)
		b.wants(id, Inconclusive, "nothing was refused on the fresh key", nil)
	})
	t.Run("not asked", func(t *testing.T) {
		b := newBook(t).scenario("isolation-many-keys", id)
		b.key(perWindow(limit)).admit("crowd", 0)
		b.wants(id, Inconclusive, "no key was asked for more than its limit", nil)
	})
}
