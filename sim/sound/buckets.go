package sound

import (
	"context"
	"time"

	"github.com/throttled/throttled/v2"
	"golang.org/x/time/rate"
)

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
