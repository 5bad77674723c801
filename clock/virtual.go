package clock

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// ErrStopped is what waits return when the virtual world has ended.
var ErrStopped = errors.New("clock: the virtual world has ended")

// DeadlockError says that no task of a virtual world could run any more.
type DeadlockError struct {
	// Parked are the tasks that waited, each with what it waited for.
	Parked []string
}

func (e *DeadlockError) Error() string {
	return fmt.Sprintf("clock: deadlock in the virtual world: %d tasks wait and no timer is set:\n  %s",
		len(e.Parked), strings.Join(e.Parked, "\n  "))
}

// PanicError says that a task of a virtual world panicked.
type PanicError struct {
	Task  string
	Value any
	Stack string
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("clock: task %q panicked: %v\n%s", e.Task, e.Value, e.Stack)
}

// maxWaitsAfterEnd bounds how often tasks may still try to wait when their
// world has ended. It is far above what an orderly way out takes; a task that
// loops over failing waits is left behind instead of spinning for ever.
const maxWaitsAfterEnd = 1 << 20

// Virtual is a clock on which tasks run one at a time and time jumps to the
// next thing that is to happen. Which of several tasks that are ready at one
// instant goes first is drawn from the seed, so a seed also picks an
// interleaving.
//
// Its state needs no lock: only the task that holds the baton touches it, and
// the baton is handed over a channel.
type Virtual struct {
	now     time.Time
	order   *rand.Rand
	queue   entries
	seq     uint64
	current *task
	parked  map[*task]struct{}
	root    context.Context

	rootGone bool
	stopping bool
	waited   int
	err      error
	done     chan struct{}
}

var _ Clock = (*Virtual)(nil)

// NewVirtual returns a clock that stands at start and orders simultaneous tasks
// by seed.
func NewVirtual(seed uint64, start time.Time) *Virtual {
	const stream = 0x7261746563686563 // any constant: it keeps this sequence apart from others of the same seed
	return &Virtual{
		now:    start,
		order:  rand.New(rand.NewPCG(seed, stream)),
		parked: map[*task]struct{}{},
		done:   make(chan struct{}),
	}
}

// Run plays the world: f is its first task, and the world ends with it. It
// returns a *DeadlockError or *PanicError if the world broke; when ctx is
// cancelled, waits that were given a context derived from it fail. A Virtual is
// run once.
func (v *Virtual) Run(ctx context.Context, f func()) error {
	v.root = ctx
	v.schedule(v.now, entry{timer: &timer{name: "main", run: func() {
		f()
		v.end(nil)
	}}})
	v.next()
	<-v.done
	return v.err
}

// Now is the virtual time.
func (v *Virtual) Now() time.Time { return v.now }

// Go queues a new task. It runs when the current one waits.
func (v *Virtual) Go(name string, f func()) {
	v.schedule(v.now, entry{timer: &timer{name: name, run: f}})
}

// AfterFunc queues a new task for later.
func (v *Virtual) AfterFunc(d time.Duration, f func()) func() bool {
	t := &timer{name: "timer", run: f}
	v.schedule(v.now.Add(max(d, 0)), entry{timer: t})
	return func() bool {
		intime := !t.over
		t.over = true
		return intime
	}
}

// Sleep lets other tasks run until d has passed.
func (v *Virtual) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := v.current
	t.round++
	v.schedule(v.now.Add(max(d, 0)), entry{task: t, round: t.round})
	return v.park(ctx, t, "sleeps")
}

// NewEvent returns an event of this world.
func (v *Virtual) NewEvent() Event { return &virtualEvent{world: v} }

// WithCancel is context.WithCancel whose cancellation wakes the tasks that wait
// under it.
func (v *Virtual) WithCancel(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	return ctx, func() {
		if ctx.Err() != nil {
			cancel()
			return
		}
		cancel()
		v.wakeCancelled()
	}
}

type virtualEvent struct {
	world    *Virtual
	happened bool
	waiters  []*task
}

func (e *virtualEvent) Set() {
	if e.happened {
		return
	}
	e.happened = true
	for _, t := range e.waiters {
		e.world.resume(t)
	}
	e.waiters = nil
}

func (e *virtualEvent) Wait(ctx context.Context) error {
	if e.happened {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	t := e.world.current
	t.round++
	e.waiters = append(e.waiters, t)
	err := e.world.park(ctx, t, "waits for an event")
	if err != nil {
		e.waiters = slices.DeleteFunc(e.waiters, func(o *task) bool { return o == t })
	}
	if e.happened {
		return nil
	}
	return err
}
