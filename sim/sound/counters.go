package sound

import (
	"time"
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
