package checker

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ratecheck/ratecheck/history"
)

// leaves makes a stream of 60 and 120 tokens in 12 chunks whose client left
// after eight, of a cap of 300: a chunk each 100 ms.
func leaves(l *line) {
	l.Stream, l.Error, l.Events, l.Cap = true, history.Left, 8, 300
	l.FirstByte, l.Done = l.Sent+10*ms, l.Sent+710*ms
	for i := range l.calls {
		c := &l.calls[i]
		c.FirstByte, c.Done, c.Gone = l.Sent+10*ms, l.Sent+710*ms, true
		c.Produced, c.Usage = 80, history.Usage{Prompt: 60, Completion: 120, Total: 180}
	}
}

// runsOn has the proxy read a stream to its end when its client has left.
func runsOn(l *line) {
	for i := range l.calls {
		l.calls[i].Produced, l.calls[i].Gone, l.calls[i].Done = 120, false, l.Sent+1110*ms
	}
}

func TestDisconnectByHeaders(t *testing.T) {
	const id = "refund/disconnect"
	run := func(b *book, charged int64, changes ...change) *sheet {
		k := b.scenario("refund-disconnect", id).key(tokensOnly(4400))
		k.admit("probe-1", 0, costing(40, 70, 30), left(4360))
		for range 3 {
			k.admit("leave", 100*ms, append([]change{leaves}, changes...)...)
		}
		k.admit("probe-2", 2*sec, costing(40, 70, 30), left(4360-40-charged))
		return k
	}
	// Each is to pay 60 and at least 80 less a chunk of 15, and at most 300 and a
	// chunk; with a tenth off and on: 375-38 and 945+95.
	for charged, want := range map[int64][2]Verdict{ // where the class was not, and was, measured
		337: {Pass, Pass}, 336: {Inconclusive, Fail}, 0: {Inconclusive, Fail}, -40: {Inconclusive, Fail},
		420: {Pass, Pass}, 540: {Pass, Pass}, 1040: {Pass, Pass}, 1041: {Fail, Fail}, 3000: {Fail, Fail},
	} {
		b := newBook(t)
		run(b, charged)
		b.wants(id, want[0], "", nil)
		b = newBook(t)
		b.measured()
		run(b, charged)
		b.wants(id, want[1], "", nil)
		b = newBook(t)
		b.measured()
		b.tokenBucket()
		run(b, charged)
		b.wants(id, want[0], "", nil)
	}
	t.Run("what shows it", func(t *testing.T) {
		b := newBook(t)
		run(b, 3000)
		b.wants(id, Fail, "3 clients that left are charged 3000 tokens", []int{1, 2, 3, 4, 5})
	})
	// Who charges what the client was sent is right, though the proxy read on,
	// and though it passed the stream on half a second late.
	t.Run("the proxy reads on", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		run(b, 3*(60+80), runsOn)
		b.wants(id, Pass, "charged 420 tokens", nil)
	})
	t.Run("passed on late", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		run(b, 3*(60+40), func(l *line) { l.FirstByte, l.Events = l.Sent+410*ms, 4 })
		b.wants(id, Pass, "charged 300 tokens", nil)
	})
	t.Run("nothing is known of when it was read", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		run(b, 3*54, func(l *line) { l.FirstByte = 0 })
		b.wants(id, Pass, "", nil)
		b = newBook(t)
		b.measured()
		run(b, 3*54-1, func(l *line) { l.FirstByte = 0 })
		b.wants(id, Fail, "", nil)
	})
	t.Run("read before the calls had ended", func(t *testing.T) {
		for ends, want := range map[time.Duration]Verdict{1500 * ms: Fail, 1500*ms + 1: Inconclusive} {
			b := newBook(t)
			b.measured()
			run(b, 0, func(l *line) { l.calls[0].Done = ends })
			b.wants(id, want, "", nil)
		}
	})
	for name, change := range map[string]change{
		"not left":       func(l *line) { l.Error = "" },
		"no event":       func(l *line) { l.Events = 0 },
		"tried again":    func(l *line) { l.calls = append(l.calls, l.calls[0]) },
		"never got here": func(l *line) { l.calls = nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			run(b, 3000, change)
			b.wants(id, Inconclusive, "did not leave in the middle", nil)
		})
	}
	t.Run("nobody left", func(t *testing.T) {
		b := newBook(t).scenario("refund-disconnect", id)
		b.key(history.Limits{}).admit("probe-1", 0)
		b.wants(id, Inconclusive, "no client left", nil)
	})
	t.Run("of another limit", func(t *testing.T) {
		b := newBook(t)
		run(b, 3000)
		b.h.Attempts[4].Header["x-ratelimit-limit-tokens"] = "9"
		b.wants(id, Inconclusive, "another counter", nil)
	})
}

