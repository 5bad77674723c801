package window

import "time"

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
