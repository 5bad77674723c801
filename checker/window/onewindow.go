package window

import "time"

// OneWindow is the exact rule for one key and one known window in which every
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
func OneWindow(limit int64, events []Event) Finding {
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

// worstRefusal keeps the false refusal with the most room left.
type worstRefusal struct {
	room int64 // -1: none yet
	at   int
}

// weigh takes refusal p into account, at which there was this much room.
func (w *worstRefusal) weigh(refused *spans, p int, room int64) {
	if room >= refused.cost[p] && room > w.room {
		w.room, w.at = room, p
	}
}

func (w *worstRefusal) finding(refused *spans, events []Event) Finding {
	if w.room < 0 {
		return Finding{Lawful: true}
	}
	return Finding{
		Excess: w.room,
		IDs:    []int{events[refused.src[w.at]].ID},
		From:   time.Duration(refused.from[w.at]), To: time.Duration(refused.to[w.at]),
	}
}