func TestDisconnectByFilling(t *testing.T) {
	const id = "refund/disconnect"
	// Fills of 60 and of a cap of 80 fill what three leavers left of a limit.
	run := func(b *book, limit int64, fills int) {
		b.scenario("refund-disconnect", id).key(tokensOnly(4400)).admit("probe-1", 0)
		k := b.key(tokensOnly(limit))
		k.admits(3, "leave", 0, leaves)
		fillUp(k, "fill", 1300*ms, fills)
	}
	for limit, want := range map[int64][2]Verdict{ // three fills: 180
		1300: {Pass, Pass}, 1301: {Fail, Fail}, // 1040 and one request of 80 beside them
		// 337 less one request, and less the two fills that may be charged late.
		317: {Pass, Pass}, 316: {Inconclusive, Fail},
	} {
		b := newBook(t)
		run(b, limit, 3)
		b.wants(id, want[0], "", nil)
		b = newBook(t)
		b.measured()
		run(b, limit, 3)
		b.wants(id, want[1], "", nil)
	}
	t.Run("too little", func(t *testing.T) {
		// Ten fills: 600. Of them 180 may be late, and 80 is one request.
		for limit, want := range map[int64][2]Verdict{677: {Pass, Pass}, 676: {Inconclusive, Fail}} {
			b := newBook(t)
			run(b, limit, 10)
			b.wants(id, want[0], "", nil)
			b = newBook(t)
			b.measured()
			run(b, limit, 10)
			b.wants(id, want[1], "", nil)
		}
	})
	t.Run("what shows it", func(t *testing.T) {
		b := newBook(t)
		run(b, 3000, 1)
		b.wants(id, Fail, "charged about 2940 tokens", []int{2, 3, 4, 6})
	})
	for name, last := range map[string]func(*sheet){
		"never full":  func(k *sheet) { k.admit("fill", sec) },
		"an overload": func(k *sheet) { k.refuse("use-up", 10*ms); k.refuse("fill", sec, status(503)) },
		"lost":        func(k *sheet) { k.lose("fill", sec) },
		"not filled":  func(*sheet) {},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t).scenario("refund-disconnect", id)
			b.key(tokensOnly(4400)).admit("probe-1", 0)
			k := b.key(tokensOnly(3000))
			k.admit("leave", 0, leaves)
			last(k)
			b.wants(id, Inconclusive, "could not be filled up", nil)
		})
	}
}

// Whoever is charged the prompt and what was received, what was produced, or
// all that was reserved is never accused, however much of a stream a proxy read
// on for, and however late it passed it on.
func TestLeaversAreChargedFairly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var attempts []seen
		var received, produced, reserved int64
		for range rapid.IntRange(1, 4).Draw(t, "leavers") {
			chunks := rapid.Int64Range(2, 20).Draw(t, "chunks")
			size := rapid.Int64Range(1, 40).Draw(t, "tokens a chunk")
			delay := time.Duration(rapid.Int64Range(1, 300).Draw(t, "delay")) * ms
			prompt := rapid.Int64Range(0, 200).Draw(t, "prompt")
			got := rapid.Int64Range(1, chunks).Draw(t, "received")
			sent := rapid.Int64Range(got, chunks).Draw(t, "sent")
			late := time.Duration(rapid.Int64Range(0, 2000).Draw(t, "late")) * ms
			within := time.Duration(rapid.Int64Range(0, int64(delay)-1).Draw(t, "left"))
			extra := rapid.Int64Range(0, 3).Draw(t, "other events")
			most := prompt*rapid.Int64Range(1, 6).Draw(t, "bytes") + chunks*size
			a := seen{outcome: admitted, calls: []history.Call{{
				FirstByte: sec, Done: sec + time.Duration(sent-1)*delay, Status: 200, Produced: sent * size, Gone: sent < chunks,
				Usage: history.Usage{Prompt: prompt, Completion: chunks * size, Total: prompt + chunks*size},
			}}}
			a.FirstByte, a.Events, a.Cap = sec+late, int(got+extra), most
			a.Done = a.FirstByte + time.Duration(got-1)*delay + within
			attempts = append(attempts, a)
			received += prompt + got*size
			produced += prompt + sent*size
			reserved += most
		}
		b := leftBounds(attempts)
		for name, charged := range map[string]int64{"received": received, "produced": produced, "reserved": reserved} {
			if charged < b.least || charged > b.most {
				t.Fatalf("%s: %d is not within %d and %d", name, charged, b.least, b.most)
			}
		}
	})
}

