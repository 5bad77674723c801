package litellm

import (
	"maps"
	"slices"
	"time"
)

// defaultTTL is the time that LiteLLM's memory gives to what has none.
const defaultTTL = 600 * time.Second

// cacheSize is how many entries the memory holds where it is small.
const cacheSize = 200

// entry is a number with the time at which it is gone; zero is never.
type entry struct {
	value   int64
	expires time.Time
}

// cache is LiteLLM's memory of one process: the expiry of an entry is set when
// the entry is made and stays, whatever is written to it later.
type cache struct {
	entries map[string]entry
	// most is how many entries it holds; 0 is no bound.
	most int
	// ttl is how long an entry lives that was given no time.
	ttl time.Duration
}

func newCache(most int, ttl time.Duration) *cache {
	return &cache{entries: map[string]entry{}, most: most, ttl: ttl}
}

func (c *cache) get(now time.Time, key string) (int64, bool) {
	e, there := c.entries[key]
	if there && now.After(e.expires) {
		delete(c.entries, key)
		return 0, false
	}
	return e.value, there
}

func (c *cache) set(now time.Time, key string, value int64, ttl time.Duration) {
	if c.most > 0 && len(c.entries) >= c.most {
		c.evict(now)
	}
	e, there := c.entries[key]
	if !there || now.After(e.expires) {
		e.expires = now.Add(ttl)
	}
	e.value = value
	c.entries[key] = e
}

// add is an increment, whose own time is dropped on the way.
func (c *cache) add(now time.Time, key string, n int64) {
	value, _ := c.get(now, key)
	c.set(now, key, value+n, c.ttl)
}

// evict makes room for one entry: first what has expired goes, then what
// expires first.
func (c *cache) evict(now time.Time) {
	maps.DeleteFunc(c.entries, func(_ string, e entry) bool { return !now.Before(e.expires) })
	keys := slices.Sorted(maps.Keys(c.entries)) // no map order may reach a run
	slices.SortStableFunc(keys, func(a, b string) int {
		return c.entries[a].expires.Compare(c.entries[b].expires)
	})
	for _, key := range keys {
		if len(c.entries) < c.most {
			return
		}
		delete(c.entries, key)
	}
}

// redis is as much of Redis as the limiter's scripts use. Its expiry is exact,
// on the world's clock.
type redis struct{ entries map[string]entry }

func newRedis() *redis { return &redis{entries: map[string]entry{}} }

func (r *redis) get(now time.Time, key string) (int64, bool) {
	e, there := r.entries[key]
	if there && !e.expires.IsZero() && !now.Before(e.expires) {
		delete(r.entries, key)
		return 0, false
	}
	return e.value, there
}

// set is SET followed by EXPIRE.
func (r *redis) set(now time.Time, key string, value int64, ttl time.Duration) {
	r.entries[key] = entry{value, now.Add(ttl)}
}

// increment is INCRBY: the expiry stays, and a new key has none.
func (r *redis) increment(now time.Time, key string, n int64) int64 {
	value, there := r.get(now, key)
	e := entry{value: value + n}
	if there {
		e.expires = r.entries[key].expires
	}
	r.entries[key] = e
	return e.value
}

// expireIfNever is EXPIRE where TTL says -1.
func (r *redis) expireIfNever(now time.Time, key string, ttl time.Duration) {
	if e, there := r.entries[key]; there && e.expires.IsZero() {
		r.expire(now, key, ttl)
	}
}

func (r *redis) expire(now time.Time, key string, ttl time.Duration) {
	e := r.entries[key]
	e.expires = now.Add(ttl)
	r.entries[key] = e
}

func (r *redis) remove(keys ...string) {
	for _, key := range keys {
		delete(r.entries, key)
	}
}
