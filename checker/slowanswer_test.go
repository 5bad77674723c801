package checker

import (
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

func TestTokensReopen(t *testing.T) {
	const id = "tokens/window-reopens"
	const done = 6 * sec // when the slow answer ends
	uncapped := func(l *line) { l.Cap, l.MaxTokens = 0, nil }
	// recipe enters the slow request and the four probes, as a row of letters
	// says: the touch 0.7 s before the window has passed over the slow answer,
	// the probe 0.6 s after it, and two later ones.
	recipe := func(b *book, limits history.Limits, row string) (ids []int) {
		k := b.key(limits)
		ids = append(ids, k.admit("slow", 0, costing(2000, 0, 0), uncapped, taking(done)))
		for i, at := range []time.Duration{4300 * ms, 5625 * ms, 7600 * ms, 9 * sec} {
			name := []string{"touch", "probe", "probe-later", "probe-last"}[i]
			switch row[i] {
			case 'a':
				k.admit(name, done+at, costing(1, 13, 1))
			case 'r':
				ids = append(ids, k.refuse(name, done+at, costing(1, 13, 1)))
			case 'l':
				k.lose(name, done+at, costing(1, 13, 1))
			}
		}
		return ids
	}
	start := func(t *testing.T) *book { return newBook(t).scenario("tokens-slow-answer", id) }
	key := both(1000, 2000)
	for name, test := range map[string]struct {
		row     string
		verdict Verdict
		says    string
	}{
		"all admitted":           {"aaaa", Pass, "a request limit and a token limit: admitted at +4.3, +5.6, +7.6, +9.0 s"},
		"the touch refused":      {"raaa", Pass, "refused at +4.3 s, admitted at +5.6, +7.6, +9.0 s"},
		"locked out":             {"rrrr", Fail, "a key with a request limit and a token limit is refused"},
		"locked out for a while": {"rrra", Fail, "refused although its tokens are long over"},
		// A log of ten sub-windows that is charged beside the answer.
		"remembered a tenth longer":  {"rraa", Pass, "refused at +4.3, +5.6 s, admitted at +7.6, +9.0 s"},
		"a lost touch":               {"laaa", Inconclusive, "neither admitted nor refused"},
		"a lost touch and a lockout": {"lrrr", Fail, "long over"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			recipe(b, key, test.row)
			b.wants(id, test.verdict, test.says, nil)
		})
	}
	t.Run("what shows it", func(t *testing.T) {
		b := start(t)
		ids := recipe(b, key, "rrar")
		b.wants(id, Fail, "", []int{ids[0], ids[3]}) // not the touch, and not the first probe
	})
	t.Run("a violation on one key, another not played as planned", func(t *testing.T) {
		b := start(t)
		recipe(b, key, "rrrr")
		b.key(tokensOnly(2000)).lose("slow", 0)
		b.wants(id, Fail, "a key with a request limit and a token limit", nil)
	})
	t.Run("and in the other order", func(t *testing.T) {
		b := start(t)
		b.key(tokensOnly(2000)).lose("slow", 0)
		recipe(b, key, "rrrr")
		b.wants(id, Fail, "a key with a request limit and a token limit", nil)
	})
	t.Run("a control is refused", func(t *testing.T) {
		b := start(t)
		recipe(b, key, "aaaa")
		recipe(b, perWindow(1000), "aaar")
		b.wants(id, Fail, "a key with a request limit is refused", nil)
	})
	t.Run("the slow request was too fast", func(t *testing.T) {
		b := start(t)
		k := b.key(key)
		k.admit("slow", 0, taking(sec))
		k.refuse("probe", 8*sec)
		b.wants(id, Inconclusive, "not answered as planned", nil)
	})
	t.Run("the slow request was cut by a time limit of the target", func(t *testing.T) {
		b := start(t)
		recipe(b, key, "aaaa")
		b.h.Attempts[0].Error, b.h.Attempts[0].Status = history.Garbled, 504
		b.wants(id, Inconclusive, "attempt 1: status 504", nil)
	})
	t.Run("no probe", func(t *testing.T) {
		b := start(t)
		b.key(key).admit("slow", 0, taking(done))
		b.wants(id, Inconclusive, "no probe", nil)
	})
	// A counter that weighs the former window: half of the 2000 still counts
	// half a window later, but the probe asks for next to nothing.
	t.Run("a probe that asks for much is refused by a sliding counter", func(t *testing.T) {
		b := start(t)
		k := b.key(key)
		k.admit("slow", 0, costing(2000, 0, 0), uncapped, taking(done))
		k.refuse("probe", done+5625*ms, costing(1000, 1300, 1000))
		k.admit("probe-last", done+9*sec, costing(1, 13, 1))
		b.wants(id, Pass, "", nil)
	})
	t.Run("an overload among the probes", func(t *testing.T) {
		b := start(t)
		recipe(b, key, "ra a")
		b.h.Attempts[2].Status = 200
		k := b.key(key)
		k.admit("slow", 0, costing(2000, 0, 0), uncapped, taking(done))
		k.refuse("probe-later", done+7600*ms, costing(1, 13, 1), status(503))
		k.admit("probe-last", done+9*sec, costing(1, 13, 1))
		b.wants(id, Inconclusive, "or an overload?", nil)
	})
}
