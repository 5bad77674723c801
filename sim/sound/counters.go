package sound

import (
	"context"
	"math"
	"time"

	"github.com/throttled/throttled/v2"
	"golang.org/x/time/rate"
)

// fixedClock counts in windows that begin at multiples of their length.
type fixedClock struct {
	index int64
	count int64
}

func clockIndex(t time.Time, w time.Duration) int64 { return t.UnixNano() / int64(w) }

func clockEnd(t time.Time, w time.Duration) time.Duration {
	return w - time.Duration(t.UnixNano()%int64(w))
}

func (c *fixedClock) turn(now time.Time, r rule) {
	if i := clockIndex(now, r.window); i != c.index {
		c.index, c.count = i, 0
	}
}

func (c *fixedClock) ask(now time.Time, r rule, cost int64) (bool, int64, time.Duration) {
	c.turn(now, r)
	fits := c.count+cost <= r.limit
	left := r.limit - c.count
	if fits {
		left -= cost
	}
	return fits, left, clockEnd(now, r.window)
}

func (c *fixedClock) charge(now time.Time, r rule, cost int64) {
	c.turn(now, r)
	c.count += cost
}

func (c *fixedClock) settle(now, charged time.Time, r rule, delta int64) {
	c.turn(now, r)
	if clockIndex(charged, r.window) == c.index {
		c.count = max(0, c.count+delta)
	}
}

// wholeSeconds counts in windows from first use, by a clock that knows seconds
// only: a window opens at the second that has begun.
type wholeSeconds struct {
	opened int64 // seconds since 1970
	count  int64
}

func (c *wholeSeconds) turn(now time.Time, r rule, open bool) {
	if now.Unix()-c.opened >= int64(r.window/time.Second) {
		c.count = 0
		if open {
			c.opened = now.Unix()
		}
	}
}

func (c *wholeSeconds) ask(now time.Time, r rule, cost int64) (bool, int64, time.Duration) {
	c.turn(now, r, false)
	fits := c.count+cost <= r.limit
	left := r.limit - c.count
	if fits {
		left -= cost
	}
	return fits, left, time.Unix(c.opened, 0).Add(r.window).Sub(now)
}

func (c *wholeSeconds) charge(now time.Time, r rule, cost int64) {
	c.turn(now, r, true)
	c.count += cost
}

func (c *wholeSeconds) settle(now, charged time.Time, r rule, delta int64) {
	c.turn(now, r, false)
	if charged.Unix() >= c.opened && c.count > 0 {
		c.count = max(0, c.count+delta)
	}
}

// slidingLog remembers every charge for one window.
type slidingLog struct{ entries []logEntry }

type logEntry struct {
	at   time.Time
	cost int64
}

func (c *slidingLog) forget(now time.Time, r rule) int64 {
	kept, sum := c.entries[:0], int64(0)
	for _, e := range c.entries {
		if now.Sub(e.at) < r.window {
			kept, sum = append(kept, e), sum+e.cost
		}
	}
	c.entries = kept
	return sum
}

func (c *slidingLog) ask(now time.Time, r rule, cost int64) (bool, int64, time.Duration) {
	sum := c.forget(now, r)
	if sum+cost <= r.limit {
		return true, r.limit - sum - cost, 0
	}
	excess := sum + cost - r.limit
	for _, e := range c.entries {
		if excess -= e.cost; excess <= 0 {
			return false, r.limit - sum, e.at.Add(r.window).Sub(now)
		}
	}
	return false, r.limit - sum, r.window
}

func (c *slidingLog) charge(now time.Time, _ rule, cost int64) {
	c.entries = append(c.entries, logEntry{now, cost})
}

func (c *slidingLog) settle(_, charged time.Time, _ rule, delta int64) {
	for i := range c.entries {
		if e := &c.entries[i]; e.at.Equal(charged) {
			e.cost = max(0, e.cost+delta)
			return
		}
	}
}

// slidingCounter weighs the last window on the clock by the part of it that is
// less than a window old.
type slidingCounter struct {
	index          int64
	last, current_ int64
}

func (c *slidingCounter) turn(now time.Time, r rule) {
	switch i := clockIndex(now, r.window); {
	case i == c.index+1:
		c.index, c.last, c.current_ = i, c.current_, 0
	case i > c.index+1:
		c.index, c.last, c.current_ = i, 0, 0
	}
}

func (c *slidingCounter) weighed(now time.Time, r rule) float64 {
	overlap := float64(clockEnd(now, r.window)) / float64(r.window)
	return float64(c.last)*overlap + float64(c.current_)
}

func (c *slidingCounter) ask(now time.Time, r rule, cost int64) (bool, int64, time.Duration) {
	c.turn(now, r)
	sum := c.weighed(now, r)
	if sum+float64(cost) <= float64(r.limit) {
		return true, int64(float64(r.limit) - sum - float64(cost)), 0
	}
	return false, max(0, int64(float64(r.limit)-sum)), c.wait(now, r, cost)
}

// wait is how long the sum takes to fall far enough: in this window as the last
// one fades, or in the next as this one does.
func (c *slidingCounter) wait(now time.Time, r rule, cost int64) time.Duration {
	room := float64(r.limit - cost)
	if room >= float64(c.current_) && c.last > 0 {
		overlap := (room - float64(c.current_)) / float64(c.last)
		return clockEnd(now, r.window) - time.Duration(overlap*float64(r.window))
	}
	overlap := room / math.Max(1, float64(c.current_))
	return clockEnd(now, r.window) + r.window - time.Duration(overlap*float64(r.window))
}

