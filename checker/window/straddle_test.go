package window

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// span is n admitted requests of cost 1, each decided somewhere in [from, to].
func span(from, to time.Duration, n int) []Event {
	events := burst(from, n)
	for i := range events {
		events[i].To = to
	}
	return events
}

// What straddles edges belongs to one window or another: it finds room in some
// placement, or it does not.
func TestStraddlers(t *testing.T) {
	const minute = 60 * second
	full := history(burst(0, 10), burst(minute, 10))
	steady := every(6*second, 60, 1)
	fixed, none := []Class{FixedFirstUse, FixedClock}, []Class{}
	for _, test := range []struct {
		name            string
		limit           int64
		events          []Event
		lawful, accused []Class
	}{
		{"two full windows", 10, full, Classes()[:3], none},
		{"one more across their edge", 10, history(full, span(59*second, 61*second, 1)), none, []Class{FixedFirstUse, SlidingLog, Bucket}},
		{"room for one in the former", 10, history(burst(0, 9), span(59*second, 61*second, 1), burst(minute, 10)), fixed, none},
		{"room for one in the latter", 10, history(burst(0, 10), span(59*second, 61*second, 1), burst(minute, 9)), fixed, none},
		{"a steady stream", 10, history(steady), Classes(), none},
		{"one more in a steady stream", 10, history(steady, span(100*second, 101*second, 1)), none, Classes()[:3]},
		{"one more anywhere in a steady stream", 10, history(steady, span(minute, 299*second, 1)), none, Classes()[:3]},
		{"one more that may lie after it", 10, history(steady, span(100*second, 420*second, 1)), Classes(), none},
		{"three full windows and one anywhere in them", 10, history(full, burst(2*minute, 10), span(0, 3*minute-1, 1)), none, []Class{FixedFirstUse, SlidingLog}},
		{"three full windows and one that may lie after them", 10, history(full, burst(2*minute, 10), span(0, 3*minute, 1)), Classes()[:3], none},
		{"one over in a late burst of spans", 10, history(burst(0, 3), span(499*second, 501*second, 11), burst(560200*time.Millisecond, 1)), none, Classes()[:1]},
		{"two just a window apart", 1, history(span(0, minute, 2)), Classes(), none},
		{"two not quite a window apart", 1, history(span(0, minute-1, 2)), []Class{FixedClock}, []Class{FixedFirstUse, SlidingLog}},
		{"three not quite two windows apart", 1, history(span(0, 2*minute-1, 3)), []Class{FixedClock}, []Class{FixedFirstUse, SlidingLog}},
		{"many that may lie in long idle runs", 1, history(span(0, 20*minute-1, 20)), Classes(), none},
		{"more than the idle runs hold", 1, history(span(0, 20*minute-1, 22)), none, []Class{FixedFirstUse, FixedClock, SlidingLog, Bucket}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := Rule{Limit: test.limit, Window: minute}
			for _, c := range test.lawful {
				if f := r.Admissions(c, test.events); !f.Lawful {
					t.Errorf("%v accused: %+v", c, f)
				}
			}
			for _, c := range test.accused {
				if f := r.Admissions(c, test.events); f.Lawful || f.Excess < 1 || len(f.IDs) == 0 {
					t.Errorf("%v not accused: %+v", c, f)
				}
			}
		})
	}
}

// Attempts that may lie anywhere in the history hide nothing: what lies wholly
// within a window counts for itself.
func TestSpannersHideNothing(t *testing.T) {
	for _, c := range Classes() {
		never := time.Duration(1 << 62)
		events := history(span(0, never, 7), burst(400*second, 4), burst(460*second-1, 7), span(second, never, 5))
		want := int64(1)
		switch c {
		case FixedFirstUse, FixedClock, SlidingCounter: // may have an edge in between
			events = history(span(0, never, 7), burst(400*second, 11), span(second, never, 5))
		case Bucket:
			events = history(span(0, never, 7), burst(400*second, 4), burst(412*second, 9), span(second, never, 5))
		}
		if f := tenPerMinute.Admissions(c, events); f.Lawful || f.Excess != want || len(f.IDs) < 11 {
			t.Errorf("%v: %+v", c, f)
		}
	}
}

// A bucket is accused by as much as the worst span admitted too much, and only
// then. A log is, if some windows in a row wholly hold too much.
func TestWholeSpansAreSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rule{Limit: rapid.Int64Range(1, 5).Draw(t, "limit"), Window: time.Duration(rapid.IntRange(2, 9).Draw(t, "window"))}
		events := drawEvents(t, 12, 30, rapid.SampledFrom([]int64{1, 5, 20}).Draw(t, "wide"), min(2, r.Limit))
		limit, window := r.Limit, int64(r.Window)
		worst, tooMany := int64(0), false // times the window
		for _, a := range events {
			for _, b := range events {
				x, y, held := a.From, b.To, int64(0)
				for _, e := range events {
					if e.Admitted && e.From >= x && e.To <= y {
						held += e.Cost
					}
				}
				if held == 0 || y < x {
					continue
				}
				worst = max(worst, (held-limit)*window-int64(y-x)*limit)
				windows := int64(y-x)/window + 1
				tooMany = tooMany || held > windows*limit
			}
		}
		excess := (worst + window - 1) / window
		if f := r.Admissions(Bucket, events); f.Excess != excess || f.Lawful != (excess == 0) {
			t.Fatalf("want excess %d, got %+v\nrule %+v\n%+v", excess, f, r, events)
		}
		if f := r.Admissions(SlidingLog, events); f.Lawful && tooMany && agreeable(events) {
			t.Fatalf("not accused: %+v\nrule %+v\n%+v", f, r, events)
		}
	})
}

// agreeable says whether spans that begin later end later.
func agreeable(events []Event) bool {
	for _, a := range events {
		for _, b := range events {
			if a.Admitted && b.Admitted && a.From < b.From && a.To > b.To {
				return false
			}
		}
	}
	return true
}
