package reference

import (
	"container/list"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

// renewEvery is how long after a lease began or was renewed it is renewed: two
// renewals may be late before it lapses.
const renewEvery = SlotLease / 3

// renewals renew the leases of the requests that hold slots. All share one
// timer: most requests end long before a renewal is due.
type renewals struct {
	clock clock.Clock

	mu   sync.Mutex  // may be taken under a held.mu, never the other way
	due  list.List   // of renewal, the next one first: all wait equally long
	stop func() bool // the timer, set while somebody waits
}

type renewal struct {
	of *held
	at time.Time
}

// add has h renewed until it is removed. It returns what remove takes.
func (r *renewals) add(h *held) *list.Element {
	r.mu.Lock()
	defer r.mu.Unlock()
	place := r.due.PushBack(renewal{h, r.clock.Now().Add(renewEvery)})
	if r.stop == nil {
		r.stop = r.clock.AfterFunc(renewEvery, r.run)
	}
	return place
}

// remove takes a request out; one that is out already is left alone.
func (r *renewals) remove(place *list.Element) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due.Remove(place)
	if r.due.Len() == 0 && r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

func (r *renewals) run() {
	for _, h := range r.take() {
		h.renew()
	}
}

// take takes out the requests that are due, and sets the timer for the others.
func (r *renewals) take() []*held {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop != nil {
		r.stop() // one that was set since this one fired; there is to be one
		r.stop = nil
	}
	now := r.clock.Now()
	var due []*held
	for first := r.due.Front(); first != nil; first = r.due.Front() {
		next := first.Value.(renewal)
		if wait := next.at.Sub(now); wait > 0 {
			r.stop = r.clock.AfterFunc(wait, r.run)
			return due
		}
		r.due.Remove(first)
		due = append(due, next.of)
	}
	return due
}