func TestRefundOnce(t *testing.T) {
	const id = "refund/once"
	fails := []change{upstreamFails, costing(0, 300, 150)}
	again := func(l *line) { // a call that failed and one that succeeded, 170 tokens
		l.calls = append(l.calls, l.calls[0])
		l.calls[0].Status, l.calls[0].Usage = 500, history.Usage{}
		l.calls[1].Usage.Total = 170
	}
	// run enters the readings: 40 for a probe, 170 for the retried call, and 40
	// for four that failed.
	run := func(b *book, retried []change, first, second, third int64) *sheet {
		k := b.scenario("refund-once", id).key(tokensOnly(4500))
		k.admit("probe-1", 0, costing(40, 70, 30), left(first))
		k.admit("retried", 100*ms, retried...)
		k.admit("probe-2", 1200*ms, costing(40, 70, 30), left(second))
		for i := range 4 {
			k.admit([]string{"fail", "fail-left"}[i%2], 1300*ms, fails...)
		}
		k.admit("probe-3", 2400*ms, costing(40, 70, 30), left(third))
		return k
	}
	for name, test := range map[string]struct {
		retried        []change
		second, third  int64
		unknown, known Verdict // where the class was not, and was, measured
		shown          []int
	}{
		"once":                          {[]change{again}, 4250, 4210, Pass, Pass, nil},
		"a token each too little":       {[]change{again}, 4252, 4217, Pass, Pass, nil},
		"more than a token too little":  {[]change{again}, 4253, 4213, Inconclusive, Fail, []int{1, 2, 3}},
		"a token each too much":         {[]change{again}, 4248, 4208, Pass, Pass, nil},
		"more than a token too much":    {[]change{again}, 4247, 4207, Fail, Fail, []int{1, 2, 3}},
		"the retried keeps a call's":    {[]change{again}, 4100, 4060, Fail, Fail, []int{1, 2, 3}},
		"the retried is free":           {[]change{again}, 4420, 4380, Inconclusive, Fail, []int{1, 2, 3}},
		"no proxy tried again":          {fails, 4420, 4380, Pass, Pass, nil},
		"a failed call keeps its own":   {fails, 4270, 3630, Pass, Pass, nil},
		"failed calls, a token each":    {[]change{again}, 4250, 4215, Pass, Pass, nil},
		"failed calls, more than that":  {[]change{again}, 4250, 4216, Inconclusive, Fail, []int{3, 4, 5, 6, 7, 8}},
		"failed calls come back twice":  {[]change{again}, 4250, 4500, Inconclusive, Fail, []int{3, 4, 5, 6, 7, 8}},
		"another tokenizer, all fairly": {[]change{again, func(l *line) { l.calls[1].Usage.Total = 169 }}, 4250, 4210, Pass, Pass, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			run(b, test.retried, 4460, test.second, test.third)
			b.wants(id, test.unknown, "", nil)
			if test.unknown == Fail {
				b.wants(id, Fail, "", test.shown)
			}
			b = newBook(t)
			b.measured()
			from := len(b.h.Attempts)
			run(b, test.retried, 4460, test.second, test.third)
			if test.known == Fail {
				for i := range test.shown {
					test.shown[i] += from
				}
			}
			b.wants(id, test.known, "", test.shown)
		})
	}
	t.Run("not charged yet", func(t *testing.T) {
		for ends, want := range map[time.Duration]Verdict{700 * ms: Fail, 700*ms + 1: Inconclusive} {
			for _, second := range []int64{4000, 4420} { // still reserved, and not yet charged
				b := newBook(t)
				b.measured()
				run(b, []change{again, func(l *line) { l.calls[1].Done = ends }}, 4460, second, second-40)
				b.wants(id, want, "", nil)
			}
		}
	})
	t.Run("a call ran on when its client had left", func(t *testing.T) {
		b := newBook(t)
		b.measured()
		run(b, []change{again}, 4460, 4250, 4500)
		b.h.Calls[len(b.h.Calls)-2].Done = 2300 * ms
		b.wants(id, Inconclusive, "less than 500ms after", nil)
	})
	t.Run("no counter told", func(t *testing.T) {
		b := newBook(t).scenario("refund-once", id)
		b.key(tokensOnly(4500)).admit("probe-1", 0)
		b.wants(id, Skip, "tells no token counter", nil)
	})
	t.Run("a call did not reach the provider", func(t *testing.T) {
		b := newBook(t)
		k := run(b, []change{again}, 4460, 4250, 4500)
		k.refuse("fail", 1400*ms)
		b.wants(id, Inconclusive, "did not reach the provider", nil)
	})
	t.Run("nothing failed", func(t *testing.T) {
		b := newBook(t).scenario("refund-once", id)
		k := b.key(history.Limits{})
		for i, name := range []string{"probe-1", "probe-2", "probe-3"} {
			k.admit(name, msTimes(i)*sec, left(4000))
		}
		b.wants(id, Inconclusive, "no call failed", nil)
	})
	t.Run("a probe was refused", func(t *testing.T) {
		b := newBook(t).scenario("refund-once", id)
		b.key(tokensOnly(4500)).refuse("probe-1", 0)
		b.wants(id, Inconclusive, "probe-1 was not admitted", nil)
	})
}
