package litellm

import (
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
)

// limiter decides and counts, as one process of a release does.
type limiter struct {
	Settings
	clock clock.Clock
	store store
	// slots are the requests in flight of each owner, where they are a gauge.
	slots map[string]int64
}

func newLimiter(s Settings, c clock.Clock) *limiter {
	most, ttl := 0, s.Window
	if s.Release.Has(SmallCache) {
		most = cacheSize
	}
	if s.Release.Has(TenMinuteCounters) {
		ttl = defaultTTL
	}
	l := &limiter{Settings: s, clock: c, slots: map[string]int64{}}
	w := windows{release: s.Release, size: s.Window}
	if s.Redis {
		l.store = &redisStore{windows: w, redis: newRedis(), mirror: newCache(most, ttl)}
	} else {
		l.store = &memoryStore{windows: w, cache: newCache(most, ttl)}
	}
	return l
}

// status is what the limiter says of one limit.
type status struct {
	of        descriptor
	kind      reference.Kind
	limit     int64
	remaining int64
	over      bool
}

// admission is an admitted request, until it is over.
type admission struct {
	caller
	descriptors []descriptor
	statuses    []status
	// reserved is how many tokens were taken before the call of each owner in
	// opened, which is the mark of the window they were taken in.
	reserved int64
	opened   map[string]int64
	gauged   bool
	over     bool
}

func nameOf(kind reference.Kind) string {
	switch kind {
	case reference.Requests:
		return requestsName
	case reference.Tokens:
		return tokensName
	default:
		return parallelName
	}
}

// counted is a counter that counts first and is compared then.
type counted struct {
	of   descriptor
	kind reference.Kind
}

func (c counted) key() string { return c.of.owner() + nameOf(c.kind) }

// windowed are the counters of descriptors that go with the windows, in the
// order in which they are counted.
func (r Release) windowed(list []descriptor) []counted {
	var all []counted
	for _, d := range list {
		for _, kind := range []reference.Kind{reference.Requests, reference.Tokens, reference.Slots} {
			_, limited := d.limit(kind)
			switch {
			case !limited,
				kind == reference.Tokens && !r.Has(ChargesAfterAnswer),
				kind == reference.Slots && !r.Has(WindowedInFlight):
				continue
			}
			all = append(all, counted{d, kind})
		}
	}
	return all
}

// admit decides on a request that needs an estimate of tokens. Refused is the
// limit that it failed at; nil is admitted.
func (l *limiter) admit(c caller, list []descriptor, estimate int64) (a *admission, refused *status) {
	a = &admission{caller: c, descriptors: list, opened: map[string]int64{}}
	windowed := l.Release.windowed(list)
	refused = l.countWindowed(a, windowed)
	if refused == nil {
		refused = l.acquire(a)
	}
	if refused == nil {
		refused = l.reserve(a, estimate)
	}
	if refused != nil {
		l.releaseGauge(a)
		l.uncharge(a, windowed)
		return nil, refused
	}
	return a, nil
}

// acquire takes the slot of the key, where slots are a gauge: no other owner has
// a limit of them.
func (l *limiter) acquire(a *admission) (refused *status) {
	key := a.descriptors[0]
	most, limited := key.limit(reference.Slots)
	if !limited || l.Release.Has(WindowedInFlight) {
		return nil
	}
	owner := key.owner()
	if l.slots[owner]+1 > most {
		return &status{of: key, kind: reference.Slots, limit: most, remaining: max(0, most-l.slots[owner]), over: true}
	}
	l.slots[owner]++
	a.gauged = true
	a.statuses = append(a.statuses, status{of: key, kind: reference.Slots, limit: most, remaining: max(0, most-l.slots[owner])})
	return nil
}

// reserve takes the tokens of all descriptors that limit them, or of none.
func (l *limiter) reserve(a *admission, estimate int64) (refused *status) {
	if l.Release.Has(ChargesAfterAnswer) {
		return nil
	}
	var of []descriptor
	var wanted []wantedTokens
	for _, d := range a.descriptors {
		if most, limited := d.limit(reference.Tokens); limited {
			of, wanted = append(of, d), append(wanted, wantedTokens{owner: d.owner(), n: estimate, limit: most})
		}
	}
	tokens, fit := l.store.reserveAll(l.clock.Now(), wanted)
	for i, n := range tokens {
		most := wanted[i].limit
		s := status{of: of[i], kind: reference.Tokens, limit: most, remaining: max(0, most-n)}
		if !fit && i == len(tokens)-1 {
			s.over = true
			return &s
		}
		a.statuses = append(a.statuses, s)
	}
	for _, w := range wanted {
		a.reserved = estimate
		a.opened[w.owner] = l.opened(w.owner)
	}
	return nil
}

