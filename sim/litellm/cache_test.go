package litellm

import (
	"strconv"
	"testing"
	"time"
)

const window = 5 * time.Second

func start() time.Time { return time.Unix(1_800_000_000, 300_000_000) }

// TestTheMemoryKeepsAnExpiry that an entry was made with, whatever is written
// to it, and gives ten minutes to what an increment makes.
func TestTheMemoryKeepsAnExpiry(t *testing.T) {
	c, now := newCache(0, defaultTTL), start()
	c.set(now, "a", 1, window)
	c.set(now.Add(4*time.Second), "a", 2, window)
	c.add(now.Add(4*time.Second), "a", 3)
	if v, there := c.get(now.Add(window), "a"); v != 5 || !there {
		t.Errorf("at its expiry it is %d, %t", v, there)
	}
	if _, there := c.get(now.Add(window+1), "a"); there {
		t.Error("it outlives its expiry")
	}
	c.add(now, "b", 7)
	if v, there := c.get(now.Add(defaultTTL), "b"); v != 7 || !there {
		t.Errorf("an increment's entry is %d, %t after ten minutes", v, there)
	}
	if _, there := c.get(now.Add(defaultTTL+1), "b"); there {
		t.Error("an increment's entry outlives ten minutes")
	}
}

// TestAFullMemoryDropsWhatExpiresFirst, the newest windows before the counters
// of ten minutes: new keys are then without a limit (36541).
func TestAFullMemoryDropsWhatExpiresFirst(t *testing.T) {
	c, now := newCache(cacheSize, defaultTTL), start()
	for i := range cacheSize - 1 {
		c.add(now, strconv.Itoa(i), 1)
	}
	c.set(now, "window", 1, window)
	c.set(now, "requests", 1, window)
	if _, there := c.get(now, "window"); there || len(c.entries) != cacheSize {
		t.Errorf("the window is still there: %t, with %d entries", there, len(c.entries))
	}
}

func TestRedisKeepsAnExpiry(t *testing.T) {
	r, now := newRedis(), start()
	r.set(now, "a", 1, window)
	r.increment(now.Add(time.Second), "a", 2)
	if v, there := r.get(now.Add(window-1), "a"); v != 3 || !there {
		t.Errorf("before its expiry it is %d, %t", v, there)
	}
	if _, there := r.get(now.Add(window), "a"); there {
		t.Error("it outlives its expiry")
	}
	r.increment(now, "b", 1)
	if _, there := r.get(now.Add(time.Hour), "b"); !there {
		t.Error("what INCR makes expires")
	}
	r.expireIfNever(now, "b", window)
	r.expireIfNever(now.Add(time.Second), "b", window)
	if _, there := r.get(now.Add(window), "b"); there {
		t.Error("an expiry was set anew")
	}
	r.expire(now, "missing", window)
}

// stores are a memory and a Redis of one release.
func stores(t *testing.T, version string) map[string]store {
	t.Helper()
	w := windows{release: release(t, version), size: window}
	return map[string]store{
		"memory": &memoryStore{windows: w, cache: newCache(0, defaultTTL)},
		"redis":  &redisStore{windows: w, redis: newRedis(), mirror: newCache(0, defaultTTL)},
	}
}

// TestTheWindowIsSharedUpTo1102: a window that turns resets the first counter
// and leaves the tokens as they are; from 1.103 it resets both (24677).
func TestTheWindowIsSharedUpTo1102(t *testing.T) {
	for version, tokens := range map[string]int64{"1.102.0": 41, "1.103.0": 1} {
		for name, s := range stores(t, version) {
			now := start()
			s.count(now, "k", []string{requestsName})
			late := now.Add(3 * time.Second)
			s.settle(late, "k", tokensName, 40) // its own expiry begins here
			got := s.count(now.Add(window), "k", []string{requestsName, tokensName})
			if got[0] != 1 || got[1] != tokens {
				t.Errorf("%s with %s counts %v behind the window, want 1 and %d", version, name, got, tokens)
			}
		}
	}
}

// TestWindowsBeginOnWholeSeconds, and so end up to one too early.
func TestWindowsBeginOnWholeSeconds(t *testing.T) {
	for name, s := range stores(t, newestRelease) {
		now := start()
		s.count(now, "k", []string{requestsName})
		for after, want := range map[time.Duration]int64{4600 * time.Millisecond: 2, 4700 * time.Millisecond: 1} {
			fresh := stores(t, newestRelease)[name]
			fresh.count(now, "k", []string{requestsName})
			if got := fresh.count(now.Add(after), "k", []string{requestsName}); got[0] != want {
				t.Errorf("%s: %s after the first request %d are counted, want %d", name, after, got[0], want)
			}
		}
	}
}

// TestAReservationIsSettledIntoWhateverWindow is open.
func TestAReservationIsSettledIntoWhateverWindow(t *testing.T) {
	for name, s := range stores(t, newestRelease) {
		now := start()
		if n, fits := s.reserve(now, "k", 800, 1000); n != 800 || !fits {
			t.Fatalf("%s: %d, %t", name, n, fits)
		}
		if n, fits := s.reserve(now, "k", 201, 1000); n != 800 || fits {
			t.Errorf("%s: 201 more fit: %d, %t", name, n, fits)
		}
		next := now.Add(window)
		s.reserve(next, "k", 1, 1000)
		s.settle(next, "k", tokensName, 2-800)
		if n, fits := s.reserve(next, "k", 1797, 1000); n != 1000 || !fits {
			t.Errorf("%s: the next window admits 1797 of 1000: %d, %t", name, n, fits)
		}
	}
}
