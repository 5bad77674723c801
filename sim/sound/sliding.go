package sound

import (
	"math"
	"time"
)

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
