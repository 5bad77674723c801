package checker

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ratecheck/ratecheck/history"
)

// edge is a limiter that reserves max_tokens and adds to it, and charges what
// was used and off for each request, as a client meets it that searches for what
// is added on a key of 1310, confirms it on one of 910, and then asks for what
// 185 tokens of traffic leave.
type edge struct {
	adds, off int64
	traffic   []int64
	late      time.Duration // by which the last two requests come later
}

var usualTraffic = []int64{70, 60, 17}

func edgeShot(used, maxTokens int64) change { return costing(used, 100+maxTokens, maxTokens) }

// play enters what the limiter lets through, and returns the ids of what would
// show a fault.
func (e edge) play(b *book) []int {
	b.scenario("drift-edge", edgeID)
	far := b.key(tokensOnly(1310))
	far.refuse("never", 0, edgeShot(0, 2620))
	const limit, each = 910, 10
	k := b.key(tokensOnly(limit))
	left := int64(limit)
	at := 100 * ms
	ask := func(step string, used, maxTokens int64) int {
		at += 100 * ms
		if maxTokens+e.adds > left {
			return k.refuse(step, at, edgeShot(0, maxTokens))
		}
		left -= used + e.off
		return k.admit(step, at, edgeShot(used, maxTokens))
	}
	for below := e.adds - 4; below <= e.adds; below++ {
		ask("confirm", each, limit-below)
	}
	shown := []int{len(b.h.Attempts)}
	room := limit - e.adds - each
	for _, used := range e.traffic {
		shown = append(shown, ask("traffic", used, used))
		room -= used
	}
	at += 600*ms + e.late
	return append(shown, ask("one-more", each, room+1), ask("exact", each, room))
}

const edgeID = "drift/edge-exact"

// whole makes an answer of what was lost.
func whole(l *line) { l.Error, l.ErrorText = "", "" }

