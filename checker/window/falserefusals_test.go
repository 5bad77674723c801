package window

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// slowUse is the bound of FalseRefusals at one instant, attempt by attempt.
func slowUse(spent []Spent, window, t int64) int64 {
	use, falling := int64(0), int64(0)
	for _, s := range spent {
		from, to := int64(s.From), int64(s.To)
		switch {
		case t < from:
		case t <= to:
			use += max(s.Cap, s.Cost)
		case t <= to+window:
			use += s.Cost
		case t < to+2*window:
			falling += s.Cost * (to + 2*window - t)
		}
	}
	return use + (falling+window-1)/window
}

func TestFalseRefusalsAgreesWithItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rule{Limit: rapid.Int64Range(0, 12).Draw(t, "limit"), Window: time.Duration(rapid.IntRange(1, 9).Draw(t, "window"))}
		span := func() (from, to time.Duration) {
			from = time.Duration(rapid.IntRange(-20, 20).Draw(t, "from"))
			return from, from + time.Duration(rapid.IntRange(0, 6).Draw(t, "wide"))
		}
		spent := make([]Spent, rapid.IntRange(0, 8).Draw(t, "spent"))
		for i := range spent {
			spent[i].From, spent[i].To = span()
			spent[i].Cost = rapid.Int64Range(0, 5).Draw(t, "cost")
			spent[i].Cap = rapid.Int64Range(0, 7).Draw(t, "cap")
		}
		refused := make([]Refused, rapid.IntRange(1, 4).Draw(t, "refused"))
		want := map[int]int64{}
		for i := range refused {
			f := &refused[i]
			f.ID = i
			f.From, f.To = span()
			f.Cost = rapid.Int64Range(0, 5).Draw(t, "least")
			use := int64(0)
			for at := f.From; at <= f.To; at++ {
				use = max(use, slowUse(spent, int64(r.Window), int64(at)))
			}
			if use+f.Cost <= r.Limit {
				want[i] = r.Limit - use
			}
		}
		got := r.FalseRefusals(spent, refused)
		if len(got) != len(want) {
			t.Fatalf("got %+v, want room %v\nrule %+v\n%+v\n%+v", got, want, r, spent, refused)
		}
		for _, f := range got {
			id := f.IDs[0]
			if room, ok := want[id]; !ok || f.Excess != room || f.Lawful || f.From != refused[id].From || f.To != refused[id].To {
				t.Fatalf("got %+v, want room %v", f, want)
			}
		}
		if !slices.IsSortedFunc(got, func(a, b Finding) int { return int(a.From - b.From) }) {
			t.Fatalf("not in order of time: %+v", got)
		}
	})
}

func TestFalseRefusals(t *testing.T) {
	// 600 tokens, sent at 0 with a cap of 900, ended at 10 s; 1,000 per minute.
	spent := []Spent{{From: 0, To: 10 * second, Cost: 600, Cap: 900}}
	r := Rule{Limit: 1000, Window: 60 * second}
	for _, test := range []struct {
		name string
		at   time.Duration
		cost int64
		room int64 // -1: not false
	}{
		{"before it was sent", -second, 1000, 1000},
		{"before it was sent, too dear", -second, 1001, -1},
		{"in flight, beside its cap", 5 * second, 100, 100},
		{"in flight, more than beside its cap", 5 * second, 101, -1},
		{"settled", 11 * second, 400, 400},
		{"settled, too dear", 11 * second, 401, -1},
		{"whole until a window after its end", 70 * second, 401, -1},
		{"half gone", 100 * second, 700, 700},
		{"half gone, too dear", 100 * second, 701, -1},
		{"not quite gone", 130*second - 1, 1000, -1},
		{"gone", 130 * second, 1000, 1000},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := r.FalseRefusals(spent, []Refused{{ID: 7, From: test.at, To: test.at, Cost: test.cost}})
			if test.room < 0 && len(got) > 0 {
				t.Fatalf("accused: %+v", got)
			}
			if test.room >= 0 && (len(got) != 1 || got[0].Excess != test.room || !slices.Equal(got[0].IDs, []int{7})) {
				t.Fatalf("got %+v, want room %d", got, test.room)
			}
		})
	}
	if got := r.FalseRefusals(nil, []Refused{{ID: 1, Cost: 1000}, {ID: 2, Cost: 1001}}); len(got) != 1 || got[0].IDs[0] != 1 {
		t.Errorf("nothing spent: %+v", got)
	}
	// A span that reaches back to when it was in flight.
	if got := r.FalseRefusals(spent, []Refused{{From: 9 * second, To: 20 * second, Cost: 200}}); len(got) != 0 {
		t.Errorf("accused: %+v", got)
	}
}
