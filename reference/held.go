package reference

import (
	"context"
	"slices"
	"sync"
	"time"
)

// held is what an admitted request holds: its reservation and its slots.
type held struct {
	proxy    *Proxy
	endpoint endpoint
	shape    errorShape
	caller   caller
	plan     []step
	estimate Estimate
	// outputCap is the cap that goes upstream; 0 for none.
	outputCap int64
	// client is the request's own context: it ends when the client leaves.
	client context.Context
	// arrived is when the request came; at is when it was admitted; waited is
	// how much of the time since is the upstream's.
	arrived, at time.Time
	waited      time.Duration

	mu       sync.Mutex // the lease is renewed beside the request
	items    []Item
	settled  bool
	released bool
	// stopRenewing is nil where there is no lease to renew.
	stopRenewing func() bool
}

// keepAlive renews the lease of the request's slots until they are released.
func (h *held) keepAlive() {
	if !slices.ContainsFunc(h.items, func(it Item) bool { return it.Limits[Slots] != Unlimited }) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.renewLater()
}

// renewLater sets the timer of the next renewal; h.mu must be held. A timer
// costs a request less than a goroutine that sleeps.
func (h *held) renewLater() {
	h.stopRenewing = h.proxy.Clock.AfterFunc(SlotLease/3, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.released {
			return
		}
		h.proxy.guarded("renewing the lease of a slot", "the slot is lost when its lease ends", func() {
			h.proxy.Store.Renew(h.proxy.Clock.Now(), h.items)
		})
		h.renewLater()
	})
}

// settle replaces the reservation by what was used. Only the first call counts.
func (h *held) settle(used int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.settled {
		h.settled = true
		h.proxy.guarded("settling what a request used", "its reservation stands until its window ends", func() {
			h.proxy.Store.Settle(h.proxy.Clock.Now(), h.items, used)
		})
	}
}

// release frees the slots. Only the first call counts.
func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.released {
		h.released = true
		if h.stopRenewing != nil {
			h.stopRenewing()
		}
		h.proxy.guarded("freeing a slot", "the slot is taken until its lease ends", func() {
			h.proxy.Store.Release(h.proxy.Clock.Now(), h.items)
		})
	}
}

// finish is settle and release: it comes before the last byte of an answer, so
// that a client that has its answer finds its tokens and its slot free.
func (h *held) finish(used int64) {
	h.settle(used)
	h.release()
}
