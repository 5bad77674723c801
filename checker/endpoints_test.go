package checker

import (
	"slices"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// on makes the scenario planned last ask an endpoint.
func (b *book) on(endpoint string) *book {
	b.h.Run.Planned[len(b.h.Run.Planned)-1].Endpoint = endpoint
	return b
}

// asking is for what is sent to an endpoint beside chat.
func asking(ids ...string) change {
	return func(l *line) { l.Asks, l.Endpoint = ids, history.Messages }
}

func TestResultsNameTheirEndpoint(t *testing.T) {
	b := newBook(t)
	for scenario, endpoint := range map[string]string{"a": "", "b": history.Chat, "c": history.Messages} {
		b.scenario(scenario, "headers/on-answers", "no/such").on(endpoint).key(perWindow(5)).admit("plain", 0, left(3))
	}
	want := map[string]string{"a": "", "b": "", "c": history.Messages}
	results := Judge(&b.h).Results
	if len(results) != 6 {
		t.Fatalf("%d results", len(results))
	}
	for _, r := range results {
		if r.Endpoint != want[r.Scenario] {
			t.Errorf("%s in %s: endpoint %q", r.Requirement, r.Scenario, r.Endpoint)
		}
	}
}

const (
	driftID   = "drift/remaining-matches-usage"
	streamsID = "tokens/streams-counted"
)

// oneKey is the scenario of an endpoint: 160 tokens by plain requests from the
// first reading to the second, and 340 with two streams from there to the third.
func oneKey(b *book, readings ...int64) *sheet {
	b.scenario("endpoint-messages", driftID, streamsID).on(history.Messages)
	k := b.key(both(24, 720))
	told := func(i int, ids ...string) []change {
		c := []change{asking(ids...), costing(40, 100, 20)}
		if len(readings) > 0 {
			c = append(c, left(readings[i]))
		}
		return c
	}
	k.admit("probe-1", 0, told(0, driftID)...)
	for i := range 3 {
		k.admit("traffic", time.Duration(10+i)*ms, asking(driftID), costing(40, 100, 20))
	}
	k.admit("probe-2", 700*ms, told(1, driftID, streamsID)...)
	for i := range 2 {
		k.admit("traffic-streams", time.Duration(710+10*i)*ms, asking(streamsID), costing(150, 240, 120), streamed)
	}
	k.admit("probe-3", 1400*ms, told(2, streamsID)...)
	return k
}

// fill enters n admissions and a refusal, as fast as on a window of 5 s: what
// five of them used may be charged late.
func fill(k *sheet, n int) {
	for i := range n {
		k.admit("fill", 2000*ms+time.Duration(i)*100*ms, asking(driftID, streamsID), costing(40, 100, 20), func(l *line) {
			l.Done = l.Sent + 2*ms
		})
	}
	k.refuse("fill", 2000*ms+time.Duration(n)*100*ms, asking(driftID, streamsID), costing(0, 100, 20))
}

func TestCountedOnOneKeyByHeaders(t *testing.T) {
	for name, test := range map[string]struct {
		readings       []int64
		drift, streams Verdict // where the class was measured
	}{
		"to the token":                      {[]int64{680, 520, 180}, Pass, Pass},
		"one token more for each":           {[]int64{679, 515, 172}, Fail, Pass},
		"streams free":                      {[]int64{680, 520, 480}, Pass, Fail},
		"streams charged twice":             {[]int64{680, 520, -120}, Pass, Fail},
		"plain requests free":               {[]int64{720, 720, 420}, Fail, Pass},
		"plain requests charged twice":      {[]int64{680, 360, -20}, Fail, Pass},
		"nothing counted":                   {[]int64{720, 720, 720}, Fail, Fail},
		"one token for each plain request":  {[]int64{719, 715, 414}, Fail, Pass},
		"streams by another tokenizer":      {[]int64{680, 520, 200}, Pass, Pass},
		"half of what streams used":         {[]int64{680, 520, 330}, Pass, Fail},
		"the input of streams alone is not": {[]int64{680, 520, 240}, Pass, Pass},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			b.measured()
			oneKey(b, test.readings...)
			b.wants(driftID, test.drift, "", nil)
			b.wants(streamsID, test.streams, "", nil)
		})
	}
	t.Run("what shows it", func(t *testing.T) {
		b := newBook(t)
		oneKey(b, 680, 510, 180)
		b.wants(driftID, Fail, "off by 10 tokens", []int{1, 2, 3, 4, 5})
	})
}

