package checker

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWindowSpan(t *testing.T) {
	// around is a turn at an instant, known to 20 ms.
	around := func(at time.Duration) turn { return turn{at - 10*ms, at + 10*ms} }
	for name, test := range map[string]struct {
		turns       []turn
		least, most time.Duration
	}{
		"none":                    {nil, 0, 0},
		"one":                     {[]turn{around(5 * sec)}, 0, 0},
		"two":                     {[]turn{around(5 * sec), around(10 * sec)}, 4980 * ms, 5020 * ms},
		"three":                   {[]turn{around(5 * sec), around(10*sec + 10*ms), around(15 * sec)}, 4990 * ms, 5010 * ms},
		"one was not seen":        {[]turn{around(5 * sec), around(15 * sec)}, 0, 0},
		"a window and a half":     {[]turn{around(5 * sec), around(12520 * ms)}, 7500 * ms, 7540 * ms},
		"and more":                {[]turn{around(5 * sec), around(12520*ms + 1)}, 0, 0},
		"half a window":           {[]turn{around(5 * sec), around(7480 * ms)}, 2460 * ms, 2500 * ms},
		"and less":                {[]turn{around(5 * sec), around(7480*ms - 1)}, 0, 0},
		"windows that differ":     {[]turn{around(5 * sec), around(9 * sec), around(14 * sec)}, 3980 * ms, 5020 * ms},
		"spans that overlap":      {[]turn{{0, 5 * sec}, {4 * sec, 9 * sec}}, 0, 9 * sec},
		"not in order, and alike": {[]turn{around(10 * sec), around(5 * sec)}, 0, 0},
	} {
		least, most := windowSpan(test.turns, window5)
		if least != test.least || most != test.most {
			t.Errorf("%s: from %s to %s, want %s to %s", name, least, most, test.least, test.most)
		}
	}
}

// The length of windows lies within what the turns tell, for each window that
// is no window: brute force over the lengths finds no other bounds.
func TestWindowSpanHoldsTheWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := time.Duration(rapid.IntRange(40, 400).Draw(t, "length"))
		at := time.Duration(rapid.IntRange(0, 400).Draw(t, "first"))
		var turns []turn
		for range rapid.IntRange(2, 6).Draw(t, "turns") {
			before, behind := rapid.IntRange(0, 15).Draw(t, "before"), rapid.IntRange(0, 15).Draw(t, "behind")
			from, to := at-time.Duration(before), at+time.Duration(behind)
			turns = append(turns, turn{from, to})
			// The next window opens when somebody asks: by the end of the span.
			at += time.Duration(rapid.IntRange(0, behind).Draw(t, "opened")) + length
		}
		least, most := windowSpan(turns, length)
		if length < least || length > most {
			t.Fatalf("windows of %d: from %d to %d by %v", length, least, most, turns)
		}
		// A length is possible if every two turns allow for it.
		possible := func(w time.Duration) bool {
			for i := 1; i < len(turns); i++ {
				lo, hi := turns[i-1], turns[i]
				if hi.from-lo.to > w || hi.to-lo.from < w {
					return false
				}
			}
			return true
		}
		var lengths []time.Duration
		for w := time.Duration(0); w <= 3*length; w++ { // no two turns lie further apart
			if possible(w) {
				lengths = append(lengths, w)
			}
		}
		if lengths[0] != least || lengths[len(lengths)-1] != most {
			t.Fatalf("from %d to %d, by brute force from %d to %d: %v", least, most, lengths[0], lengths[len(lengths)-1], turns)
		}
	})
}

// Where windows differ, the bounds hold all of them.
func TestWindowSpanOfWindowsThatDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const length = 200
		at, turns := time.Duration(0), []turn{{-5, 5}}
		var shortest, longest time.Duration
		for range rapid.IntRange(1, 6).Draw(t, "windows") {
			w := time.Duration(rapid.IntRange(120, 280).Draw(t, "window"))
			at += w
			turns = append(turns, turn{at - 5, at + 5})
			if shortest == 0 || w < shortest {
				shortest = w
			}
			longest = max(longest, w)
		}
		least, most := windowSpan(turns, length)
		if longest-shortest > 20 && (least != shortest-10 || most != longest+10) {
			t.Fatalf("windows from %d to %d are told as %d to %d", shortest, longest, least, most)
		}
	})
}
