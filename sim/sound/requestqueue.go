package sound

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
)

// EarlyRefusals is a limiter that does not wait for the body of who it refuses.
// It is sound for keys with a request limit alone: who is refused for anything
// else was charged by then.
func EarlyRefusals() Limiter {
	return Limiter{
		Name:     "early-refusals",
		Sentence: "a leaky bucket as a meter that decides by the headers, and closes the connection on the body of who is refused",
		Apply: func(p *sim.Parts) {
			q := &requestQueue{
				clock: p.Clock, keys: p.Keys, window: p.Window, due: map[string]time.Time{}, at: headers,
				size: func(limit int64) int64 { return limit - 1 },
			}
			p.Keys, p.Wrap = keysWithout{p.Keys, reference.Requests}, q.wrap
		},
	}
}

// queueing puts a queue for requests, of a size that depends on the limit,
// before the reference.
func queueing(size func(limit int64) int64) func(*sim.Parts) {
	return func(p *sim.Parts) {
		q := &requestQueue{clock: p.Clock, keys: p.Keys, window: p.Window, size: size, due: map[string]time.Time{}}
		p.Keys, p.Wrap = keysWithout{p.Keys, reference.Requests}, q.wrap
	}
}

// pace is what happens to those who come too early and are not refused.
type pace int

const (
	queued  pace = iota // they wait for their turn
	headers             // they go on at once; who is refused is not even read
)

// requestQueue lets a key's requests through at the rate of its limit.
type requestQueue struct {
	clock  clock.Clock
	keys   reference.Keys
	window time.Duration
	size   func(limit int64) int64 // how many may wait
	at     pace

	mu  sync.Mutex
	due map[string]time.Time // when the key's next request may go on
}

func (q *requestQueue) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bearer, limit, limited := limitOf(q.keys, r, reference.Requests)
		if !limited {
			next.ServeHTTP(w, r)
			return
		}
		wait, turned := q.join(bearer, max(1, limit))
		if turned || limit == 0 {
			if q.at == headers {
				w.Header().Set("Connection", "close")
			}
			refuseFull(w, wait)
			return
		}
		if q.at == headers || q.clock.Sleep(r.Context(), wait) == nil {
			next.ServeHTTP(&headWriter{ResponseWriter: w, change: q.tell(limit, wait)}, r)
		}
	})
}

// tell writes a key's own numbers over those of the provider: who had to wait
// leaves nothing behind for who comes next.
func (q *requestQueue) tell(limit int64, waited time.Duration) func(http.Header, int) {
	left := max(0, limit-1-int64(waited/(q.window/time.Duration(max(1, limit)))))
	return func(h http.Header, _ int) {
		for name := range h {
			if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-ratelimit-") && strings.HasSuffix(lower, "-requests") {
				h.Del(name)
			}
		}
		h.Set("X-Ratelimit-Limit-Requests", strconv.FormatInt(limit, 10))
		h.Set("X-Ratelimit-Remaining-Requests", strconv.FormatInt(left, 10))
	}
}

// join takes a place in the line of a key. wait is how long it takes; of who is
// turned away, until there is a place.
func (q *requestQueue) join(bearer string, limit int64) (wait time.Duration, turned bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, each := q.clock.Now(), q.window/time.Duration(limit)
	due := q.due[bearer]
	if due.Before(now) {
		due = now
	}
	wait = due.Sub(now)
	if most := each * time.Duration(q.size(limit)); wait > most {
		return wait - most, true
	}
	q.due[bearer] = due.Add(each)
	return wait, false
}

func refuseFull(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = fmt.Fprint(w, `{"error":{"message":"the queue is full","type":"rate_limit_error","param":null,"code":"429"}}`)
}
