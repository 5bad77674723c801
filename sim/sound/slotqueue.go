package sound

import (
	"net/http"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
)

// slotQueue lets as many requests of a key in as it has slots.
type slotQueue struct {
	clock clock.Clock
	keys  reference.Keys

	mu    sync.Mutex
	lines map[string]*slotLine
}

type slotLine struct {
	taken   int64
	waiting []clock.Event
}

// slotQueueSize is how many may wait for a slot.
const slotQueueSize = 100

func (q *slotQueue) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bearer, limit, limited := limitOf(q.keys, r, reference.Slots)
		if !limited {
			next.ServeHTTP(w, r)
			return
		}
		turn, turned := q.join(bearer, limit)
		if turned {
			refuseFull(w, time.Second)
			return
		}
		if turn == nil || turn.Wait(r.Context()) == nil {
			defer q.leave(bearer)
			next.ServeHTTP(w, r)
			return
		}
		q.desert(bearer, turn)
	})
}

// join takes a slot, or a place in the line for one.
func (q *slotQueue) join(bearer string, limit int64) (turn clock.Event, turned bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	line := q.lines[bearer]
	if line == nil {
		line = &slotLine{}
		q.lines[bearer] = line
	}
	if line.taken < limit {
		line.taken++
		return nil, false
	}
	if limit == 0 || len(line.waiting) >= slotQueueSize {
		return nil, true
	}
	turn = q.clock.NewEvent()
	line.waiting = append(line.waiting, turn)
	return turn, false
}

// leave hands the slot on.
func (q *slotQueue) leave(bearer string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	line := q.lines[bearer]
	if len(line.waiting) == 0 {
		line.taken--
		return
	}
	next := line.waiting[0]
	line.waiting = line.waiting[1:]
	next.Set()
}

// desert is leaving the line; who was given a slot meanwhile hands it on.
func (q *slotQueue) desert(bearer string, turn clock.Event) {
	q.mu.Lock()
	line := q.lines[bearer]
	for i, e := range line.waiting {
		if e == turn {
			line.waiting = append(line.waiting[:i:i], line.waiting[i+1:]...)
			q.mu.Unlock()
			return
		}
	}
	q.mu.Unlock()
	q.leave(bearer)
}
