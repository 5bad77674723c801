package window

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"
)

// counterModel is one window as porcupine sees it: what was admitted fitted,
// what was refused did not.
func counterModel(limit int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return int64(0) },
		Step: func(state, input, output any) (bool, any) {
			used, cost := state.(int64), input.(int64)
			if output.(bool) {
				return used+cost <= limit, used + cost
			}
			return used+cost > limit, used
		},
	}
}

// oneWindow and porcupine agree, both ways, on up to 17 attempts of up to 6
// clients that each send one after the other.
func TestOneWindowAgreesWithPorcupine(t *testing.T) {
	lawful, unlawful := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(0, 12).Draw(t, "limit")
		dear := rapid.SampledFrom([]int64{1, 3}).Draw(t, "dear")
		clients := rapid.IntRange(1, 6).Draw(t, "clients")
		free := make([]int64, clients)
		used := int64(0)
		var events []Event
		var ops []porcupine.Operation
		for i := range rapid.IntRange(1, 17).Draw(t, "n") {
			client := rapid.IntRange(0, clients-1).Draw(t, "client")
			from := free[client] + rapid.Int64Range(1, 4).Draw(t, "pause")
			to := from + rapid.Int64Range(0, 8).Draw(t, "takes")
			free[client] = to
			cost := rapid.Int64Range(min(1, dear-1), dear).Draw(t, "cost")
			// Mostly what a counter would do, or few histories were lawful.
			admitted := used+cost <= limit
			if rapid.IntRange(0, 15).Draw(t, "flip") == 0 {
				admitted = !admitted
			}
			if admitted {
				used += cost
			}
			events = append(events, Event{ID: i, From: time.Duration(from), To: time.Duration(to), Cost: cost, Admitted: admitted})
			ops = append(ops, porcupine.Operation{ClientId: client, Input: cost, Output: admitted, Call: from, Return: to})
		}
		want := porcupine.CheckOperations(counterModel(limit), ops)
		if f := oneWindow(limit, events); f.Lawful != want {
			t.Fatalf("porcupine says %v, oneWindow %+v\nlimit %d\n%+v", want, f, limit, events)
		}
		if want {
			lawful++
		} else {
			unlawful++
		}
	})
	if lawful == 0 || unlawful == 0 {
		t.Errorf("%d lawful and %d unlawful histories: one kind was not tried", lawful, unlawful)
	}
}
