package clock

import (
	"container/heap"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

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
