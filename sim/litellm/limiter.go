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
	kind      reference.Kind
	limit     int64
	remaining int64
	over      bool
}

// admission is an admitted request, until it is over.
type admission struct {
	owner    string
	policy   reference.Policy
	statuses []status
	// reserved is how many tokens were taken before the call, in the window
	// that was opened at opened.
	reserved int64
	opened   int64
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

// admit decides on a request that needs an estimate of tokens. Refused is the
// limit that it failed at; nil is admitted.
func (l *limiter) admit(owner string, policy reference.Policy, estimate int64) (a *admission, refused *status) {
	a = &admission{owner: owner, policy: policy}
	limit := func(kind reference.Kind) (int64, bool) {
		return policy.KeyLimit(kind), policy.KeyLimit(kind) != reference.Unlimited
	}
	var counted []reference.Kind
	for _, kind := range []reference.Kind{reference.Requests, reference.Tokens, reference.Slots} {
		_, limited := limit(kind)
		switch {
		case !limited,
			kind == reference.Tokens && !l.Release.Has(ChargesAfterAnswer),
			kind == reference.Slots && !l.Release.Has(WindowedInFlight):
			continue
		}
		counted = append(counted, kind)
	}
	if refused := l.countWindowed(a, counted); refused != nil {
		l.uncharge(a, counted)
		return nil, refused
	}
	if most, limited := limit(reference.Slots); limited && !l.Release.Has(WindowedInFlight) {
		if l.slots[owner]+1 > most {
			l.uncharge(a, counted)
			return nil, &status{kind: reference.Slots, limit: most, remaining: max(0, most-l.slots[owner]), over: true}
		}
		l.slots[owner]++
		a.gauged = true
		a.statuses = append(a.statuses, status{kind: reference.Slots, limit: most, remaining: max(0, most-l.slots[owner])})
	}
	if most, limited := limit(reference.Tokens); limited && !l.Release.Has(ChargesAfterAnswer) {
		tokens, fits := l.store.reserve(l.clock.Now(), owner, estimate, most)
		s := status{kind: reference.Tokens, limit: most, remaining: max(0, most-tokens), over: !fits}
		if !fits {
			l.releaseGauge(a)
			l.uncharge(a, counted)
			return nil, &s
		}
		a.reserved = estimate
		a.opened = l.opened(owner)
		a.statuses = append(a.statuses, s)
	}
	return a, nil
}

// countWindowed is the part of the decision that counts first and compares
// then.
func (l *limiter) countWindowed(a *admission, kinds []reference.Kind) (refused *status) {
	if len(kinds) == 0 {
		return nil
	}
	now := l.clock.Now()
	var names []string
	for _, kind := range kinds {
		names = append(names, nameOf(kind))
	}
	say := func(kind reference.Kind, value int64) status {
		most := a.policy.KeyLimit(kind)
		return status{kind: kind, limit: most, remaining: most - value, over: value > most}
	}
	// What the process remembers is asked first, and of no window.
	for i, kind := range kinds {
		if value, there := l.store.local().get(now, a.owner+names[i]); there && l.Release.Has(BlindLocalCheck) {
			if s := say(kind, value); s.over {
				return &s
			}
		}
	}
	for i, value := range l.store.count(now, a.owner, names) {
		if kinds[i] == reference.Tokens && !l.Release.Has(OneTokenAhead) {
			l.store.settle(now, a.owner, tokensName, -1)
		}
		s := say(kinds[i], value)
		if s.over && refused == nil {
			refused = &s
		}
		a.statuses = append(a.statuses, s)
	}
	return refused
}

// uncharge takes back what a refused request was counted, where a release does.
func (l *limiter) uncharge(a *admission, kinds []reference.Kind) {
	if l.Release.Has(RefusalsCharged) || len(a.statuses) == 0 {
		return
	}
	for _, kind := range kinds {
		if kind == reference.Requests {
			l.store.settle(l.clock.Now(), a.owner, requestsName, -1)
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
		l.slots[a.owner]--
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
			l.store.settle(now, a.owner, parallelName, -1)
		}
		l.releaseGauge(a)
		// Without a reservation even nothing is written down.
		if n := used - a.reserved; (n != 0 || l.Release.Has(ChargesAfterAnswer)) && l.maySettle(a) {
			l.store.settle(now, a.owner, tokensName, n)
		}
	})
}

// maySettle says whether a settlement is written: guarded, it is not when the
// window of its reservation is over.
func (l *limiter) maySettle(a *admission) bool {
	return a.reserved == 0 || l.Release.Has(UnguardedSettle) || l.opened(a.owner) == a.opened
}

// failed gives back what a request had reserved whose call failed.
func (l *limiter) failed(a *admission) {
	if a.over {
		return
	}
	a.over = true
	now := l.clock.Now()
	if l.Release.Has(WindowedInFlight) {
		l.store.giveBack(now, a.owner, parallelName, -1)
	}
	l.releaseGauge(a)
	if a.reserved > 0 && l.maySettle(a) {
		l.store.giveBack(now, a.owner, tokensName, -a.reserved)
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
