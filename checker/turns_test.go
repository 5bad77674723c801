package checker

import (
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/checker/window"
)

// at is an event decided within 2 ms of an instant.
func at(admitted bool, at time.Duration) window.Event {
	return window.Event{From: at, To: at + 2*ms, Cost: 1, Admitted: admitted}
}

// span is an event decided somewhere within a span.
func span(admitted bool, from, to time.Duration) window.Event {
	return window.Event{From: from, To: to, Cost: 1, Admitted: admitted}
}

func TestTurnsOnWholeSeconds(t *testing.T) {
	const yes, no = true, false
	// turnAt is a turn that is known to 100 ms.
	turnAt := func(instant time.Duration) []window.Event {
		return []window.Event{at(no, instant-50*ms), at(yes, instant+48*ms)}
	}
	join := func(groups ...[]window.Event) (all []window.Event) {
		for _, g := range groups {
			all = append(all, g...)
		}
		return all
	}
	for name, test := range map[string]struct {
		events []window.Event
		may    bool
		turns  int
	}{
		"nothing":                {nil, true, 0},
		"never refused":          {[]window.Event{at(yes, 0), at(yes, sec)}, true, 0},
		"refused for good":       {[]window.Event{at(yes, 0), at(no, sec)}, true, 0},
		"one turn":               {turnAt(4 * sec), true, 1},
		"two on one phase":       {join(turnAt(4*sec), turnAt(9*sec)), true, 2},
		"two on two phases":      {join(turnAt(4*sec), turnAt(8*sec+500*ms)), false, 2},
		"three on one phase":     {join(turnAt(4300*ms), turnAt(9300*ms), turnAt(13300*ms)), true, 3},
		"the third on another":   {join(turnAt(4*sec), turnAt(9*sec), turnAt(13*sec+200*ms)), false, 3},
		"across the second":      {join(turnAt(3980*ms), turnAt(9020*ms), turnAt(14*sec)), true, 3},
		"windows of 4.5 s":       {join(turnAt(4500*ms), turnAt(9*sec), turnAt(13500*ms)), false, 3},
		"known to a second only": {join([]window.Event{at(no, 3*sec), at(yes, 4300*ms)}, turnAt(9*sec), turnAt(13*sec)), true, 3},
		// In a burst answers overtake each other: the refusal was decided after
		// the admission, though it was answered before.
		"a burst is no turn": {join(
			[]window.Event{span(no, 300*ms, 340*ms), span(yes, 301*ms, 380*ms), span(no, 302*ms, 400*ms)},
			turnAt(4*sec), turnAt(9*sec), turnAt(13*sec)), true, 3},
		// Nor is what was refused before a turn and answered after it.
		"refused across a turn": {join(
			turnAt(4*sec), []window.Event{span(no, 3900*ms, 4700*ms), at(yes, 4750*ms)},
			turnAt(9*sec), turnAt(13*sec)), true, 3},
		// Two refusals, then two admissions: the narrowest bracket counts.
		"one turn among many": {[]window.Event{at(no, 3*sec), at(no, 3950*ms), at(yes, 4010*ms), at(yes, 4500*ms)}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			may, turns := turnsOnWholeSeconds(test.events)
			if may != test.may || turns != test.turns {
				t.Errorf("%t with %d turns, want %t with %d", may, turns, test.may, test.turns)
			}
		})
	}
}

func TestTurnIsAsNarrowAsCanBeTold(t *testing.T) {
	turns := turnsOf([]window.Event{
		at(false, 3*sec), at(false, 3950*ms), span(false, 3700*ms, 4005*ms), at(true, 4010*ms), at(true, 4500*ms),
	})
	want := turn{3950 * ms, 4012 * ms}
	if len(turns) != 1 || turns[0] != want {
		t.Errorf("turns %v, want %v alone", turns, want)
	}
}
