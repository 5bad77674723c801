package litellm

import "time"

// Names of the counters of a key, behind what stands for the key.
const (
	windowName   = ":window"
	requestsName = ":requests"
	tokensName   = ":tokens"
	parallelName = ":max_parallel_requests"
)

// store counts. All its calls are of one moment.
type store interface {
	// count adds one to each counter of an owner; a counter that meets a window
	// that is over opens the next.
	count(now time.Time, owner string, names []string) []int64
	// reserve adds n to the tokens if they stay within the limit; else it says
	// how many there are.
	reserve(now time.Time, owner string, n, limit int64) (tokens int64, fits bool)
	// reserveAll reserves of all, or of none. It returns how many tokens each
	// has then, up to the first that they do not fit.
	reserveAll(now time.Time, all []wantedTokens) (tokens []int64, fit bool)
	// settle adds to a counter after an answer.
	settle(now time.Time, owner, name string, n int64)
	// giveBack adds to a counter after a failure.
	giveBack(now time.Time, owner, name string, n int64)
	// local is what the process itself remembers.
	local() *cache
	// look reads a counter where it is kept.
	look(now time.Time, key string) Counter
}

// wantedTokens are tokens that are to be reserved of an owner.
type wantedTokens struct {
	owner    string
	n, limit int64
}

// Counter is a number of the limiter.
type Counter struct {
	Value int64
	// There is false where nothing is stored, which counts as 0.
	There bool
	// Expires is when it is gone; zero is never.
	Expires time.Time
}

// windows is what both stores have in common.
type windows struct {
	release Release
	size    time.Duration
}

// mark is a time as a window's mark tells it, in nanoseconds.
func (w windows) mark(now time.Time) int64 {
	if w.release.Has(WholeSecondWindows) {
		now = now.Truncate(time.Second)
	}
	return now.UnixNano()
}

// over says whether a window with a mark is over.
func (w windows) over(now time.Time, opened int64, there bool) bool {
	return !there || w.mark(now)-opened >= int64(w.size)
}

// memoryStore counts in the process.
type memoryStore struct {
	windows
	cache *cache
}

func (m *memoryStore) local() *cache { return m.cache }

func (m *memoryStore) turned(now time.Time, owner string) bool {
	opened, there := m.cache.get(now, owner+windowName)
	return m.over(now, opened, there)
}

func (m *memoryStore) open(now time.Time, owner string) {
	if !m.release.Has(SharedWindowKey) {
		for _, name := range []string{requestsName, tokensName} {
			m.cache.set(now, owner+name, 0, m.size)
		}
	}
	m.cache.set(now, owner+windowName, m.mark(now), m.size)
}

func (m *memoryStore) count(now time.Time, owner string, names []string) []int64 {
	var values []int64
	for _, name := range names {
		value := int64(1)
		if m.turned(now, owner) {
			m.open(now, owner)
		} else {
			before, _ := m.cache.get(now, owner+name)
			value = before + 1
		}
		m.cache.set(now, owner+name, value, m.size)
		values = append(values, value)
	}
	return values
}

func (m *memoryStore) reserve(now time.Time, owner string, n, limit int64) (int64, bool) {
	turned := m.turned(now, owner)
	var tokens int64
	if !turned {
		tokens, _ = m.cache.get(now, owner+tokensName)
	}
	if tokens+n > limit {
		return tokens, false
	}
	if turned {
		m.open(now, owner)
	}
	m.cache.set(now, owner+tokensName, tokens+n, m.size)
	return tokens + n, true
}

// reserveAll reads all before it writes any: what is wanted of one owner twice
// is taken once.
func (m *memoryStore) reserveAll(now time.Time, all []wantedTokens) (tokens []int64, fit bool) {
	for _, w := range all {
		var before int64
		if !m.turned(now, w.owner) {
			before, _ = m.cache.get(now, w.owner+tokensName)
		}
		if before+w.n > w.limit {
			return append(tokens, before), false
		}
		tokens = append(tokens, before+w.n)
	}
	taken := map[string]bool{}
	for _, w := range all {
		if !taken[w.owner] {
			m.reserve(now, w.owner, w.n, w.limit)
		}
		taken[w.owner] = true
	}
	return tokens, true
}

