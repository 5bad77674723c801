package window

import (
	"math/bits"
	"slices"
)

// grid cuts time into windows [phase+k*W, phase+(k+1)*W) for a phase in [0, W).
// Only window numbers that matter have a place: those an instant can fall into
// at some phase, and the two before them. So a long idle run costs nothing.
type grid struct {
	window  int64
	numbers []int64 // ascending, without repetition
}

// mark is an instant on the grid: with phase 0 it falls into the window at
// place, rest after its start.
type mark struct {
	rest  int64
	place int32
}

// in is the place of the window that holds the mark at this phase.
func (m mark) in(phase int64) int32 {
	if phase > m.rest {
		return m.place - 1
	}
	return m.place
}

// newGrid makes a grid with a place for every instant of these lists.
func newGrid(window int64, lists ...[]int64) *grid {
	g := &grid{window: window}
	for _, ts := range lists {
		for i, t := range ts {
			// Neighbours mostly share a window.
			if k := g.number(t); i == 0 || k != g.numbers[len(g.numbers)-1] {
				g.numbers = append(g.numbers, k)
			}
		}
	}
	slices.Sort(g.numbers)
	g.numbers = slices.Compact(g.numbers)
	var all []int64
	for _, k := range g.numbers {
		for n := k - 2; n <= k+1; n++ {
			if len(all) == 0 || n > all[len(all)-1] {
				all = append(all, n)
			}
		}
	}
	g.numbers = all
	return g
}

func (g *grid) number(t int64) int64 {
	k := t / g.window
	if t%g.window < 0 {
		k--
	}
	return k
}

func (g *grid) marks(ts []int64) []mark {
	ms, place := make([]mark, len(ts)), 0
	for i, t := range ts {
		k := g.number(t)
		place = least(g.numbers, k, place)
		ms[i] = mark{rest: t - k*g.window, place: int32(place)}
	}
	return ms
}

// apart is how many windows lie between a place and the next one, both
// included once: 1 if they follow each other.
func (g *grid) apart(place int) int64 {
	if place+1 >= len(g.numbers) {
		return 1
	}
	return g.numbers[place+1] - g.numbers[place]
}

// turns are the phases at which some instant passes from one window into the
// former, ascending without repetition, and 0. Between two turns nothing
// changes place.
func turns(window int64, lists ...[]mark) []int64 {
	ts := []int64{0}
	for _, ms := range lists {
		for _, m := range ms {
			if m.rest+1 < window {
				ts = append(ts, m.rest+1)
			}
		}
	}
	slices.Sort(ts)
	return slices.Compact(ts)
}

// share is amount*part/whole, rounded down. part is at most whole.
func share(amount, part, whole int64) int64 {
	hi, lo := bits.Mul64(uint64(amount), uint64(part))
	q, _ := bits.Div64(hi, lo, uint64(whole))
	return int64(q)
}

// shareUp is amount*part/whole, rounded up.
func shareUp(amount, part, whole int64) int64 {
	return amount - share(amount, whole-part, whole)
}
