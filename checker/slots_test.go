package checker

import (
	"testing"
	"time"
)

func TestParallelEdge(t *testing.T) {
	const id = "parallel/kept-across-windows"
	const behind = 5600 * ms
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("parallel-edge", id)
		k := b.key(slots(3))
		k.admit("open", 0)
		return b, k
	}
	t.Run("held over the edge", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "hold", 4*sec, taking(3*sec))
		k.refuses(3, "more", behind)
		b.wants(id, Pass, "3 slots held over the edge, and all 3 further requests refused", []int{})
	})
	t.Run("counted anew behind it", func(t *testing.T) {
		b, k := start(t)
		held := k.admits(3, "hold", 4*sec, taking(3*sec))
		more := k.admits(2, "more", behind, taking(sec))
		k.refuse("more", behind)
		b.wants(id, Fail, "5 requests of key-1 were in flight at once behind", append(held, more...))
	})
	t.Run("not all slots were taken", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "hold", 4*sec, taking(3*sec))
		k.lose("hold", 4*sec)
		k.refuses(3, "more", behind)
		b.wants(id, Inconclusive, "only 2 of 3 slots could be taken before the edge: attempt 4", nil)
	})
	t.Run("what was held had ended", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "hold", 4*sec, taking(sec))
		k.admits(3, "more", behind, taking(sec))
		b.wants(id, Inconclusive, "3 of 3 requests behind the edge were not refused, and 3 were in flight", nil)
	})
	t.Run("an overload behind it", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "hold", 4*sec, taking(3*sec))
		k.refuses(2, "more", behind)
		k.refuse("more", behind, status(503))
		b.wants(id, Inconclusive, "0 of 3 requests behind the edge were not refused", nil)
	})
	t.Run("without the ledger", func(t *testing.T) {
		b, k := start(t)
		b.h.Run.Ledger = false
		k.admits(5, "hold", 4*sec, taking(3*sec))
		b.wants(id, Skip, "our provider's ledger only", nil)
	})
	t.Run("no slots", func(t *testing.T) {
		b := newBook(t).scenario("parallel-edge", id)
		b.key(perWindow(3)).admit("hold", 0)
		b.wants(id, Inconclusive, "no key with slots", nil)
	})
}

func TestSlotFreed(t *testing.T) {
	const id = "parallel/slot-freed"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("parallel-freed", id)
		return b, b.key(slots(3))
	}
	hold := taking(600 * ms)
	// asked enters what is asked for all slots again.
	asked := func(k *sheet, way string, at time.Duration, through, refusals int) []int {
		k.admits(through, "again-"+way, at, taking(300*ms))
		return k.refuses(refusals, "again-"+way, at)
	}
	for way, says := range map[string]string{"success": "success", "error": "an upstream error", "leave": "the client has left"} {
		t.Run(way, func(t *testing.T) {
			b, k := start(t)
			k.admits(3, "take-"+way, 0, hold)
			asked(k, way, 2400*ms, 3, 0)
			b.wants(id, Pass, "all slots are free again after "+says, []int{})
		})
		t.Run(way+", and one is not free", func(t *testing.T) {
			b, k := start(t)
			taken := k.admits(3, "take-"+way, 0, hold)
			kept := asked(k, way, 2400*ms, 2, 1)
			b.wants(id, Fail, "1 of 3 slots are not free after "+says, append(taken, kept...))
		})
	}
	t.Run("one way of three", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "take-success", 0, hold)
		asked(k, "success", 2400*ms, 3, 0)
		other := b.key(slots(2))
		taken := other.admits(2, "take-leave", 0, hold)
		kept := asked(other, "leave", 2400*ms, 0, 2)
		b.wants(id, Fail, "2 of 2 slots are not free after the client has left", append(taken, kept...))
	})
	t.Run("the call ran on when the client had left", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "take-leave", 0, hold)
		b.h.Calls[0].Done = 2 * sec
		asked(k, "leave", 2400*ms, 2, 1)
		b.wants(id, Inconclusive, "too early", nil)
	})
	t.Run("asked too early", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "take-success", 0, hold)
		asked(k, "success", 1500*ms, 0, 3)
		b.wants(id, Inconclusive, "0.900 s after the last call had ended", nil)
	})
	t.Run("asked so late that a window may have turned", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "take-success", 0, hold)
		asked(k, "success", 4500*ms, 3, 0)
		b.wants(id, Inconclusive, "may have begun anew", nil)
	})
	t.Run("not all were taken", func(t *testing.T) {
		b, k := start(t)
		k.admits(2, "take-success", 0, hold)
		k.lose("take-success", 0)
		asked(k, "success", 2400*ms, 2, 1)
		b.wants(id, Inconclusive, "only 2 of 3 slots could be taken (success)", nil)
	})
	t.Run("an overload is no slot that is kept", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "take-success", 0, hold)
		k.refuse("use-up", 100*ms)
		k.admits(2, "again-success", 2400*ms)
		k.refuse("again-success", 2400*ms, status(503))
		b.wants(id, Inconclusive, "not every request was admitted or refused", nil)
	})
	t.Run("not asked again", func(t *testing.T) {
		b, k := start(t)
		k.admits(3, "take-success", 0, hold)
		b.wants(id, Inconclusive, "not all slots were asked for", nil)
	})
	t.Run("no slots", func(t *testing.T) {
		b := newBook(t).scenario("parallel-freed", id)
		b.key(perWindow(3)).admit("take-success", 0)
		b.wants(id, Inconclusive, "no key with slots", nil)
	})
}
