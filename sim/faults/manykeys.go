package faults

import (
	"strings"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
)

// roomForKeys is for how many keys a forgetful store has room: the default run
// uses fewer.
const roomForKeys = 100

func manyKeysFaults() []Fault {
	const breaks = "isolation/many-keys"
	return []Fault{
		{
			Name: "new-keys-unlimited", Breaks: breaks, Flag: "--many-keys",
			Sentence: "once 100 keys were seen, new keys are not limited (LiteLLM in memory up to 1.105)",
			Apply:    func(p *sim.Parts) { p.Store = &fullStore{Store: p.Store, known: map[string]bool{}} },
		},
		{
			Name: "old-keys-forgotten", Breaks: breaks, Flag: "--many-keys",
			Sentence: "the counters of the key that was seen first are dropped for each key beyond 100",
			Apply: func(p *sim.Parts) {
				p.Store = &altered{Store: p.Store, alter: (&evictor{last: map[string]int{}, lives: map[string]int{}}).alter}
			},
		},
	}
}

// fullStore limits the keys that it has room for, and no other.
type fullStore struct {
	reference.Store

	mu    sync.Mutex
	known map[string]bool
}

func (s *fullStore) Reserve(now time.Time, items []reference.Item) reference.Decision {
	s.mu.Lock()
	known := s.known[items[0].Value]
	if !known && len(s.known) < roomForKeys {
		s.known[items[0].Value], known = true, true
	}
	s.mu.Unlock()
	if !known {
		s.Peek(now, items)
		return reference.Decision{Admitted: true}
	}
	return s.Store.Reserve(now, items)
}

// evictor gives a key that comes back after many others a counter of its own
// again, as though it had not been seen.
type evictor struct {
	mu    sync.Mutex
	news  int            // keys that were new or had been forgotten
	last  map[string]int // news, when a key was last seen
	lives map[string]int
}

func (e *evictor) alter(it *reference.Item, _ time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at, seen := e.last[it.Value]
	switch {
	case !seen:
		e.news++
	case e.news-at > roomForKeys:
		e.news++
		e.lives[it.Value]++
	}
	e.last[it.Value] = e.news
	it.Value += strings.Repeat("+", e.lives[it.Value])
}
