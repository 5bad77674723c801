// Package clock is the only place where time passes. Everything that waits
// takes a Clock: on a real target it is the machine's (System), in the embedded
// world it is a Virtual one, on which minutes take milliseconds and one seed
// always gives one order of events.
package clock

import (
	"context"
	"time"
)

// Clock tells the time and waits.
//
// A Virtual clock runs one task at a time, so code that is to run under it must
// wait on nothing but a Clock: no channels, no mutex held over a wait, no
// context deadlines of the standard library (they follow the machine's time).
type Clock interface {
	// Now is the current time.
	Now() time.Time

	// Sleep waits for d, or until ctx is cancelled, and then returns ctx's
	// error. A d of zero or less still lets others run.
	Sleep(ctx context.Context, d time.Duration) error

	// Go runs f beside the caller. The name stands in the report of a
	// deadlock.
	Go(name string, f func())

	// AfterFunc runs f beside the caller when d has passed. The returned stop
	// reports whether it came in time.
	AfterFunc(d time.Duration, f func()) (stop func() bool)

	// NewEvent returns an event that has not happened yet.
	NewEvent() Event

	// WithCancel is context.WithCancel whose cancellation wakes what waits on
	// this clock.
	WithCancel(parent context.Context) (context.Context, context.CancelFunc)
}

// Event happens once. All who wait for it go on, then and later.
type Event interface {
	// Wait returns nil when the event has happened, or ctx's error if ctx was
	// cancelled first.
	Wait(ctx context.Context) error

	// Set makes the event happen. Setting it again changes nothing.
	Set()
}

// WithTimeout is context.WithTimeout on c's time.
func WithTimeout(parent context.Context, c Clock, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := c.WithCancel(parent)
	stop := c.AfterFunc(d, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}
