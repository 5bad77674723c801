package repro

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

func admitted(a history.Attempt) bool { return a.Status == http.StatusOK }

func refused(a history.Attempt) bool { return a.Status == http.StatusTooManyRequests }

// one is the only attempt of a step.
func (p *Played) one(step string) history.Attempt {
	if list := p.Attempts[step]; len(list) > 0 {
		return list[0]
	}
	return history.Attempt{}
}

// admittedOf are the admitted attempts of some steps.
func (p *Played) admittedOf(steps ...string) []history.Attempt {
	var list []history.Attempt
	for _, step := range steps {
		for _, a := range p.Attempts[step] {
			if admitted(a) {
				list = append(list, a)
			}
		}
	}
	return list
}

// tokensOf is what the provider says that attempts used.
func (p *Played) tokensOf(attempts []history.Attempt) int64 {
	var n int64
	for _, a := range attempts {
		n += p.Calls[a.Nonce].Usage.Total
	}
	return n
}

// peakOf is how many of the steps' calls were at the provider at once.
func (p *Played) peakOf(steps ...string) int {
	var calls []history.Call
	for _, a := range p.admittedOf(steps...) {
		if c, there := p.Calls[a.Nonce]; there {
			calls = append(calls, c)
		}
	}
	peak := 0
	for _, c := range calls {
		n := 0
		for _, o := range calls {
			if o.Received <= c.Received && o.Done > c.Received {
				n++
			}
		}
		peak = max(peak, n)
	}
	return peak
}

// usedBefore is what the key had really used when an attempt was sent, of what
// a story is about: in the window before it, or at that moment.
func (p *Played) usedBefore(about Quantity, at time.Duration) int64 {
	var n int64
	for _, list := range p.Attempts {
		for _, a := range list {
			c, there := p.Calls[a.Nonce]
			switch {
			case !there:
			case about == InFlight && c.Received < at && c.Done > at,
				about == Requests && c.Received < at && c.Received > at-p.Window:
				n++
			case about == Tokens && c.Done <= at && c.Done > at-p.Window:
				n += c.Usage.Total
			}
		}
	}
	return n
}

// quietFor is how long before an attempt the last call of the key ended.
func (p *Played) quietFor(at time.Duration) time.Duration {
	quiet := at
	for _, c := range p.Calls {
		if p.isOurs(c.Nonce) && c.Done <= at {
			quiet = min(quiet, at-c.Done)
		}
	}
	return quiet
}

func (p *Played) isOurs(nonce string) bool {
	for _, list := range p.Attempts {
		if slices.ContainsFunc(list, func(a history.Attempt) bool { return a.Nonce == nonce }) {
			return true
		}
	}
	return false
}

// served says whether these steps were admitted, as a finding needs that rests on
// them.
func (p *Played) served(steps ...string) (Finding, bool) {
	for _, step := range steps {
		for _, a := range p.Attempts[step] {
			if !admitted(a) {
				return Finding{Untold, fmt.Sprintf("%s was to be admitted and was answered %s", step, answerOf(a))}, false
			}
		}
	}
	return Finding{}, true
}

// lateMost is how late a step may come: the stories leave more room than that
// between what they send and the edges of windows.
const lateMost = 400 * time.Millisecond

// Conclude says what came of a story. What was not answered, or not sent when it was
// to be, tells nothing.
func (r Repro) Conclude(p *Played) Finding {
	begun := time.Duration(-1)
	for _, step := range p.Steps {
		if step.After == "" && (begun < 0 || p.firstSent(step)-step.Wait < begun) {
			begun = p.firstSent(step) - step.Wait
		}
	}
	for _, step := range p.Steps {
		if len(p.Attempts[step.Name]) != max(1, step.Times) {
			return Finding{Untold, fmt.Sprintf("%s was not sent", step.Name)}
		}
		for _, a := range p.Attempts[step.Name] {
			if !admitted(a) && !refused(a) || a.Error != "" {
				return Finding{Untold, fmt.Sprintf("%s was answered %s", step.Name, answerOf(a))}
			}
		}
		from := begun
		for _, a := range p.Attempts[step.After] {
			from = max(from, a.Done)
		}
		if late := p.firstSent(step) - from - step.Wait; late > lateMost {
			return Finding{Untold, fmt.Sprintf("%s was sent %.1f s late: the machine is too busy", step.Name, late.Seconds())}
		}
	}
	return r.Judge(p)
}

func (p *Played) firstSent(step Step) time.Duration {
	first := time.Duration(-1)
	for _, a := range p.Attempts[step.Name] {
		if first < 0 || a.Sent < first {
			first = a.Sent
		}
	}
	return max(0, first)
}

func shownIf(shown bool, format string, args ...any) Finding {
	f := Finding{NotReproduced, fmt.Sprintf(format, args...)}
	if shown {
		f.Outcome = Reproduced
	}
	return f
}

// answerOf is an answer in a word or two.
func answerOf(a history.Attempt) string {
	if a.Status == 0 {
		return string(a.Error)
	}
	text := fmt.Sprint(a.Status)
	if kind := a.Header["rate_limit_type"]; kind != "" {
		text += " " + kind
	}
	if a.Error != "" {
		text += " (" + string(a.Error) + ")"
	}
	return text
}

// answersOf are the answers of a step, counted.
func answersOf(attempts []history.Attempt) string {
	var words []string
	count := map[string]int{}
	for _, a := range attempts {
		word := answerOf(a)
		if count[word]++; count[word] == 1 {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	if len(attempts) > 1 {
		for i, word := range words {
			words[i] = fmt.Sprintf("%d x %s", count[word], word)
		}
	}
	return strings.Join(words, ", ")
}
