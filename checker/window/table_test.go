package window

import (
	"slices"
	"testing"
	"time"
)

const second = time.Second

// burst is n admitted requests of cost 1, decided at one instant.
func burst(at time.Duration, n int) []Event {
	events := make([]Event, n)
	for i := range events {
		events[i] = Event{From: at, To: at, Cost: 1, Admitted: true}
	}
	return events
}

// history joins parts and numbers the attempts.
func history(parts ...[]Event) []Event {
	events := slices.Concat(parts...)
	for i := range events {
		events[i].ID = i
	}
	return events
}

func refusal(at time.Duration, cost int64) []Event {
	return []Event{{From: at, To: at, Cost: cost}}
}

// every repeats a burst of n, count times.
func every(step time.Duration, count, n int) []Event {
	var events []Event
	for i := range count {
		events = append(events, burst(time.Duration(i)*step, n)...)
	}
	return events
}

var tenPerMinute = Rule{Limit: 10, Window: 60 * second}

func TestKept(t *testing.T) {
	wholeSeconds := Rule{Limit: 10, Window: 5 * second, Early: second}
	unaware := Rule{Limit: 10, Window: 5 * second}
	short := history(every(4100*time.Millisecond, 12, 10))
	for _, test := range []struct {
		name   string
		rule   Rule
		events []Event
		excess int64 // 0: kept
		ids    []int // nil: not looked at
	}{
		{name: "nothing at all", rule: tenPerMinute},
		{name: "exactly the limit", rule: tenPerMinute, events: history(burst(second, 10))},
		{name: "one over, from idle", rule: tenPerMinute, events: history(burst(second, 11)), excess: 1, ids: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{name: "five over, from idle", rule: tenPerMinute, events: history(burst(second, 15)), excess: 5, ids: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{name: "one over in the third window", rule: tenPerMinute, events: history(every(61*second, 2, 10), burst(200*second, 11)), excess: 1, ids: []int{20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30}},
		{name: "a burst each window", rule: tenPerMinute, events: history(every(60*second, 5, 10))},
		{name: "a burst each half window", rule: tenPerMinute, events: history(every(30*second, 8, 10)), excess: 10},
		{name: "a burst each 0.9 windows", rule: tenPerMinute, events: history(every(54*second, 12, 10)), excess: 10},
		{name: "twice the limit across an edge", rule: tenPerMinute, events: history(burst(0, 1), burst(59*second, 9), burst(61*second, 10))},
		{name: "much over for one class, little over for all", rule: tenPerMinute, events: history(burst(0, 10), burst(59*second, 10), burst(300*second, 11)), excess: 1},
		{name: "limit 0, nothing admitted", rule: Rule{Window: second}, events: history(refusal(0, 1))},
		{name: "limit 0, one admitted", rule: Rule{Window: second}, events: history(burst(0, 1)), excess: 1, ids: []int{0}},
		{name: "one dear attempt", rule: tenPerMinute, events: history([]Event{{Cost: 12, To: second, Admitted: true}}), excess: 2, ids: []int{0}},
		{name: "a dear attempt that may lie anywhere", rule: tenPerMinute, events: history([]Event{{Cost: 12, To: 1 << 62, Admitted: true}}), excess: 2, ids: []int{0}},
		{name: "windows of 4.1 s, which may turn a second early", rule: wholeSeconds, events: short},
		{name: "windows of 4.1 s, which may not", rule: unaware, events: short, excess: 10},
		{name: "windows of 3.9 s", rule: wholeSeconds, events: history(every(3900*time.Millisecond, 9, 10)), excess: 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := test.rule.Kept(test.events)
			if f.Lawful != (test.excess == 0) {
				t.Fatalf("got %+v", f)
			}
			// A bucket may be the nearest, and refills meanwhile.
			if !f.Lawful && (f.Excess <= 0 || f.Excess > test.excess) {
				t.Errorf("excess %d, want at most %d", f.Excess, test.excess)
			}
			for _, c := range Classes() {
				if g := test.rule.Admissions(c, test.events); !f.Lawful && g.Excess < f.Excess {
					t.Errorf("%v is nearer: %d, not %d", c, g.Excess, f.Excess)
				}
			}
			if test.ids != nil && !slices.Equal(f.IDs, test.ids) {
				t.Errorf("named %v, want %v", f.IDs, test.ids)
			}
		})
	}
}

// A limiter that cuts its instants to whole seconds: its windows of 5 s last from
// 4 to 5 s. Lawful if that is expected, accused if not.
func TestWindowsOnWholeSeconds(t *testing.T) {
	var events []Event
	for at, over := time.Duration(0), time.Duration(0); at < 60*second; at += 300 * time.Millisecond {
		if at >= over {
			events = append(events, burst(at, 10)...)
			over = at.Truncate(second) + 5*second
			continue
		}
		events = append(events, refusal(at, 1)...)
	}
	events = history(events)
	r := Rule{Limit: 10, Window: 5 * second, Early: second}
	if f, g := r.Admissions(FixedFirstUse, events), r.Refusals(FixedFirstUse, events); !f.Lawful || !g.Lawful {
		t.Errorf("accused: %+v, %+v", f, g)
	}
	r.Early = 0
	if f := r.Admissions(FixedFirstUse, events); f.Lawful || f.Excess != 10 {
		t.Errorf("not accused: %+v", f)
	}
}

// What each class makes of histories that tell them apart.
func TestClassesApart(t *testing.T) {
	edge := history(burst(0, 1), burst(59*second, 9), burst(61*second, 10))
	after := func(at time.Duration) []Event { return history(burst(0, 10), burst(at, 10)) }
	for _, test := range []struct {
		name   string
		events []Event
		want   map[Class]int64 // excess, of those that accuse
	}{
		{"twice the limit across an edge", edge, map[Class]int64{SlidingLog: 9, SlidingCounter: 8, Bucket: 9}},
		{"a second burst after a window", after(60 * second), map[Class]int64{}},
		{"a second burst just before", after(60*second - 1), map[Class]int64{FixedFirstUse: 10, SlidingLog: 10}},
		{"one over", history(burst(0, 11)), map[Class]int64{FixedFirstUse: 1, FixedClock: 1, SlidingLog: 1, SlidingCounter: 1, Bucket: 1}},
		{"a bucket that refilled by half", history(burst(0, 10), burst(30*second, 5), burst(60*second, 5), burst(90*second, 5), burst(120*second, 5), burst(150*second, 5)), map[Class]int64{FixedFirstUse: 5, SlidingLog: 5}},
		{"a bucket that refilled too much", history(burst(0, 10), burst(30*second, 6)), map[Class]int64{FixedFirstUse: 6, SlidingLog: 6, SlidingCounter: 1, Bucket: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, c := range Classes() {
				f := tenPerMinute.Admissions(c, test.events)
				if want, accused := test.want[c]; f.Lawful == accused || f.Excess != want || f.Class != c {
					t.Errorf("%v: got %+v, want excess %d", c, f, want)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		events []Event
		room   map[Class]int64 // of the classes that accuse
	}{
		{"the eleventh", history(burst(0, 10), refusal(second, 1)), nil},
		{"the tenth", history(burst(0, 9), refusal(0, 1)), map[Class]int64{FixedFirstUse: 1, FixedClock: 1, SlidingLog: 1, SlidingCounter: 1, Bucket: 1}},
		{"nothing else admitted", history(refusal(second, 10)), map[Class]int64{FixedFirstUse: 10, FixedClock: 10, SlidingLog: 10, SlidingCounter: 10, Bucket: 10}},
		{"nothing else admitted, but too dear", history(refusal(second, 11)), nil},
		{"long idle", history(burst(0, 10), refusal(300*second, 10)), map[Class]int64{FixedFirstUse: 10, FixedClock: 10, SlidingLog: 10, SlidingCounter: 10, Bucket: 10}},
		{"just after the window", history(burst(0, 10), refusal(60*second, 1)), map[Class]int64{FixedFirstUse: 10, FixedClock: 10, SlidingLog: 10, Bucket: 9}},
		{"the last instant of the window", history(burst(0, 10), refusal(60*second-1, 1)), map[Class]int64{Bucket: 9}},
		{"half refilled", history(burst(0, 10), refusal(30*second, 5)), nil},
		{"half refilled, and cheap", history(burst(0, 10), refusal(30*second, 4)), map[Class]int64{Bucket: 4}},
		{"a log remembers, a window does not", history(burst(0, 1), burst(59*second, 9), refusal(61*second, 2)), map[Class]int64{FixedFirstUse: 10}},
		{"two refusals no phase explains", history(burst(0, 10), refusal(59*second, 1), burst(100*second, 10), refusal(190*second, 1)), map[Class]int64{FixedFirstUse: 10, FixedClock: 10, SlidingLog: 10, SlidingCounter: 4, Bucket: 10}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, c := range Classes() {
				f := tenPerMinute.Refusals(c, test.events)
				want, accused := test.room[c]
				if f.Lawful == accused || f.Excess != want || f.Class != c {
					t.Errorf("%v: got %+v, want room %d", c, f, want)
				}
				if accused && (len(f.IDs) != 1 || test.events[f.IDs[0]].Admitted) {
					t.Errorf("%v: names %v", c, f.IDs)
				}
			}
		})
	}
}

// A refusal is not excused by a window that cannot have been: had one opened
// there, the admissions would be unlawful.
func TestRefusalsHeedOnlyLawfulWindows(t *testing.T) {
	at := func(cost int64, instants ...time.Duration) []Event {
		var events []Event
		for _, i := range instants {
			events = append(events, Event{From: i, To: i, Cost: cost, Admitted: true})
		}
		return events
	}
	for _, test := range []struct {
		name   string
		rule   Rule
		events []Event
		id     int
		room   int64
	}{
		// [2, 8) was not over at 7, or one from 7 to 12 would hold three.
		{"a window that may turn early", Rule{Limit: 2, Window: 6, Early: 1}, history(at(1, 2, 7, 9, 10), refusal(9, 1)), 4, 1},
		// 3 opened a window, though it costs nothing: one from 4 to 7 would hold three.
		{"a window that may open at no cost", Rule{Limit: 2, Window: 3}, history(at(0, 0, 3), at(1, 4), at(2, 6), refusal(6, 0)), 4, 0},
	} {
		f := test.rule.Refusals(FixedFirstUse, test.events)
		if f.Lawful || f.Excess != test.room || !slices.Equal(f.IDs, []int{test.id}) {
			t.Errorf("%s: %+v", test.name, f)
		}
	}
}

func TestExplained(t *testing.T) {
	if got := tenPerMinute.Explained(nil); len(got) != len(Classes()) {
		t.Errorf("an empty history: %v", got)
	}
	events := history(burst(0, 10), refusal(30*second, 1), burst(60*second, 10), refusal(119*second, 1))
	if got, want := tenPerMinute.Explained(events), []Class{FixedFirstUse, FixedClock, SlidingLog}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := tenPerMinute.Explained(history(burst(0, 9), refusal(0, 1))); got != nil {
		t.Errorf("a false refusal: %v", got)
	}
}

// A bucket on a clock of whole milliseconds is a little early, and is accused
// only by a rule that allows for nothing.
func TestBucketOnACoarseClock(t *testing.T) {
	const ms = time.Millisecond
	of := func(second time.Duration) []Event {
		var events []Event
		for i := range 30 {
			e := Event{ID: i, Cost: 1, Admitted: true}
			if i >= 20 {
				e.From, e.To = second, second
			}
			events = append(events, e)
		}
		return events
	}
	for _, c := range []struct {
		grain, refilled time.Duration
		lawful          bool
	}{
		{0, 2500 * ms, true}, {0, 2499 * ms, false},
		{5 * ms, 2499 * ms, true}, {5 * ms, 2496 * ms, true}, {5 * ms, 2490 * ms, false},
	} {
		r := Rule{Limit: 20, Window: 5 * time.Second, Grain: c.grain}
		if f := r.Admissions(Bucket, of(c.refilled)); f.Lawful != c.lawful {
			t.Errorf("grain %s, ten of 20 back after %s: %+v, want lawful %v", c.grain, c.refilled, f, c.lawful)
		}
	}
}

// What is charged late may be admitted at once beyond the limit, and no class
// gives it back as if it were limit.
func TestLateCharges(t *testing.T) {
	r := Rule{Limit: 10, Late: 5, Window: time.Minute}
	for name, c := range map[string]struct {
		events   []Event
		unlawful map[Class]int64
	}{
		"all of it at once": {history(burst(0, 15)), nil},
		"one more":          {history(burst(0, 16)), map[Class]int64{FixedFirstUse: 1, FixedClock: 1, SlidingLog: 1, SlidingCounter: 1, Bucket: 1}},
		"half refilled": {
			history(burst(0, 15), burst(30*second, 5)),
			map[Class]int64{FixedFirstUse: 5, SlidingLog: 5},
		},
		"and one more": {
			history(burst(0, 15), burst(30*second, 6)),
			map[Class]int64{FixedFirstUse: 6, SlidingLog: 6, Bucket: 1},
		},
		"a refusal": {history(burst(0, 10), refusal(0, 1)), nil},
		"a refusal of what was left": {
			history(burst(0, 9), refusal(0, 1)),
			map[Class]int64{FixedFirstUse: 1, FixedClock: 1, SlidingLog: 1, SlidingCounter: 1, Bucket: 1},
		},
	} {
		for _, class := range Classes() {
			excess, lawful := int64(0), true
			for _, f := range []Finding{r.Admissions(class, c.events), r.Refusals(class, c.events)} {
				excess, lawful = max(excess, f.Excess), lawful && f.Lawful
			}
			if excess != c.unlawful[class] || lawful != (excess == 0) {
				t.Errorf("%s, %v: %d too many, want %d", name, class, excess, c.unlawful[class])
			}
			if explained := slices.Contains(r.Explained(c.events), class); explained != lawful {
				t.Errorf("%s, %v: explained %t, want %t", name, class, explained, lawful)
			}
		}
	}
}
