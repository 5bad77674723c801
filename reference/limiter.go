// Package reference is the limiter done right: windows that belong to their
// counter, decisions that are all or nothing, reservations that settle once and
// in their own window, and a proxy that tells its clients the truth about them.
// It has no switch that makes it wrong; everything wrong lives in sim.
package reference

import (
	"time"
)

// Kind is what a counter counts.
type Kind int

// The kinds of counters a descriptor may have.
const (
	Requests Kind = iota
	Tokens
	Slots
	kinds
)

// String is the kind's name in a refusal's message and in rate_limit_type.
func (k Kind) String() string {
	switch k {
	case Requests:
		return "requests"
	case Tokens:
		return "tokens"
	default:
		return "max_parallel_requests"
	}
}

// Unlimited says that a descriptor has no limit of some kind. 0 is a limit that
// nothing passes (rule 3).
const Unlimited int64 = -1

// SlotLease is how long a slot is held without a sign of life. A request renews
// it while it lives, so that a process that died loses it (rule 5).
const SlotLease = 60 * time.Second

// Descriptor names who is limited and by how much.
type Descriptor struct {
	// Scope is the kind of owner, "api_key" for a key.
	Scope string
	// Value is the owner; for a key, its hash. Scope and Value together name
	// the counters.
	Value string
	// Limits are indexed by Kind; Unlimited where there is none.
	Limits [kinds]int64
	// Window is the length of the windows of Requests and Tokens; 0 or less is
	// 60 s (rule 2).
	Window time.Duration
	// CountOnly, indexed by Kind, is set where a limit is counted and told but
	// refuses nothing (rule 10). It means nothing for Slots, which are always
	// enforced.
	CountOnly [kinds]bool
}

// Item is one descriptor's part in a decision: how much of each kind is asked
// for and, once the store has decided, what was charged where. A slice of items
// is also the receipt that Settle and Release take, so it must be kept
// unchanged in between.
type Item struct {
	Descriptor
	// Amounts are indexed by Kind. An amount of 0 or less neither checks,
	// counts nor opens a window (rule 4); where the limit is Unlimited nothing
	// is counted either. The amount of Slots is 0 or 1, and more is taken as 1.
	Amounts [kinds]int64
	// After is what the counters look like after the decision, indexed by Kind.
	After [kinds]Counter

	receipt receipt
}

// Counter is what a store says of one counter.
type Counter struct {
	// Remaining is what is left of the limit, from 0 to the limit; it means
	// nothing where the limit is Unlimited.
	Remaining int64
	// Reset is the time until the counter's window ends; the whole window where
	// none is open; 0 for Slots and where the limit is Unlimited.
	Reset time.Duration
}

// Decision is the answer to a request for capacity.
type Decision struct {
	Admitted bool
	// Item and Kind name the first counter that refused: items in their order,
	// in an item requests before tokens before slots.
	Item int
	Kind Kind
	// Never is set when the request does not fit even an unused counter (rule
	// 17); then RetryAfter is 0.
	Never bool
	// RetryAfter is when the same request would be admitted if nobody else
	// asked for anything: the latest of all counters that refuse (rule 24).
	// Nobody knows when a slot frees, so a slot counts as one second.
	RetryAfter time.Duration
}

// Store keeps the counters. Every method takes the time as an argument; times
// handed to one store must not run backwards by more than callers can bear to
// lose in precision.
//
// A decision over several items is one step: all are charged or none (rule 4).
type Store interface {
	// Reserve charges all amounts or none and fills in After of each item,
	// also when it refuses. Items that name the same counters are charged once
	// (rule 6). A receipt that items hold from before is lost.
	Reserve(now time.Time, items []Item) Decision

	// Peek decides as Reserve would, fills in After and changes nothing else,
	// the receipts of items included.
	Peek(now time.Time, items []Item) Decision

	// Settle replaces the reserved tokens of items by what was really used, in
	// the window of the reservation; if that window is over nothing is written
	// (rule 14). Only the first call for a receipt counts. Where no tokens were
	// reserved none are charged; a used below 0 is 0. What is used beyond the
	// reservation is counted, so a counter may end above its limit.
	Settle(now time.Time, items []Item, used int64)

	// Renew extends the lease of the slots that items hold to SlotLease from
	// now. A lease that lapsed stays lost, for its slot may be another's.
	Renew(now time.Time, items []Item)

	// Release frees the slots that items hold. Only the first call counts.
	Release(now time.Time, items []Item)
}
