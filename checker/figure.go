package checker

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Figure is the number behind a verdict.
type Figure struct {
	// Name says what was measured, in a word: admitted, charged, locked.
	Name string `json:"name"`
	// Value was measured, in Unit.
	Value float64 `json:"value"`
	// Of is what Value is held against; 0 where it stands alone.
	Of float64 `json:"of,omitempty"`
	// Unit is one of the units below.
	Unit string `json:"unit"`
}

// The units of figures.
const (
	UnitTokens   = "tokens"
	UnitRequests = "requests"
	UnitSeconds  = "s"
	UnitInFlight = "in flight"
	UnitSlots    = "slots"
	UnitAnswers  = "answers"
	UnitResets   = "resets"
)

// smallDifference is the part below which a factor would hide what tokens show.
const smallDifference = 0.1

// String is the figure for a cell of a table: tokens against a limit as a factor
// (6.0x) or, where the two are close, by their difference (+3 tokens); times as
// they are (locked 10.4 s); all else as so many of so many.
func (f Figure) String() string {
	whole := int64(math.Round(f.Value))
	switch {
	case f.Unit == UnitSeconds:
		return fmt.Sprintf("%s %.1f s", f.Name, f.Value)
	case f.Of == 0:
		return fmt.Sprintf("%+d %s", whole, f.Unit)
	case f.Unit != UnitTokens:
		return fmt.Sprintf("%d of %d %s", whole, int64(math.Round(f.Of)), f.Unit)
	case f.Value != f.Of && math.Abs(f.Value-f.Of) < smallDifference*f.Of:
		return fmt.Sprintf("%+d %s", int64(math.Round(f.Value-f.Of)), f.Unit)
	case f.Value >= 2*f.Of:
		return fmt.Sprintf("%.1fx", f.Value/f.Of)
	}
	return fmt.Sprintf("%.2fx", f.Value/f.Of)
}

func (f finding) with(figure *Figure) finding {
	f.figure = figure
	return f
}

func ofTokens(name string, value, of int64) *Figure {
	return &Figure{Name: name, Value: float64(value), Of: float64(of), Unit: UnitTokens}
}

func portion(name string, value, of int, unit string) *Figure {
	return &Figure{Name: name, Value: float64(value), Of: float64(of), Unit: unit}
}

func lasting(name string, d time.Duration) *Figure {
	return &Figure{Name: name, Value: d.Seconds(), Unit: UnitSeconds}
}

// figureOf is the figure of a requirement whose judge gives none; nil where
// there is none.
func figureOf(id string, v *view) *Figure {
	switch id {
	case "requests/limit-kept":
		return v.burstFigure()
	case "requests/refused-not-charged":
		return v.usableFigure()
	case "tokens/limit-kept":
		return v.firstWindowFigure()
	case "tokens/limit-kept-concurrent":
		return v.overshootFigure()
	case "tokens/window-reopens", "tokens/lockout-bounded":
		return v.lockedFigure()
	case "refund/own-window":
		return v.leftFigure()
	case "parallel/limit-kept", "parallel/kept-across-windows":
		return v.inFlightFigure()
	case "parallel/slot-freed":
		return v.freedFigure()
	case "headers/on-answers":
		return v.headersFigure(false)
	case "headers/on-streams":
		return v.headersFigure(true)
	}
	return nil
}

// worse keeps the figure that is further above what it is held against.
func worse(a, b *Figure) *Figure {
	if a == nil || b != nil && b.Value*a.Of > a.Value*b.Of {
		return b
	}
	return a
}

// burstFigure is the most that one burst was admitted.
func (v *view) burstFigure() (most *Figure) {
	for _, k := range v.keys {
		for _, name := range steps(k.attempts) {
			if k.Limits.Requests != nil && strings.HasPrefix(name, "burst") {
				most = worse(most, portion("admitted", count(step(k.attempts, name), admitted), int(*k.Limits.Requests), UnitRequests))
			}
		}
	}
	return most
}