func (c *slidingCounter) charge(now time.Time, r rule, cost int64) {
	c.turn(now, r)
	c.current_ += cost
}

func (c *slidingCounter) settle(now, charged time.Time, r rule, delta int64) {
	c.turn(now, r)
	switch clockIndex(charged, r.window) {
	case c.index:
		c.current_ = max(0, c.current_+delta)
	case c.index - 1:
		c.last = max(0, c.last+delta)
	}
}

// slidingBuckets counts in ten sub-windows on the clock.
type slidingBuckets struct{ buckets map[int64]int64 }

const subWindows = 10

func (c *slidingBuckets) sum(now time.Time, r rule) int64 {
	current, sum := clockIndex(now, r.window/subWindows), int64(0)
	for i, n := range c.buckets {
		if current-i > subWindows {
			delete(c.buckets, i)
			continue
		}
		sum += n
	}
	return sum
}

func (c *slidingBuckets) ask(now time.Time, r rule, cost int64) (bool, int64, time.Duration) {
	sum := c.sum(now, r)
	if sum+cost <= r.limit {
		return true, r.limit - sum - cost, 0
	}
	sub, excess := r.window/subWindows, sum+cost-r.limit
	current := clockIndex(now, sub)
	for i := current - subWindows; i <= current; i++ {
		if excess -= c.buckets[i]; excess <= 0 {
			return false, r.limit - sum, clockEnd(now, sub) + time.Duration(i-current+subWindows)*sub
		}
	}
	return false, r.limit - sum, r.window + sub
}

func (c *slidingBuckets) charge(now time.Time, r rule, cost int64) {
	if c.buckets == nil {
		c.buckets = map[int64]int64{}
	}
	c.buckets[clockIndex(now, r.window/subWindows)] += cost
}

func (c *slidingBuckets) settle(_, charged time.Time, r rule, delta int64) {
	i := clockIndex(charged, r.window/subWindows)
	if n, counts := c.buckets[i]; counts {
		c.buckets[i] = max(0, n+delta)
	}
}

// tokenBucket is golang.org/x/time/rate.
type tokenBucket struct{ limiter *rate.Limiter }

func (c *tokenBucket) of(r rule) *rate.Limiter {
	if c.limiter == nil {
		c.limiter = rate.NewLimiter(rate.Limit(float64(r.limit)/r.window.Seconds()), int(r.limit))
	}
	return c.limiter
}

func (c *tokenBucket) ask(now time.Time, r rule, cost int64) (bool, int64, time.Duration) {
	level := c.of(r).TokensAt(now)
	if level >= float64(cost) {
		return true, int64(level) - cost, 0
	}
	return false, max(0, int64(level)), time.Duration((float64(cost) - level) / float64(r.limit) * float64(r.window))
}

func (c *tokenBucket) charge(now time.Time, r rule, cost int64) { c.of(r).AllowN(now, int(cost)) }

// settle gives back by taking a negative number; the bucket cuts what is above
// its size when time goes on. A charge that is more than there is stays a debt.
func (c *tokenBucket) settle(now, _ time.Time, r rule, delta int64) {
	if delta > 0 {
		c.of(r).ReserveN(now, int(delta))
		return
	}
	c.of(r).AllowN(now, int(delta))
}

// gcra is throttled's generic cell rate algorithm, on a store that knows the
// world's time.
type gcra struct {
	limiter *throttled.GCRARateLimiterCtx
	store   *gcraStore
}

type gcraStore struct {
	now   time.Time
	value int64
	set   bool
}

func (s *gcraStore) GetWithTime(context.Context, string) (int64, time.Time, error) {
	if !s.set {
		return -1, s.now, nil
	}
	return s.value, s.now, nil
}

func (s *gcraStore) SetIfNotExistsWithTTL(_ context.Context, _ string, value int64, _ time.Duration) (bool, error) {
	if s.set {
		return false, nil
	}
	s.value, s.set = value, true
	return true, nil
}

func (s *gcraStore) CompareAndSwapWithTTL(_ context.Context, _ string, old, value int64, _ time.Duration) (bool, error) {
	if s.value != old {
		return false, nil
	}
	s.value = value
	return true, nil
}

func (c *gcra) of(now time.Time, r rule) *throttled.GCRARateLimiterCtx {
	if c.limiter == nil {
		c.store = &gcraStore{}
		limiter, err := throttled.NewGCRARateLimiterCtx(c.store, throttled.RateQuota{
			MaxRate: throttled.PerDuration(int(r.limit), r.window), MaxBurst: int(r.limit) - 1,
		})
		if err != nil {
			return nil
		}
		c.limiter = limiter
	}
	c.store.now = now
	return c.limiter
}

// ask tries on the store and puts it back.
func (c *gcra) ask(now time.Time, r rule, cost int64) (bool, int64, time.Duration) {
	limiter := c.of(now, r)
	before := *c.store
	limited, result, err := limiter.RateLimitCtx(context.Background(), "", int(cost))
	*c.store = before
	if err != nil {
		return false, 0, r.window
	}
	return !limited, int64(result.Remaining), max(0, result.RetryAfter)
}

func (c *gcra) charge(now time.Time, r rule, cost int64) {
	_, _, _ = c.of(now, r).RateLimitCtx(context.Background(), "", int(cost))
}

// settle moves the theoretical arrival time by the cells that came back.
func (c *gcra) settle(now, _ time.Time, r rule, delta int64) {
	c.of(now, r)
	c.store.value += delta * int64(r.window) / r.limit
}
