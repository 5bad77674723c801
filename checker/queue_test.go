package checker

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// queueBook is a burst on a limit of 5, with turns of a second: one goes on at
// once, each of waits is how long another waits, and refused are turned away.
func queueBook(t *testing.T, waits []time.Duration, refused int, refusals ...change) (*book, *sheet) {
	b := newBook(t).scenario("requests-windows", "requests/limit-kept", "requests/limit-usable", "refusal/status")
	k := b.key(perWindow(5))
	k.admit("burst-start", 0)
	for _, wait := range waits {
		k.admit("burst-start", 0, arriving(wait))
	}
	k.refuses(refused, "burst-start", ms, refusals...)
	return b, k
}

func turns(n int, each time.Duration) (list []time.Duration) {
	for i := range n {
		list = append(list, time.Duration(i+1)*each)
	}
	return list
}

func TestQueueIsNamedAndNotAccused(t *testing.T) {
	b, _ := queueBook(t, turns(4, sec), 20)
	if class := Judge(&b.h).Class; class != "leaky bucket as a queue (waits up to 4.0 s)" {
		t.Errorf("the class is %q", class)
	}
	b.wants("requests/limit-kept", Pass, "5 of 25 requests admitted", nil)
	b.wants("requests/limit-usable", Pass, "", nil)
	b.wants("refusal/status", Pass, "", nil)
}

// TestQueueThatIsNotPaced has all that waited let in when a window turns.
func TestQueueThatIsNotPaced(t *testing.T) {
	b, _ := queueBook(t, []time.Duration{3 * sec, 3 * sec, 3 * sec, 3 * sec}, 20)
	if class := Judge(&b.h).Class; class != "queue before the limit (waits up to 3.0 s)" {
		t.Errorf("the class is %q", class)
	}
}

// TestQueueThatAdmitsTooMuch: a queue excuses no admission.
func TestQueueThatAdmitsTooMuch(t *testing.T) {
	b, _ := queueBook(t, turns(17, 250*ms), 20)
	b.wants("requests/limit-kept", Fail, "more than its limit allows", nil)
	// Nor what a full queue has nothing to do with.
	b, k := queueBook(t, turns(4, sec), 20)
	no := k.refuse("pace", 25*sec)
	b.wants("requests/limit-usable", Fail, "", []int{no})
}

// TestQueueIsFoundWhoeverIsQuickest: by the provider's clock the quickest may
// have come before it was sent. In whatever order the keys are looked at, the
// queue is found.
func TestQueueIsFoundWhoeverIsQuickest(t *testing.T) {
	for range 20 { // the order of a map
		b, _ := queueBook(t, turns(4, sec), 20)
		b.key(perWindow(7)).admit("pace", 8*sec, arriving(-5*ms))
		b.key(perWindow(6)).admit("pace", 9*sec, arriving(5*sec))
		if class := Judge(&b.h).Class; class != "leaky bucket as a queue (waits up to 4.0 s)" {
			t.Fatalf("the class is %q", class)
		}
	}
}

func TestFullQueueIsNoFalseRefusal(t *testing.T) {
	b, _ := queueBook(t, []time.Duration{sec, 2 * sec, 3 * sec}, 20)
	r := b.verdict("requests/limit-usable")
	if r.Verdict != Skip || !strings.Contains(r.Message, "the target queues: up to 3.0 s") {
		t.Errorf("%s: %s", r.Verdict, r.Message)
	}
}

func TestNoQueue(t *testing.T) {
	for name, write := range map[string]func(t *testing.T) *book{
		"all are slow": func(t *testing.T) *book {
			b, _ := queueBook(t, turns(4, 1400*ms), 20, arriving(2*sec))
			return b
		},
		"waits below the least": func(t *testing.T) *book {
			b, _ := queueBook(t, turns(4, 60*ms), 20)
			return b
		},
		"waits below the rate": func(t *testing.T) *book {
			b, _ := queueBook(t, turns(4, 190*ms), 20)
			return b
		},
		"two that are late": func(t *testing.T) *book {
			b, _ := queueBook(t, []time.Duration{sec, 2 * sec}, 20)
			return b
		},
		"no ledger": func(t *testing.T) *book {
			b, _ := queueBook(t, turns(4, sec), 20)
			b.h.Run.Ledger, b.h.Calls = false, nil
			return b
		},
		"the ledger's clock is unsure": func(t *testing.T) *book {
			b, _ := queueBook(t, turns(4, sec), 20)
			b.h.Run.LedgerSkew = 5 * sec
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := write(t)
			judgement := Judge(&b.h)
			if strings.Contains(judgement.Class, "queue") || slices.ContainsFunc(judgement.Results, func(r Result) bool { return strings.Contains(r.Message, "queues") }) {
				t.Errorf("taken for a queue: %q, %+v", judgement.Class, judgement.Results)
			}
		})
	}
}

// TestQueueForSlots: who waits for a slot is no limiter of requests that queues.
func TestQueueForSlots(t *testing.T) {
	b := newBook(t).scenario("parallel-edge", "parallel/kept-across-windows")
	k := b.key(slots(2))
	k.admits(2, "hold", 0, taking(3*sec))
	k.admits(4, "more", sec, arriving(2500*ms))
	others := b.scenario("answers-quiet", "headers/on-answers").key(perWindow(100))
	for i := range 5 {
		others.admit("plain", sec+time.Duration(i)*100*ms)
	}
	b.wants("parallel/kept-across-windows", Skip, "the target queues: up to 2.5 s", nil)
	if class := Judge(&b.h).Class; strings.Contains(class, "queue") {
		t.Errorf("the class is %q", class)
	}
}
