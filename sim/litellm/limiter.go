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
	most := 0
	if s.Release.Has(SmallCache) {
		most = cacheSize
	}
	l := &limiter{Settings: s, clock: c, slots: map[string]int64{}}
	w := windows{release: s.Release, size: s.Window}
	if s.Redis {
		l.store = &redisStore{windows: w, redis: newRedis(), mirror: newCache(most)}
	} else {
		l.store = &memoryStore{windows: w, cache: newCache(most)}
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
	// reserved is how many tokens were taken before the call.
	reserved int64
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
		return policy.Limits[kind], policy.Limits[kind] != reference.Unlimited
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
		return nil, refused
	}
	if most, limited := limit(reference.Slots); limited && !l.Release.Has(WindowedInFlight) {
		if l.slots[owner]+1 > most {
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
			return nil, &s
		}
		a.reserved = estimate
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
		most := a.policy.Limits[kind]
		return status{kind: kind, limit: most, remaining: most - value, over: value > most}
	}
	// What the process remembers is asked first, and of no window.
	for i, kind := range kinds {
		if value, there := l.store.local().get(now, a.owner+names[i]); there {
			if s := say(kind, value); s.over {
				return &s
			}
		}
	}
	for i, value := range l.store.count(now, a.owner, names) {
		s := say(kinds[i], value)
		if s.over && refused == nil {
			refused = &s
		}
		a.statuses = append(a.statuses, s)
	}
	return refused
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
	l.clock.AfterFunc(lateCharge, func() {
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
		if n := used - a.reserved; n != 0 || l.Release.Has(ChargesAfterAnswer) {
			l.store.settle(now, a.owner, tokensName, n)
		}
	})
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
	if a.reserved > 0 {
		l.store.giveBack(now, a.owner, tokensName, -a.reserved)
	}
}

// refusalDelay is how long a refusal takes to be told to the callbacks, which
// give a slot back for it.
const refusalDelay = time.Millisecond

// refusedCall is what the callbacks do with a refusal.
func (l *limiter) refusedCall(owner string) {
	if !l.Release.Has(ReleaseWithoutAcquire) {
		return
	}
	l.clock.AfterFunc(refusalDelay, func() {
		l.store.giveBack(l.clock.Now(), owner, parallelName, -1)
	})
}