// countWindowed is the part of the decision that counts first and compares
// then.
func (l *limiter) countWindowed(a *admission, all []counted) (refused *status) {
	now := l.clock.Now()
	say := func(c counted, value int64) status {
		most, _ := c.of.limit(c.kind)
		return status{of: c.of, kind: c.kind, limit: most, remaining: most - value, over: value > most}
	}
	// What the process remembers is asked first, and of no window.
	for _, c := range all {
		if value, there := l.store.local().get(now, c.key()); there && l.Release.Has(BlindLocalCheck) {
			if s := say(c, value); s.over {
				return &s
			}
		}
	}
	// All are counted, also behind one that is over its limit.
	for _, c := range all {
		value := l.store.count(now, c.of.owner(), []string{nameOf(c.kind)})[0]
		if c.kind == reference.Tokens && !l.Release.Has(OneTokenAhead) {
			l.store.settle(now, c.of.owner(), tokensName, -1)
		}
		s := say(c, value)
		if s.over && refused == nil {
			refused = &s
		}
		a.statuses = append(a.statuses, s)
	}
	return refused
}

// uncharge takes back what a refused request was counted, where a release does.
func (l *limiter) uncharge(a *admission, all []counted) {
	if l.Release.Has(RefusalsCharged) || len(a.statuses) == 0 {
		return
	}
	for _, c := range all {
		if c.kind == reference.Requests {
			l.store.settle(l.clock.Now(), c.of.owner(), requestsName, -1)
		}
	}
}

// opened is the mark of an owner's window; 0 is none.
func (l *limiter) opened(owner string) int64 {
	return l.store.look(l.clock.Now(), owner+windowName).Value
}

func (l *limiter) releaseGauge(a *admission) {
	if a.gauged {
		a.gauged = false
		l.slots[a.keyOwner()]--
	}
}

// lateCharge is how long after an answer it is charged.
const lateCharge = 200 * time.Millisecond

// succeeded charges what an answered request used, a little later.
func (l *limiter) succeeded(a *admission, used int64) {
	delay := lateCharge
	if !l.Release.Has(LateCharges) {
		delay = 0
	}
	l.clock.AfterFunc(delay, func() {
		if a.over {
			return
		}
		a.over = true
		now := l.clock.Now()
		if l.Release.Has(WindowedInFlight) {
			l.store.settle(now, a.keyOwner(), parallelName, -1)
		}
		l.releaseGauge(a)
		for _, owner := range a.charged(l.Release) {
			// Without a reservation even nothing is written down.
			if n := used - a.reservedOf(owner); (n != 0 || l.Release.Has(ChargesAfterAnswer)) && l.maySettle(a, owner) {
				l.store.settle(now, owner, tokensName, n)
			}
		}
	})
}

// reservedOf is how many tokens were taken of an owner: of one whose descriptor
// stands there twice too, the charge knows of one.
func (a *admission) reservedOf(owner string) int64 {
	if _, there := a.opened[owner]; there {
		return a.reserved
	}
	return 0
}

// maySettle says whether a settlement is written: guarded, it is not when the
// window of its reservation is over.
func (l *limiter) maySettle(a *admission, owner string) bool {
	opened, reserved := a.opened[owner]
	return !reserved || l.Release.Has(UnguardedSettle) || l.opened(owner) == opened
}

// failed gives back what a request had reserved whose call failed.
func (l *limiter) failed(a *admission) {
	if a.over {
		return
	}
	a.over = true
	now := l.clock.Now()
	if l.Release.Has(WindowedInFlight) {
		l.store.giveBack(now, a.keyOwner(), parallelName, -1)
	}
	l.releaseGauge(a)
	for _, owner := range a.charged(l.Release) {
		if n := a.reservedOf(owner); n > 0 && l.maySettle(a, owner) {
			l.store.giveBack(now, owner, tokensName, -n)
		}
	}
}

// redisTrip is what the callback of a refusal takes to reach Redis; in memory it
// runs within the refusal. In the time between, others are refused by the
// process's own copy, which adds nothing that their callbacks could take back.
// On a real release it is chance how many; here it is a whole burst.
const redisTrip = time.Millisecond

// refusedCall is what the callbacks do with a refusal.
func (l *limiter) refusedCall(owner string) {
	if !l.Release.Has(ReleaseWithoutAcquire) {
		return
	}
	giveBack := func() { l.store.giveBack(l.clock.Now(), owner, parallelName, -1) }
	if !l.Redis {
		giveBack()
		return
	}
	l.clock.AfterFunc(redisTrip, giveBack)
}
