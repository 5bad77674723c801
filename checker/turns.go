package checker

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/ratecheck/ratecheck/checker/window"
)

const (
	// wholeSecond is how much shorter a window may be where windows turn only
	// on whole seconds, as those of limiters do that keep time in seconds.
	wholeSecond = time.Second
	// turnsNeeded is how many turns of a window in a row must fall on one phase
	// of the second to show that they turn on whole seconds.
	turnsNeeded = 3
)

// turn is the span within which room came back: after a refusal was decided and
// before an admission was that was sent later.
type turn struct{ from, to time.Duration }

// turnsOnWholeSeconds says whether all turns that the events show may fall on
// one phase of the second, and how many turns there are.
func turnsOnWholeSeconds(events []window.Event) (may bool, seen int) {
	turns := turnsOf(events)
	for _, t := range turns {
		// A common phase, if there is one, is found at the start of one of the
		// spans.
		may = may || allAt(turns, t.from%wholeSecond)
	}
	return may || len(turns) == 0, len(turns)
}

func allAt(turns []turn, phase time.Duration) bool {
	for _, t := range turns {
		if after := (phase - t.from%wholeSecond + wholeSecond) % wholeSecond; after > t.to-t.from {
			return false
		}
	}
	return true
}

// turnsOf finds the turns, each as narrow as it can be told. Answers overtake
// each other: an admission counts as later than a refusal only if it was sent
// after the refusal was answered.
func turnsOf(events []window.Event) []turn {
	var admissions, refusals []window.Event
	for _, e := range events {
		if e.Admitted {
			admissions = append(admissions, e)
		} else {
			refusals = append(refusals, e)
		}
	}
	slices.SortStableFunc(refusals, func(a, b window.Event) int { return cmp.Compare(a.To, b.To) })
	slices.SortStableFunc(admissions, func(a, b window.Event) int { return cmp.Compare(a.From, b.From) })
	// earliest[i] is the least To of the admissions from i on.
	earliest := make([]window.Event, len(admissions))
	for i := len(admissions) - 1; i >= 0; i-- {
		earliest[i] = admissions[i]
		if i+1 < len(admissions) && earliest[i+1].To < admissions[i].To {
			earliest[i] = earliest[i+1]
		}
	}
	var turns []turn
	over := time.Duration(-1) // what was sent by here says nothing of the next turn
	for r := 0; r < len(refusals); {
		if refusals[r].From <= over {
			r++
			continue
		}
		next := sort.Search(len(admissions), func(i int) bool { return admissions[i].From > refusals[r].To })
		if next == len(admissions) {
			break
		}
		first := earliest[next]
		from := refusals[r].From
		for ; r < len(refusals) && refusals[r].To < first.From; r++ {
			from = max(from, refusals[r].From)
		}
		turns = append(turns, turn{from, first.To})
		over = first.To
	}
	return turns
}