func (m *memoryStore) settle(now time.Time, owner, name string, n int64) {
	m.cache.add(now, owner+name, n)
}

func (m *memoryStore) giveBack(now time.Time, owner, name string, n int64) {
	m.cache.add(now, owner+name, n)
}

func (m *memoryStore) look(now time.Time, key string) Counter {
	value, there := m.cache.get(now, key)
	return Counter{Value: value, There: there, Expires: m.cache.entries[key].expires}
}

// redisStore counts in Redis. The process remembers what the script last told
// it, for a window from the first time on.
type redisStore struct {
	windows
	redis  *redis
	mirror *cache
}

func (s *redisStore) local() *cache { return s.mirror }

func (s *redisStore) turned(now time.Time, owner string) bool {
	opened, there := s.redis.get(now, owner+windowName)
	return s.over(now, opened, there)
}

func (s *redisStore) open(now time.Time, owner string) {
	if !s.release.Has(SharedWindowKey) {
		s.redis.remove(owner+requestsName, owner+tokensName)
	}
	s.redis.set(now, owner+windowName, s.mark(now), s.size)
}

func (s *redisStore) count(now time.Time, owner string, names []string) []int64 {
	var values []int64
	for _, name := range names {
		key, value := owner+name, int64(1)
		if s.turned(now, owner) {
			s.open(now, owner)
			s.redis.set(now, key, value, s.size)
		} else {
			value = s.redis.increment(now, key, 1)
			if !s.release.Has(NoExpiryOnIncrement) {
				s.redis.expireIfNever(now, key, s.size)
			}
		}
		values = append(values, value)
	}
	for i, name := range names {
		s.mirror.set(now, owner+name, values[i], s.size)
		opened, _ := s.redis.get(now, owner+windowName)
		s.mirror.set(now, owner+windowName, opened, s.size)
	}
	return values
}

func (s *redisStore) reserve(now time.Time, owner string, n, limit int64) (int64, bool) {
	turned, key := s.turned(now, owner), owner+tokensName
	var tokens int64
	if !turned {
		tokens, _ = s.redis.get(now, key)
	}
	if tokens+n > limit {
		return tokens, false
	}
	if turned {
		s.open(now, owner)
		s.redis.set(now, key, n, s.size)
		return n, true
	}
	tokens = s.redis.increment(now, key, n)
	s.redis.expireIfNever(now, key, s.size)
	return tokens, true
}

// reserveAll reserves of one after the other, and takes back what it reserved
// where the next does not fit.
func (s *redisStore) reserveAll(now time.Time, all []wantedTokens) (tokens []int64, fit bool) {
	for i, w := range all {
		n, fits := s.reserve(now, w.owner, w.n, w.limit)
		tokens = append(tokens, n)
		if !fits {
			for _, taken := range all[:i] {
				s.redis.increment(now, taken.owner+tokensName, -taken.n)
			}
			return tokens, false
		}
	}
	return tokens, true
}

func (s *redisStore) settle(now time.Time, owner, name string, n int64) {
	s.redis.increment(now, owner+name, n)
	s.redis.expireIfNever(now, owner+name, s.size)
}

// giveBack goes another way than settle: the expiry begins anew, and what the
// process remembers changes too.
func (s *redisStore) giveBack(now time.Time, owner, name string, n int64) {
	s.mirror.add(now, owner+name, n)
	s.redis.increment(now, owner+name, n)
	s.redis.expire(now, owner+name, s.size)
}

func (s *redisStore) look(now time.Time, key string) Counter {
	value, there := s.redis.get(now, key)
	return Counter{Value: value, There: there, Expires: s.redis.entries[key].expires}
}
