package clock

import (
	"context"
	"sync"
)

// Group waits for tasks started with its Go. The zero Group is not usable; see
// NewGroup.
type Group struct {
	clock Clock

	mu      sync.Mutex
	running int
	idle    Event
}

// NewGroup returns a group whose tasks run on c.
func NewGroup(c Clock) *Group { return &Group{clock: c} }

// Go runs f as a task of the group.
func (g *Group) Go(name string, f func()) {
	g.mu.Lock()
	g.running++
	g.mu.Unlock()
	g.clock.Go(name, func() {
		defer g.done()
		f()
	})
}

// Wait returns when no task of the group runs any more. It does not give up
// when ctx is cancelled: tasks are told by their own context, and a task that
// is left behind would write into a closed history.
func (g *Group) Wait() {
	g.mu.Lock()
	if g.running == 0 {
		g.mu.Unlock()
		return
	}
	if g.idle == nil {
		g.idle = g.clock.NewEvent()
	}
	idle := g.idle
	g.mu.Unlock()
	_ = idle.Wait(context.Background())
}

func (g *Group) done() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.running == 0 && g.idle != nil {
		g.idle.Set()
		g.idle = nil
	}
}
