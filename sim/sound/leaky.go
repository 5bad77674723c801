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

// The leaky buckets, which products have in two shapes: as a meter, which
// refuses what is too much, and as a queue, which delays it.

func leakyLimiters() []Limiter {
	return []Limiter{
		{
			Name: "leaky-queue", Sentence: "a leaky bucket as a queue (nginx limit_req with burst): who comes too early waits for its turn, and is refused when a whole limit waits",
			Apply: queueing(func(limit int64) int64 { return limit - 1 }),
		},
		{
			Name: "short-queue", Sentence: "a leaky bucket as a queue in which half a limit may wait",
			Apply: queueing(func(limit int64) int64 { return limit / 2 }),
		},
		{
			Name: "long-queue", Sentence: "a leaky bucket as a queue in which two limits may wait",
			Apply: queueing(func(limit int64) int64 { return 2 * limit }),
		},
		{
			Name: "slot-queue", Sentence: "who finds all slots taken waits for one (SMG with a queue)",
			Apply: func(p *sim.Parts) {
				q := &slotQueue{clock: p.Clock, keys: p.Keys, lines: map[string]*slotLine{}}
				p.Keys, p.Wrap = keysWithout{p.Keys, reference.Slots}, q.wrap
			},
		},
	}
}

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

// milli is how nginx counts: a request is 1000, and a rate is in thousandths of
// a request a second.
const milli = 1000

// leakyMeter is nginx's limit_req with burst = limit - 1 and nodelay, in its own
// arithmetic: it drains by the millisecond, and what comes first weighs nothing.
type leakyMeter struct {
	excess int64 // in thousandths
	last   int64 // milliseconds since 1970
	used   bool
}

// after is the excess once cost is added.
func (c *leakyMeter) after(now time.Time, r rule, cost int64) int64 {
	if !c.used {
		return (cost - 1) * milli
	}
	passed := max(0, now.UnixMilli()-c.last)
	drained := int64(float64(r.limit) * milli * float64(passed) / float64(r.window.Milliseconds()))
	return max(0, c.excess-drained+milli) + (cost-1)*milli
}

func (c *leakyMeter) ask(now time.Time, r rule, cost int64) (bool, int64, time.Duration) {
	over := c.after(now, r, cost) - (r.limit-1)*milli
	if over <= 0 {
		return true, -over / milli, 0
	}
	left := max(0, (r.limit-1)*milli-c.after(now, r, 1)+milli) / milli
	return false, left, time.Duration(float64(over) / milli / float64(r.limit) * float64(r.window))
}

func (c *leakyMeter) charge(now time.Time, r rule, cost int64) {
	c.excess, c.last, c.used = c.after(now, r, cost), now.UnixMilli(), true
}

func (c *leakyMeter) settle(now, _ time.Time, r rule, delta int64) {
	if delta != 0 {
		c.excess, c.last = c.after(now, r, delta), now.UnixMilli()
	}
}

// keysWithout has the limit of one kind looked after by somebody else.
type keysWithout struct {
	reference.Keys
	kind reference.Kind
}

func (k keysWithout) Lookup(bearer string) (reference.Policy, bool) {
	policy, known := k.Keys.Lookup(bearer)
	*ofKind(&policy.Key.Limits, k.kind) = nil
	return policy, known
}

// limitOf is the limit of a request's key, and whether there is one.
func limitOf(keys reference.Keys, r *http.Request, kind reference.Kind) (bearer string, limit int64, limited bool) {
	bearer = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	policy, known := keys.Lookup(bearer)
	of := *ofKind(&policy.Key.Limits, kind)
	if !known || of == nil || r.Method != http.MethodPost {
		return bearer, 0, false
	}
	return bearer, *of, true
}

// ofKind is the limit of one kind.
func ofKind(l *reference.Limits, kind reference.Kind) **int64 {
	return map[reference.Kind]**int64{
		reference.Requests: &l.RPM, reference.Tokens: &l.TPM, reference.Slots: &l.MaxParallel,
	}[kind]
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
