package checker

import (
	"testing"
	"time"
)

func TestFigureString(t *testing.T) {
	for want, f := range map[string]Figure{
		"6.0x":               {"admitted", 6000, 1000, UnitTokens},
		"0.67x":              {"charged", 200, 300, UnitTokens},
		"1.00x":              {"admitted", 500, 500, UnitTokens},
		"+3 tokens":          {"left charged", 3, 0, UnitTokens},
		"+1 tokens":          {"charged", 51, 50, UnitTokens},
		"-20 tokens":         {"charged", 280, 300, UnitTokens},
		"1.10x":              {"admitted", 550, 500, UnitTokens},
		"+0 tokens":          {"left charged", 0, 0, UnitTokens},
		"locked 10.4 s":      {"locked", 10.42, 0, UnitSeconds},
		"0 of 3 answers":     {"headers", 0, 3, UnitAnswers},
		"4 of 2 in flight":   {"peak", 4, 2, UnitInFlight},
		"10 of 10 requests":  {"admitted", 10, 10, UnitRequests},
		"-935 tokens":        {"left charged", -935, 0, UnitTokens},
		"1000001 of 1 slots": {"free", 1000001, 1, UnitSlots},
	} {
		if got := f.String(); got != want {
			t.Errorf("%+v is %q, want %q", f, got, want)
		}
	}
}

// TestFigures holds the number behind a verdict to what was sent.
func TestFigures(t *testing.T) {
	for _, test := range []struct {
		id   string
		fill func(*book)
		want string // "" is none
	}{
		{"tokens/limit-kept-concurrent", func(b *book) {
			k := b.key(tokensOnly(100))
			k.admits(4, "burst-1", 0, costing(150, 200, 100), taking(800*ms))
			b.key(tokensOnly(100)).admits(1, "burst-2", 2*sec, costing(150, 200, 100), taking(800*ms))
		}, "6.0x"},
		{"tokens/limit-kept", func(b *book) {
			k := b.key(tokensOnly(500))
			for i := range 40 {
				k.admit("ask", time.Duration(i)*250*ms, costing(50, 60, 30))
			}
		}, "1.60x"}, // 16 in the first 4 s
		{"tokens/limit-kept", func(b *book) { b.key(tokensOnly(500)).lose("ask", 0) }, ""},
		{"tokens/window-reopens", func(b *book) {
			k := b.key(both(1000, 2000))
			k.admit("slow", 0, costing(2000, 0, 0), func(l *line) { l.Cap, l.MaxTokens = 0, nil }, taking(6*sec))
			k.refuse("touch", 10300*ms, costing(1, 13, 1))
			k.refuse("probe", 12200*ms, costing(1, 13, 1))
			k.admit("probe-later", 13600*ms, costing(1, 13, 1))
		}, "locked 3.3 s"},
		{"tokens/window-reopens", func(b *book) {
			k := b.key(both(1000, 2000))
			k.admit("slow", 0, costing(2000, 0, 0), func(l *line) { l.Cap, l.MaxTokens = 0, nil }, taking(6*sec))
			k.refuse("touch", 10300*ms, costing(1, 13, 1)) // lawful
			k.admit("probe", 11625*ms, costing(1, 13, 1))
		}, ""},
		{"parallel/limit-kept", func(b *book) {
			k := b.key(slots(2))
			k.admits(5, "burst", 0, taking(sec))
			k.refuses(5, "burst", 0)
		}, "5 of 2 in flight"},
		{"parallel/slot-freed", func(b *book) {
			k := b.key(slots(3))
			k.admits(3, "take-leave", 0)
			k.admit("again-leave", 2*sec)
			k.refuses(2, "again-leave", 2*sec)
		}, "1 of 3 slots"},
		{"headers/on-streams", func(b *book) {
			k := b.key(perWindow(100))
			k.admit("plain", 0, left(1))
			k.admits(3, "stream", 0, streamed)
		}, "0 of 3 answers"},
		{"headers/on-answers", func(b *book) { b.key(perWindow(100)).lose("plain", 0) }, ""},
		{"refund/own-window", func(b *book) {
			k := b.key(tokensOnly(1000))
			k.admits(4, "hold", 0, costing(2, 200, 200), taking(6*sec))
			k.admit("fill", 6*sec, left(1785))
		}, "1.78x"},
	} {
		b := newBook(t).scenario("s", test.id)
		test.fill(b)
		r := b.verdict(test.id)
		got := ""
		if r.Figure != nil {
			got = r.Figure.String()
		}
		if got != test.want {
			t.Errorf("%s: %s (%s) with the figure %q, want %q", test.id, r.Verdict, r.Message, got, test.want)
		}
	}
}
