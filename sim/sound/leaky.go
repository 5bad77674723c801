package sound

import (
	"net/http"
	"strings"
	"time"

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
