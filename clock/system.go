package clock

import (
	"context"
	"sync"
	"time"
)

// System is the machine's clock.
type System struct{}

var _ Clock = System{}

// Now is time.Now.
func (System) Now() time.Time { return time.Now() }

// Sleep waits for d or until ctx is cancelled.
func (System) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Go starts a goroutine.
func (System) Go(_ string, f func()) { go f() }

// AfterFunc is time.AfterFunc.
func (System) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// NewEvent returns an event made of a channel.
func (System) NewEvent() Event { return &systemEvent{happened: make(chan struct{})} }

// WithCancel is context.WithCancel.
func (System) WithCancel(parent context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(parent)
}

type systemEvent struct {
	once     sync.Once
	happened chan struct{}
}

func (e *systemEvent) Set() { e.once.Do(func() { close(e.happened) }) }

func (e *systemEvent) Wait(ctx context.Context) error {
	select {
	case <-e.happened:
		return nil
	default:
	}
	select {
	case <-e.happened:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