func TestEdgeExact(t *testing.T) {
	for name, test := range map[string]struct {
		edge
		unknown, known Verdict
		says           string
	}{
		"exact":               {edge{adds: 9}, Pass, Pass, "max_tokens 745 is refused and 744 admitted"},
		"adds nothing":        {edge{}, Pass, Pass, "max_tokens 754 is refused and 753 admitted"},
		"a token more each":   {edge{adds: 9, off: 1}, Fail, Fail, "exactly what must be left was refused"},
		"a token less each":   {edge{adds: 9, off: -1}, Inconclusive, Fail, "one token more than can be left was admitted"},
		"free":                {edge{adds: 9, off: -10}, Inconclusive, Fail, "one token more than can be left was admitted"},
		"late in the window":  {edge{adds: 9, off: -1, late: 1500 * ms}, Inconclusive, Fail, "was admitted"},
		"it may have turned":  {edge{adds: 9, off: -1, late: 2500 * ms}, Inconclusive, Inconclusive, "refilled or turned"},
		"late, and too much":  {edge{adds: 9, off: 1, late: 4 * sec}, Fail, Fail, "exactly what must be left"},
		"late, and all right": {edge{adds: 9, late: 4 * sec}, Pass, Pass, ""},
	} {
		t.Run(name, func(t *testing.T) {
			test.traffic = usualTraffic
			b := newBook(t)
			shown := test.play(b)
			b.wants(edgeID, test.unknown, "", nil)
			if test.unknown == Fail {
				b.wants(edgeID, Fail, test.says, shown)
			}
			b = newBook(t)
			b.measured()
			shown = test.play(b)
			b.wants(edgeID, test.known, test.says, nil)
			if test.known == Fail {
				b.wants(edgeID, Fail, test.says, shown)
			}
			if r := b.verdict(edgeID); test.known != test.unknown && !slices.Equal(r.Needs, asksToStand()) {
				t.Errorf("needs %v", r.Needs)
			}
			// Tokens may be counted in a bucket beside windows for requests.
			b.tokenBucket()
			b.wants(edgeID, test.unknown, "", nil)
		})
	}
	// What is changed of a history in which one token more was admitted, so that
	// nothing can be told of it. The attempts of the key are 2 to 11: five that
	// confirm, three of traffic, one token more and what is left.
	last := func(b *book, step string) *history.Attempt {
		for i := len(b.h.Attempts) - 1; i >= 0; i-- {
			if b.h.Attempts[i].Step == step {
				return &b.h.Attempts[i]
			}
		}
		return nil
	}
	without := func(steps ...string) func(*book) {
		return func(b *book) {
			b.h.Attempts = slices.DeleteFunc(b.h.Attempts, func(a history.Attempt) bool { return slices.Contains(steps, a.Step) })
		}
	}
	lost := func(step string) func(*book) {
		return func(b *book) {
			a := last(b, step)
			b.h.Calls = slices.DeleteFunc(b.h.Calls, func(c history.Call) bool { return c.Nonce == a.Nonce })
			a.Status, a.Error = 0, history.Reset
		}
	}
	confirmed := func(b *book, change func(a *history.Attempt)) {
		for i := range b.h.Attempts {
			if b.h.Attempts[i].Step == "confirm" && b.h.Attempts[i].Status == 429 {
				change(&b.h.Attempts[i])
			}
		}
	}
	for name, test := range map[string]struct {
		change func(*book)
		want   Verdict
		says   string
	}{
		"no traffic":                  {without("traffic"), Inconclusive, "what is left was not asked for"},
		"not one more":                {without("one-more"), Inconclusive, "what is left was not asked for"},
		"not what is left":            {without("exact"), Inconclusive, "what is left was not asked for"},
		"nothing confirmed":           {without("confirm"), Skip, "not max_tokens and a constant"},
		"traffic lost":                {lost("traffic"), Inconclusive, "not every request was admitted or refused"},
		"one more lost":               {lost("one-more"), Inconclusive, "not every request was admitted or refused"},
		"traffic cut":                 {func(b *book) { last(b, "traffic").Error = history.Cut }, Inconclusive, "not answered as planned"},
		"traffic failed":              {func(b *book) { last(b, "traffic").Status = 500 }, Inconclusive, "not answered as planned"},
		"used otherwise":              {func(b *book) { b.h.Calls[len(b.h.Calls)-3].Usage.Total++ }, Inconclusive, "another number than was planned"},
		"one more, of what":           {func(b *book) { last(b, "one-more").MaxTokens = nil }, Inconclusive, "was not asked for"},
		"measured on an overload":     {func(b *book) { confirmed(b, func(a *history.Attempt) { a.Status = 503 }) }, Inconclusive, "measured on an overload: attempt"},
		"not measured to the token":   {func(b *book) { confirmed(b, func(a *history.Attempt) { *a.MaxTokens++ }) }, Inconclusive, "not measured to the token"},
		"the limit is not known":      {func(b *book) { b.h.Keys[len(b.h.Keys)-1].Limits = history.Limits{} }, Inconclusive, "could not be measured"},
		"confirmed at once":           {func(b *book) { confirmed(b, func(a *history.Attempt) { a.Step = "search" }) }, Inconclusive, "could not be measured"},
		"asked before it was charged": {func(b *book) { b.h.Calls[len(b.h.Calls)-3].Done = last(b, "one-more").Sent - 499*ms }, Inconclusive, "less than 500ms after"},
		"asked when it was charged":   {func(b *book) { b.h.Calls[len(b.h.Calls)-3].Done = last(b, "one-more").Sent - 500*ms }, Fail, "one token more"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			b.measured()
			edge{adds: 9, off: -1, traffic: usualTraffic}.play(b)
			test.change(b)
			b.wants(edgeID, test.want, test.says, nil)
		})
	}
	t.Run("met an overload", func(t *testing.T) {
		for _, step := range []string{"one-more", "exact"} {
			b := newBook(t)
			edge{adds: 9, off: 1, traffic: usualTraffic}.play(b)
			last(b, step).Status = 503
			b.wants(edgeID, Inconclusive, "may have met an overload", nil)
		}
	})
	// What asks for more than the whole limit may be told so.
	for off, want := range map[int64]Verdict{0: Pass, 1: Fail, -1: Fail} {
		for _, code := range []int{400, 413, 422} {
			b := newBook(t)
			b.measured()
			edge{adds: 9, off: off, traffic: usualTraffic}.play(b)
			for i, a := range b.h.Attempts {
				if a.Status == 429 && (a.Step == "never" || a.Step == "confirm") {
					b.h.Attempts[i].Status, b.h.Attempts[i].Header = code, nil
				}
			}
			b.wants(edgeID, want, "", nil)
			if got := newJoined(&b.h).charging(); got != ReserveAndSettle {
				t.Errorf("with %d for what never fits tokens are charged as %q", code, got)
			}
		}
	}
	t.Run("cannot read the requests", func(t *testing.T) {
		b := newBook(t).scenario("drift-edge", edgeID)
		k := b.key(tokensOnly(1310))
		k.lose("never", 0, edgeShot(0, 2620), status(400), whole)
		k.lose("search", sec, edgeShot(0, 1309), status(400), whole)
		b.wants(edgeID, Inconclusive, "attempt 1: status 400", nil)
	})
	t.Run("has what is left called a bad request", func(t *testing.T) {
		b := newBook(t)
		edge{adds: 9, traffic: usualTraffic}.play(b)
		last(b, "one-more").Status = 400
		b.wants(edgeID, Inconclusive, "status 400", nil)
	})
	t.Run("reserves nothing", func(t *testing.T) {
		b := newBook(t).scenario("drift-edge", edgeID)
		b.key(tokensOnly(1310)).admit("never", 0)
		b.wants(edgeID, Skip, "reserves nothing", nil)
	})
	t.Run("one key", func(t *testing.T) {
		b := newBook(t).scenario("drift-edge", edgeID)
		b.key(history.Limits{}).refuse("never", 0)
		b.wants(edgeID, Skip, "not max_tokens and a constant", nil)
	})
}

// A limiter that adds a constant to max_tokens and charges what was used is
// never accused; one that charges more always is, and one that charges less
// where the class is known.
func TestEdgeIsExactOrNot(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		e := edge{
			adds: rapid.Int64Range(0, 64).Draw(r, "adds"), off: rapid.Int64Range(-5, 5).Draw(r, "off"),
			traffic: rapid.SliceOfN(rapid.Int64Range(5, 100), 1, 5).Draw(r, "traffic"),
		}
		known := rapid.Bool().Draw(r, "class known")
		b := newBook(t)
		if known {
			b.measured()
		}
		e.play(b)
		want := Pass
		switch {
		case e.off > 0, e.off < 0 && known:
			want = Fail
		case e.off < 0:
			want = Inconclusive
		}
		if got := verdictOf(r, &b.h, edgeID); got.Verdict != want {
			r.Fatalf("%s (%s), want %s", got.Verdict, got.Message, want)
		}
	})
}
