package window

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Extreme numbers are judged, not tripped over.
func TestExtremes(t *testing.T) {
	far := time.Duration(math.MaxInt64)
	odd := []Event{
		{ID: 1, From: -far, To: far, Cost: 1, Admitted: true},
		{ID: 2, From: far, To: -far, Cost: 1},
		{ID: 3, From: far, To: far, Cost: math.MaxInt32, Admitted: true},
		{ID: 4, From: -far, To: -far, Cost: -3, Admitted: true},
		{ID: 5, From: 0, To: far, Cost: 0, Admitted: true},
	}
	for _, r := range []Rule{{}, {Limit: math.MaxInt64, Window: far, Early: far}, {Limit: -1, Window: -1, Early: -1}, {Limit: 3, Window: 1}, {Limit: 3, Window: second, Early: 2 * second}} {
		for _, c := range append(Classes(), Class(99)) {
			f, g := r.Admissions(c, odd), r.Refusals(c, odd)
			if lawful := r.Limit > math.MaxInt32 || c == Class(99); f.Lawful != lawful {
				t.Errorf("%v %+v: %+v", c, r, f)
			}
			if !g.Lawful && g.Excess < 1 {
				t.Errorf("%v %+v: %+v", c, r, g)
			}
		}
		r.FalseRefusals([]Spent{{From: -far, To: far, Cost: 1, Cap: 5}, {From: far, To: far, Cost: -1}}, []Refused{{ID: 1, From: -far, To: far, Cost: 1}})
	}
	// Costs beyond all bounds.
	dear := make([]Event, 40)
	for i := range dear {
		at := time.Duration(i) * second
		dear[i] = Event{ID: i, From: at, To: at + 5*second, Cost: math.MaxInt64 - int64(i), Admitted: i%4 > 0}
	}
	for _, limit := range []int64{0, 1, math.MaxInt64} {
		r := Rule{Limit: limit, Window: 7 * second}
		for _, c := range Classes() {
			if f := r.Admissions(c, dear); f.Lawful != (limit > 1) && c != Bucket {
				t.Errorf("%v, limit %d: %+v", c, limit, f)
			}
			r.Refusals(c, dear)
		}
		spent := []Spent{{Cost: math.MaxInt64, Cap: math.MaxInt64}, {From: second, To: 2 * second, Cost: math.MaxInt64}, {From: second, Cap: math.MaxInt64}}
		r.FalseRefusals(spent, []Refused{{From: 9 * second, To: 20 * second}, {From: 15 * second, To: 16 * second, Cost: math.MaxInt64}})
		oneWindow(limit, dear)
	}
	// Ends in the wrong order are turned round; less than nothing is nothing.
	for _, c := range Classes() {
		events := history(burst(0, 10), []Event{{From: 90 * second, To: 30 * second, Cost: 1, Admitted: true}}, burst(60*second, 10), refusal(70*second, 1))
		f, g := tenPerMinute.Admissions(c, events), tenPerMinute.Refusals(c, events)
		events[10].From, events[10].To = events[10].To, events[10].From
		if !cmp.Equal(f, tenPerMinute.Admissions(c, events)) || !cmp.Equal(g, tenPerMinute.Refusals(c, events)) {
			t.Errorf("%v: the order of From and To matters", c)
		}
		if f := (Rule{Limit: -5, Window: second}).Admissions(c, burst(0, 2)); f.Excess != 2 {
			t.Errorf("%v, limit -5: %+v", c, f)
		}
	}
	if got := Class(99).String(); got != "unknown class" {
		t.Error(got)
	}
}
