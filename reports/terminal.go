package reports

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
)

// Terminal writes the report for people: the summary first, then every result
// in a line, then each failure with what shows it.
func Terminal(w io.Writer, r Report, h *history.History, color bool) error {
	t := &terminal{w: w, color: color, attempts: map[int]history.Attempt{}}
	for _, a := range h.Attempts {
		t.attempts[a.ID] = a
	}
	t.heading(r, h)
	if err := t.results(r); err != nil {
		return err
	}
	for _, result := range r.Results {
		if result.Verdict == checker.Pass || result.Verdict == checker.Skip {
			continue
		}
		if err := t.trouble(result); err != nil {
			return err
		}
	}
	return t.err
}

type terminal struct {
	w        io.Writer
	color    bool
	attempts map[int]history.Attempt
	err      error
}

func (t *terminal) printf(format string, args ...any) {
	if t.err == nil {
		if _, err := fmt.Fprintf(t.w, format, args...); err != nil {
			t.err = fmt.Errorf("writing the report: %w", err)
		}
	}
}

func (t *terminal) heading(r Report, h *history.History) {
	what := r.Target.URL
	if what == "" {
		what = "a recorded run"
	}
	if r.Target.Name != "" {
		what += " (" + strings.TrimSpace(r.Target.Name+" "+r.Target.Version) + ")"
	}
	t.printf("%s: %s\n", what, r.Summary.counts())
	t.printf("window %s\n", time.Duration(r.Target.WindowSeconds*float64(time.Second)))
	for _, line := range Identity(r.Target.Identity) {
		t.printf("%s\n", line)
	}
	t.printf("%d requests with %d keys in %s, seed %d, exit %d\n", len(h.Attempts), len(h.Keys), length(h).Round(10*time.Millisecond), r.Seed, r.Exit)
	if r.Exit == ExitInterrupted {
		t.printf("the run was interrupted: what had not come to its end decides nothing\n")
	}
	if h.Torn > 0 {
		t.printf("the history's last line is torn: %d bytes were left out\n", h.Torn)
	}
	t.printf("\n")
}

func length(h *history.History) time.Duration {
	var end time.Duration
	for _, a := range h.Attempts {
		end = max(end, a.Done)
	}
	return end
}

func (t *terminal) results(r Report) error {
	if t.err != nil {
		return t.err
	}
	var rows [][]string
	for _, result := range r.Results {
		rows = append(rows, []string{t.paint(result.Verdict), named(result), printable(strings.Join(parts(result.Message), "\n"))})
	}
	if len(rows) == 0 {
		return nil
	}
	return Table(t.w, []string{"verdict", "requirement", "what was seen"}, rows)
}

// The colours of verdicts, as ANSI codes: green is fine, red is not, yellow is
// to be looked at.
func (t *terminal) paint(v checker.Verdict) string {
	if !t.color {
		return string(v)
	}
	code := "33"
	switch v {
	case checker.Pass:
		code = "32"
	case checker.Fail, checker.Error:
		code = "31"
	case checker.Skip:
		code = "2"
	}
	return "\x1b[" + code + "m" + string(v) + "\x1b[0m"
}

func (t *terminal) trouble(r Result) error {
	t.printf("\n%s %s%s in scenario %s\n", t.paint(r.Verdict), named(r), kind(r), r.Scenario)
	for _, line := range []struct{ name, text string }{
		{"sentence", r.Sentence}, {"source", r.Source}, {"seen", r.Message},
		{"expected", r.Expected}, {"observed", r.Observed},
	} {
		t.field(line.name, line.text)
	}
	if err := t.evidence(r.Attempts); err != nil {
		return err
	}
	// In one line, however long, so that it can be copied.
	t.printf("  %-*s%s\n", nameWidth, "reproduce", r.Reproduce)
	return t.err
}

// named is a requirement with the endpoint that it was asked of, where that is
// not chat.
func named(r Result) string {
	if r.Endpoint == "" {
		return r.Requirement
	}
	return r.Requirement + " on " + r.Endpoint
}

// printable keeps what a target answered from commanding the terminal: a control
// character is shown as a replacement character.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// kind is the level and layer of a requirement, and nothing for one that this
// version does not know.
func kind(r Result) string {
	if r.Level == "" {
		return ""
	}
	return fmt.Sprintf(" (%s, %s)", r.Level, r.Layer)
}

const (
	// nameWidth is the width of the names of a failure's fields.
	nameWidth = 10
	// lineWidth is where their text is wrapped.
	lineWidth = 100
)

// parts takes a text that lists several things apart, each to a line.
func parts(text string) []string { return strings.Split(text, "; ") }

// field writes one field of a failure, its further lines under its first.
func (t *terminal) field(name, text string) {
	if text == "" {
		return
	}
	for _, part := range parts(printable(text)) {
		for _, line := range wrapped(part, lineWidth-nameWidth-len("  ")) {
			t.printf("  %-*s%s\n", nameWidth, name, line)
			name = ""
		}
	}
}

// wrapped breaks a text at blanks. A word that is longer than a line has a line
// of its own; a line feed stays.
func wrapped(text string, width int) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			switch {
			case line == "":
				line = word
			case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
				lines = append(lines, line)
				line = word
			default:
				line += " " + word
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// evidenceRows is how many attempts are shown: a violation by many is shown by
// a few.
const evidenceRows = 12

func (t *terminal) evidence(ids []int) error {
	var rows [][]string
	for _, id := range ids[:min(evidenceRows, len(ids))] {
		if a, known := t.attempts[id]; known {
			rows = append(rows, []string{
				strconv.Itoa(id), a.Key, a.Step, stamp(a.Sent), stamp(a.Done), status(a), printable(told(a)),
			})
		}
	}
	if len(rows) == 0 || t.err != nil {
		return t.err
	}
	t.printf("  attempts\n")
	const indent = "    "
	if err := indentedTable(t.w, indent, []string{"id", "key", "step", "sent", "done", "answer", "told"}, rows); err != nil {
		return err
	}
	if more := len(ids) - evidenceRows; more > 0 {
		t.printf("%sand %d more\n", indent, more)
	}
	return t.err
}

func stamp(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

func status(a history.Attempt) string {
	text := strconv.Itoa(a.Status)
	if a.Stream {
		text += " stream"
	}
	if a.Error != "" {
		text += " " + string(a.Error)
	}
	return text
}

// told is what of an answer matters to a limit: its usage and rate headers.
func told(a history.Attempt) string {
	var parts []string
	if a.Usage != nil {
		parts = append(parts, fmt.Sprintf("usage %d", a.Usage.Total))
	}
	rates := history.ReadRates(a.Header)
	if rates.RequestsRemaining != nil {
		parts = append(parts, fmt.Sprintf("requests left %d", *rates.RequestsRemaining))
	}
	if rates.TokensRemaining != nil {
		parts = append(parts, fmt.Sprintf("tokens left %d", *rates.TokensRemaining))
	}
	if v := a.Header["retry-after"]; v != "" {
		parts = append(parts, "retry-after "+v)
	}
	if len(parts) == 0 {
		parts = append(parts, cmp.Or(a.ErrorText, shortened(a.Excerpt)))
	}
	return strings.Join(parts, ", ")
}

// excerptWidth is how much of a body is shown of an answer that told nothing
// else.
const excerptWidth = 60

func shortened(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > excerptWidth {
		return string(runes[:excerptWidth-1]) + "…"
	}
	return text
}
