package checker

import (
	"slices"
	"testing"
)

// TestCountedByHeaders: three requests of 200 tokens between two probes of 40.
// 640 were used between the two readings.
func TestCountedByHeaders(t *testing.T) {
	const used = 640
	run := func(b *book, id string, fell int64) {
		b.scenario("counted", id)
		k := b.key(tokensOnly(4100))
		k.admit("probe-1", 0, costing(40, 70, 30), left(4060))
		for range 3 {
			how := []change{costing(200, 700, 600)}
			if id != "refund/unused-estimate" {
				how = append(how, streamed)
			}
			k.admit("traffic", 700*ms, how...)
		}
		k.admit("probe-2", 1400*ms, costing(40, 70, 30), left(4060-fell))
	}
	streams := map[int64][2]Verdict{ // by what the counter fell; where the class was not, and was, measured
		used: {Pass, Pass}, used + 64: {Pass, Pass}, used - 64: {Pass, Pass}, // a tenth: another tokenizer
		used + 65: {Fail, Fail}, used - 65: {Inconclusive, Fail}, 40: {Inconclusive, Fail}, 0: {Inconclusive, Fail}, -40: {Inconclusive, Fail},
		1840: {Fail, Fail}, // max_tokens
	}
	for id, cases := range map[string]map[int64][2]Verdict{
		"tokens/streams-counted": streams, "tokens/streams-without-usage-counted": streams,
		"refund/unused-estimate": {
			used: {Pass, Pass}, used + 4: {Pass, Pass}, used - 4: {Pass, Pass}, // a token each is drift
			used + 5: {Fail, Fail}, used - 5: {Inconclusive, Fail}, 2000: {Fail, Fail}, 0: {Inconclusive, Fail},
		},
	} {
		for fell, want := range cases {
			b := newBook(t)
			run(b, id, fell)
			b.wants(id, want[0], "", nil)
			b = newBook(t)
			b.measured()
			run(b, id, fell)
			b.wants(id, want[1], "", nil)
			if r := b.verdict(id); want[0] != want[1] && !slices.Equal(r.Needs, asksToStand()) {
				t.Errorf("%s, %d: needs %v", id, fell, r.Needs)
			}
		}
		t.Run(id+" what shows it", func(t *testing.T) {
			b := newBook(t)
			run(b, id, 2000)
			b.wants(id, Fail, "off by 1360 tokens", []int{1, 2, 3, 4, 5})
		})
		t.Run(id+" a stream that was cut", func(t *testing.T) {
			b := newBook(t)
			run(b, id, 2000)
			b.h.Attempts[2].Error = "cut"
			b.wants(id, Inconclusive, "not answered as planned", nil)
		})
		t.Run(id+" no traffic", func(t *testing.T) {
			b := newBook(t).scenario("counted", id)
			b.key(tokensOnly(4100)).admit("probe-1", 0, left(4060))
			b.wants(id, Inconclusive, "no traffic", nil)
		})
		t.Run(id+" a probe was refused", func(t *testing.T) {
			b := newBook(t).scenario("counted", id)
			k := b.key(tokensOnly(4100))
			k.admit("probe-1", 0, left(4060))
			k.admit("traffic", 700*ms)
			k.refuse("probe-2", 1400*ms)
			b.wants(id, Inconclusive, "probe-2 was not admitted", nil)
		})
	}
}

// TestCountedByFilling: without token headers a key of 1210 is filled up with
// requests of 60, of caps of 80, after 600 were used.
func TestCountedByFilling(t *testing.T) {
	for _, id := range []string{"tokens/streams-counted", "tokens/streams-without-usage-counted", "refund/unused-estimate"} {
		for fills, want := range map[int]Verdict{10: Pass, 8: Pass, 7: Fail, 11: Pass, 0: Fail, 20: Inconclusive} {
			b := newBook(t).scenario("counted", id)
			b.key(tokensOnly(4100)).admit("probe-1", 0)
			k := b.key(tokensOnly(1210))
			for range 3 {
				k.admit("traffic", 0, costing(200, 700, 600))
			}
			fillUp(k, "fill", 700*ms, fills)
			b.wants(id, want, "", nil)
		}
		b := newBook(t).scenario("counted", id)
		b.key(tokensOnly(4100)).admit("probe-1", 0)
		b.key(tokensOnly(1210)).admit("traffic", 0)
		b.wants(id, Inconclusive, "could not be filled up", nil)
	}
}
