package window

import (
	"slices"
	"testing"
)

// oneWindow is the exact rule for one key and one known window in which every
// outcome is known: (i) the admitted costs fit the limit, and (ii) for each
// refusal, its cost and what could have been admitted before its To exceed the
// limit.
//
// Both are necessary: the sum of (i) is what the window holds at its end, and
// the count at a refusal is at most what (ii) adds up. Together they suffice:
// inside a window the count never falls, so deciding every admission at its
// From and every refusal at its To (admissions first, at one instant) is the
// best case for all refusals at once, and asks no more of the admissions than
// (i). So the history is lawful exactly if both hold, whatever the costs.
//
// An unlawful history is told by (i) if that is broken, else by the false
// refusal with the most room. Class says nothing. Takes O(n log n).
func oneWindow(limit int64, events []Event) Finding {
	limit = min(max(limit, 0), horizon)
	admitted, refused := pick(events, true), pick(events, false)
	total := int64(0)
	for _, c := range admitted.cost {
		total += c
	}
	if total > limit {
		all := make([]int32, len(admitted.from))
		for i := range all {
			all[i] = int32(i)
		}
		return admitted.overrun(events, all, limit)
	}
	worst := worstRefusal{room: -1}
	next, count := 0, int64(0)
	for _, p := range sortInstants(refused.to) {
		for next < len(admitted.from) && admitted.from[next] <= refused.to[p] {
			count += admitted.cost[next]
			next++
		}
		worst.weigh(&refused, int(p), limit-count)
	}
	return worst.finding(&refused, events)
}

func TestOneWindow(t *testing.T) {
	for _, test := range []struct {
		name   string
		events []Event
		want   Finding
	}{
		{"empty", nil, Finding{Lawful: true}},
		{"full", history(burst(0, 10), refusal(second, 1)), Finding{Lawful: true}},
		{"one over", history(burst(second, 11)), Finding{Excess: 1, IDs: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, From: second, To: second}},
		{"the fewest that show it", history(burst(0, 5), []Event{{Cost: 7, From: second, To: 2 * second, Admitted: true}, {Cost: 3, Admitted: true}, {Cost: 3, Admitted: true}}), Finding{Excess: 8, IDs: []int{5, 6, 7}, To: 2 * second}},
		{"a false refusal", history(burst(0, 3), refusal(second, 8), refusal(second, 7), burst(2*second, 5)), Finding{Excess: 7, IDs: []int{4}, From: second, To: second}},
		{"a refusal that overlaps", history([]Event{{Cost: 5, From: second, To: 3 * second}, {Cost: 6, From: 2 * second, To: 4 * second, Admitted: true}}), Finding{Lawful: true}},
		{"at the same instant", history(burst(second, 10), refusal(second, 1)), Finding{Lawful: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := oneWindow(10, test.events)
			slices.Sort(got.IDs)
			if got.Lawful != test.want.Lawful || got.Excess != test.want.Excess || !slices.Equal(got.IDs, test.want.IDs) || got.From != test.want.From || got.To != test.want.To {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
