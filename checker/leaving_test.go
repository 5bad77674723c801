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
		c.Produced, c.Chunks, c.Usage = 80, 8, history.Usage{Prompt: 60, Completion: 120, Total: 180}
	}
}

// runsOn has the proxy read a stream to its end when its client has left.
func runsOn(l *line) {
	for i := range l.calls {
		c := &l.calls[i]
		c.Produced, c.Chunks, c.Gone, c.Done = 120, 12, false, l.Sent+1110*ms
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
		351: {Pass, Pass}, 350: {Inconclusive, Fail}, 0: {Inconclusive, Fail}, -40: {Inconclusive, Fail},
		420: {Pass, Pass}, 540: {Pass, Pass}, 1023: {Pass, Pass}, 1024: {Fail, Fail}, 3000: {Fail, Fail},
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
	t.Run("the proxy passes on what it gathered in half a second", func(t *testing.T) {
		for charged, want := range map[int64]Verdict{3 * (60 + 50): Pass, 269: Fail} { // 60 and 40, less a tenth
			b := newBook(t)
			b.measured()
			run(b, charged, func(l *line) { l.Events = 5 })
			b.wants(id, want, "", nil)
		}
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
		// 1023 and one request of 80 beside them, and 60 that may come back late.
		1343: {Pass, Pass}, 1344: {Fail, Fail},
		// 351 less one request, and less the two fills that may be charged late.
		331: {Pass, Pass}, 330: {Inconclusive, Fail},
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
		for limit, want := range map[int64][2]Verdict{691: {Pass, Pass}, 690: {Inconclusive, Fail}} {
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
// on for, however late it passed it on, and however much at a time.
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
			held := int64(0) // chunks that a proxy gathered and had not passed on
			if extra <= 1 {
				held = rapid.Int64Range(0, got-1).Draw(t, "held")
			}
			most := prompt*rapid.Int64Range(1, 6).Draw(t, "bytes") + chunks*size
			a := seen{outcome: admitted, calls: []history.Call{{
				FirstByte: sec, Done: sec + time.Duration(sent-1)*delay, Status: 200, Produced: sent * size, Chunks: int(sent), Gone: sent < chunks,
				Usage: history.Usage{Prompt: prompt, Completion: chunks * size, Total: prompt + chunks*size},
			}}}
			a.FirstByte, a.Events, a.Cap = sec+late, int(got-held+extra), most
			a.Done = a.FirstByte + time.Duration(got-1)*delay + within
			attempts = append(attempts, a)
			received += prompt + (got-held)*size
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