func TestCountedOnOneKeyByFilling(t *testing.T) {
	// 540 of 720 are used when the filling begins.
	for name, test := range map[string]struct {
		fills          int
		drift, streams Verdict
		unknown        Verdict // of the drift, where the class was not measured
	}{
		"full at the limit":       {4, Pass, Pass, Pass},
		"one more, charged late":  {5, Pass, Pass, Pass},
		"a cap less":              {2, Pass, Pass, Pass},
		"reserved a little late":  {1, Pass, Pass, Pass},
		"full too early":          {0, Fail, Inconclusive, Fail},
		"late, or streams free":   {12, Pass, Inconclusive, Pass},
		"streams and more free":   {14, Fail, Inconclusive, Inconclusive},
		"full at the other limit": {16, Fail, Inconclusive, Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			fill(oneKey(b), test.fills)
			b.wants(driftID, test.unknown, "", nil)
			b = newBook(t)
			b.measured()
			fill(oneKey(b), test.fills)
			b.wants(driftID, test.drift, "", nil)
			b.wants(streamsID, test.streams, "", nil)
			if r := b.verdict(driftID); test.unknown != test.drift && !slices.Equal(r.Needs, []string{"requests/limit-kept", "tokens/limit-kept"}) {
				t.Errorf("needs %v", r.Needs)
			}
		})
	}
	t.Run("never full", func(t *testing.T) {
		b := newBook(t)
		k := oneKey(b)
		k.admit("fill", 2*sec, costing(40, 100, 20), asking(driftID, streamsID))
		b.wants(driftID, Inconclusive, "could not be filled up", nil)
	})
	t.Run("what shows it", func(t *testing.T) {
		b := newBook(t)
		fill(oneKey(b), 0)
		b.wants(driftID, Fail, "full at 540 of 720", []int{2, 3, 4, 9})
	})
}

func TestRemainingIsJudgedWhereItWasAsked(t *testing.T) {
	const id = "headers/remaining-true"
	run := func(asks ...string) *book {
		b := newBook(t)
		b.measured()
		b.scenario("endpoint-messages", id).on(history.Messages)
		k := b.key(both(24, 720))
		k.admit("plain", 0, asking(id), tells("requests", 24, 23))
		k.admit("plain", 10*ms, asking(id), tells("requests", 24, 22))
		k.admit("fill", 20*ms, asking(asks...), tells("requests", 24, 23))
		return b
	}
	run(id).wants(id, Fail, "rose", nil)
	run(driftID).wants(id, Pass, "2 numbers", nil)
}

func TestRefusalBodies(t *testing.T) {
	const id = "refusal/body"
	for body, want := range map[string]Verdict{
		`{"error":{"message":"slow down","type":"throttling_error","param":null,"code":"429"}}`: Pass,
		`{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}`:            Pass,
		`{"type":"error","error":{"type":"rate_limit_error"}}`:                                  Warn,
		`{"type":"error","error":"rate_limit_error"}`:                                           Warn,
		`{"detail":"slow down"}`: Warn,
		`slow down`:              Fail,
	} {
		b := newBook(t).scenario("endpoint-messages", id).on(history.Messages)
		b.key(perWindow(1)).refuse("refused", 0, func(l *line) { l.Excerpt = body })
		b.wants(id, want, "", nil)
	}
	b := newBook(t).scenario("endpoint-messages", id).on(history.Messages)
	b.key(perWindow(1)).admit("refused", 0)
	b.wants(id, Inconclusive, "nothing was refused", nil)
}
