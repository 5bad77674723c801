package reports

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
)

// Terminal writes the report for people: the summary first, then every result
// in a line, then each failure with what shows it.
func Terminal(w io.Writer, r Report, h *history.History, color bool) error {
	t := &terminal{w: w, color: color, report: r, attempts: attemptsOf(h)}
	t.heading(r, h)
	if err := t.results(r); err != nil {
		return err
	}
	for _, result := range r.Results {
		if !result.isTrouble() {
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
	report   Report
	attempts attempts
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
	t.printf("%s: %s\n", Printable(r.title()), r.Summary.counts())
	for _, line := range r.circumstances(h) {
		t.printf("%s\n", Printable(line))
	}
	t.printf("\n")
}

func (t *terminal) results(r Report) error {
	if t.err != nil {
		return t.err
	}
	var rows [][]string
	for _, result := range r.Results {
		rows = append(rows, []string{t.paint(result.Verdict), Printable(result.name()), Printable(result.cell())})
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
	case checker.Fail, XPass, checker.Error:
		code = "31"
	case checker.Skip:
		code = "2"
	}
	return "\x1b[" + code + "m" + string(v) + "\x1b[0m"
}

func (t *terminal) trouble(r Result) error {
	t.printf("\n%s %s%s in scenario %s\n", t.paint(r.Verdict), Printable(r.name()), kind(r), Printable(r.Scenario))
	for _, f := range r.fields(t.report) {
		t.field(f.name, f.text)
	}
	if r.LooksLike != nil {
		t.paragraph(r.LooksLike.String())
	}
	if err := t.evidence(r.Attempts); err != nil {
		return err
	}
	// In one line, however long, so that it can be copied.
	t.printf("  %-*s%s\n", nameWidth, "reproduce", Printable(r.Reproduce))
	return t.err
}

// Printable keeps what a target answered from commanding the terminal: a control
// character, and one that turns the direction of a text, is shown as a
// replacement character. Line feeds stay.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
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
	for _, part := range parts(Printable(text)) {
		for _, line := range wrapped(part, lineWidth-nameWidth-len("  ")) {
			t.printf("  %-*s%s\n", nameWidth, name, line)
			name = ""
		}
	}
}

// paragraph writes a text without a name, its further lines further in.
func (t *terminal) paragraph(text string) {
	indent := "  "
	for _, line := range wrapped(Printable(text), lineWidth-nameWidth-len(indent)) {
		t.printf("%s%s\n", indent, line)
		indent = fmt.Sprintf("%*s", nameWidth+len("  "), "")
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

func (t *terminal) evidence(ids []int) error {
	rows := t.attempts.rows(ids)
	for _, row := range rows {
		for i := range row {
			row[i] = Printable(row[i])
		}
	}
	if len(rows) == 0 || t.err != nil {
		return t.err
	}
	t.printf("  attempts\n")
	const indent = "    "
	if err := indentedTable(t.w, indent, evidenceHeader(), rows); err != nil {
		return err
	}
	if more := len(ids) - evidenceRows; more > 0 {
		t.printf("%sand %d more\n", indent, more)
	}
	return t.err
}