// usableFigure is what was left of a request limit beside refusals; the least of
// all keys.
func (v *view) usableFigure() (least *Figure) {
	for _, k := range v.keys {
		if k.Limits.Requests == nil {
			continue
		}
		f := portion("admitted", count(k.attempts, admitted), int(*k.Limits.Requests), UnitRequests)
		if least == nil || worse(f, least) == least {
			least = f
		}
	}
	return least
}

// firstWindowFigure is what was admitted in the first window. Its last second is
// left out: a limiter that turns on whole seconds may have opened the next one.
func (v *view) firstWindowFigure() (most *Figure) {
	for _, k := range v.keys {
		through := withOutcome(k.attempts, admitted)
		if k.Limits.Tokens == nil || len(through) == 0 || v.Run.Window <= 2*wholeSecond {
			continue
		}
		end := through[0].Sent + v.Run.Window - wholeSecond
		sum := tokensOf(slices.DeleteFunc(slices.Clone(through), func(a seen) bool { return a.Sent >= end }))
		most = worse(most, ofTokens("admitted", sum, *k.Limits.Tokens))
	}
	return most
}

func (v *view) overshootFigure() (most *Figure) {
	for _, k := range v.keys {
		if k.Limits.Tokens != nil {
			most = worse(most, ofTokens("admitted", tokensOf(withOutcome(k.attempts, admitted)), *k.Limits.Tokens))
		}
	}
	return most
}

// lockedFigure is the longest row of refusals that holds a false one: from the
// first of the row to the next admission, or to the last refusal where none was
// seen. Without a false refusal there is none.
func (v *view) lockedFigure() (longest *Figure) {
	for _, k := range v.keys {
		wrong := ids(certain(v.falselyRefused(k)))
		for i := 0; i < len(k.attempts); i++ {
			if k.attempts[i].outcome != refused {
				continue
			}
			first, held := k.attempts[i], false
			end := first.Done
			for ; i < len(k.attempts) && k.attempts[i].outcome == refused; i++ {
				end = k.attempts[i].Done
				held = held || slices.Contains(wrong, k.attempts[i].ID)
			}
			if i < len(k.attempts) {
				end = max(end, k.attempts[i].Sent)
			}
			if f := lasting("locked", end-first.Sent); held && (longest == nil || f.Value > longest.Value) {
				longest = f
			}
		}
	}
	return longest
}

// leftFigure is the most that an answer told as left, where that is more than
// there is.
func (v *view) leftFigure() (most *Figure) {
	for _, k := range v.keys {
		for _, a := range withOutcome(k.attempts, admitted) {
			if left := ratesOf(a).TokensRemaining; left != nil && k.Limits.Tokens != nil && *left > *k.Limits.Tokens {
				most = worse(most, ofTokens("left", *left, *k.Limits.Tokens))
			}
		}
	}
	return most
}

func (v *view) inFlightFigure() (most *Figure) {
	for _, k := range v.keys {
		if peak, _ := v.peak(k.attempts); k.Limits.Parallel != nil && v.Run.Ledger {
			most = worse(most, portion("peak", peak, int(*k.Limits.Parallel), UnitInFlight))
		}
	}
	return most
}

// freedFigure is how many slots were free again, of the key with the least.
func (v *view) freedFigure() (least *Figure) {
	for _, k := range v.keys {
		again := step(k.attempts, "again-*")
		if k.Limits.Parallel == nil || len(again) == 0 {
			continue
		}
		f := portion("free", count(again, admitted), int(*k.Limits.Parallel), UnitSlots)
		if least == nil || worse(f, least) == least {
			least = f
		}
	}
	return least
}

func (v *view) headersFigure(stream bool) *Figure {
	with, without := answered(v.all(), stream)
	if len(with)+len(without) == 0 {
		return nil
	}
	return portion("headers", len(with), len(with)+len(without), UnitAnswers)
}

// guardedFigure keeps a fault in a figure from ending the report. Where nothing
// was decided there is none: its stimulus was not what it should have been.
func guardedFigure(id string, v *view, f finding) (figure *Figure) {
	defer func() {
		if recover() != nil {
			figure = nil
		}
	}()
	switch f.verdict {
	case Pass, Fail, Warn:
		if f.figure != nil {
			return f.figure
		}
		return figureOf(id, v)
	}
	return nil
}
