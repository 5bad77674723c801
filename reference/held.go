package reference

import (
	"container/list"
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
	estimate estimate
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
	// renewal is nil where there is no lease to renew.
	renewal *list.Element
}

// keepAlive has the lease of the request's slots renewed until they are
// released.
func (h *held) keepAlive() {
	if !slices.ContainsFunc(h.items, func(it Item) bool { return it.Limits[Slots] != Unlimited }) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.renewal = h.proxy.renewals.add(h)
}

// renew extends the lease, unless the slots were released, and has that done
// again.
func (h *held) renew() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.released {
		return
	}
	h.proxy.guarded("renewing the lease of a slot", "the slot is lost when its lease ends", func() {
		h.proxy.Store.Renew(h.proxy.Clock.Now(), h.items)
	})
	h.renewal = h.proxy.renewals.add(h)
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
		if h.renewal != nil {
			h.proxy.renewals.remove(h.renewal)
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
