package scenarios

import (
	"context"
	"sync"

	"github.com/ratecheck/ratecheck/clock"
)

// turn lets bursts go one after the other, in the order in which they came.
type turn struct {
	mu    sync.Mutex
	taken bool
	queue []clock.Event
}

func (t *turn) take(ctx context.Context, c clock.Clock) error {
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return nil
	}
	mine := c.NewEvent()
	t.queue = append(t.queue, mine)
	t.mu.Unlock()
	if err := mine.Wait(ctx); err != nil {
		t.leave(mine)
		return err
	}
	return nil
}

// leave gives up a place in the queue; if the turn came meanwhile it is handed
// on.
func (t *turn) leave(mine clock.Event) {
	t.mu.Lock()
	for i, e := range t.queue {
		if e == mine {
			t.queue = append(t.queue[:i], t.queue[i+1:]...)
			t.mu.Unlock()
			return
		}
	}
	t.mu.Unlock()
	t.give()
}

func (t *turn) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		t.taken = false
		return
	}
	next := t.queue[0]
	t.queue = t.queue[1:]
	next.Set()
}
