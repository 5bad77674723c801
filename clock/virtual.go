package clock

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
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

type task struct {
	name    string
	id      uint64
	wake    chan struct{}
	ctx     context.Context
	waiting string
	// round numbers the task's waits, so that what is left in the queue of an
	// earlier one is known to be stale.
	round uint64
}

type entry struct {
	at    time.Time
	order uint64
	seq   uint64
	// Either task goes on, if it is still in the same round, or timer starts.
	task  *task
	round uint64
	timer *timer
}

type timer struct {
	name string
	run  func()
	over bool
}

type entries []entry

func (q entries) Len() int { return len(q) }
func (q entries) Less(i, j int) bool {
	a, b := q[i], q[j]
	if !a.at.Equal(b.at) {
		return a.at.Before(b.at)
	}
	if a.order != b.order {
		return a.order < b.order
	}
	return a.seq < b.seq
}
func (q entries) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *entries) Push(x any)   { *q = append(*q, x.(entry)) }
func (q *entries) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
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

// park hands the baton on and returns when t has it again.
func (v *Virtual) park(ctx context.Context, t *task, why string) error {
	if v.stopping {
		if v.waited++; v.waited > maxWaitsAfterEnd {
			v.next()
			select {}
		}
		return ErrStopped
	}
	t.ctx, t.waiting = ctx, why
	v.parked[t] = struct{}{}
	v.next()
	<-t.wake
	v.current = t
	if v.stopping {
		return ErrStopped
	}
	return ctx.Err()
}

// next picks what is to run and gives it the baton. Whoever calls it has given
// the baton up and touches the world no more.
func (v *Virtual) next() {
	if !v.rootGone && v.root != nil && v.root.Err() != nil {
		v.rootGone = true
		v.wakeCancelled()
	}
	for {
		if len(v.queue) == 0 {
			if v.stopping {
				close(v.done)
				return
			}
			v.end(&DeadlockError{Parked: v.describeParked()})
			continue
		}
		e := heap.Pop(&v.queue).(entry)
		switch {
		case e.timer != nil:
			if e.timer.over || (v.stopping && e.at.After(v.now)) {
				continue
			}
			e.timer.over = true
			v.advance(e.at)
			t := &task{name: e.timer.name, id: e.seq, wake: make(chan struct{}, 1)}
			v.current = t
			go v.runTask(t, e.timer.run)
			return
		case e.task.round == e.round:
			if _, waits := v.parked[e.task]; !waits {
				continue
			}
			v.advance(e.at)
			delete(v.parked, e.task)
			e.task.round++
			e.task.wake <- struct{}{}
			return
		}
	}
}

func (v *Virtual) advance(at time.Time) {
	if at.After(v.now) {
		v.now = at
	}
}

func (v *Virtual) runTask(t *task, f func()) {
	defer func() {
		if r := recover(); r != nil {
			v.end(&PanicError{Task: t.name, Value: r, Stack: string(debug.Stack())})
		}
		v.next()
	}()
	f()
}

// end makes every wait fail, so that the tasks find their way out.
func (v *Virtual) end(err error) {
	if v.stopping {
		return
	}
	v.stopping = true
	v.err = err
	for _, t := range v.inOrder(func(*task) bool { return true }) {
		v.resume(t)
	}
}

func (v *Virtual) resume(t *task) {
	if _, waits := v.parked[t]; waits {
		v.schedule(v.now, entry{task: t, round: t.round})
	}
}

// wakeCancelled lets those go on whose context was cancelled.
func (v *Virtual) wakeCancelled() {
	for _, t := range v.inOrder(func(t *task) bool { return t.ctx.Err() != nil }) {
		v.resume(t)
	}
}

// inOrder lists the parked tasks of a kind in the order in which they were
// started, for that of a map is not reproducible.
func (v *Virtual) inOrder(kind func(*task) bool) []*task {
	var list []*task
	for t := range v.parked {
		if kind(t) {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b *task) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return list
}

func (v *Virtual) describeParked() []string {
	var list []string
	for _, t := range v.inOrder(func(*task) bool { return true }) {
		list = append(list, fmt.Sprintf("%s #%d %s", t.name, t.id, t.waiting))
	}
	return list
}

func (v *Virtual) schedule(at time.Time, e entry) {
	v.seq++
	e.at, e.order, e.seq = at, v.order.Uint64(), v.seq
	heap.Push(&v.queue, e)
}
