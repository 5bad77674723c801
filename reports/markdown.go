package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/ratecheck/ratecheck/history"
)

// Markdown writes the report for an issue or a job's summary, in GitHub's
// Markdown: the counts, a table of all verdicts, then each failure with what
// shows it. What the target answered is text in it and nothing else: no markup,
// no link, and nobody is notified.
func Markdown(w io.Writer, r Report, h *history.History) error {
	m := &markdown{report: r, attempts: attemptsOf(h)}
	m.line("## ratecheck: " + inline(r.title()))
	m.line("")
	m.line("**" + r.Summary.counts() + "**")
	m.line("")
	for _, line := range r.circumstances(h) {
		m.line("- " + inline(line))
	}
	m.verdicts()
	for _, result := range r.Results {
		if result.isTrouble() {
			m.trouble(result)
		}
	}
	if _, err := io.WriteString(w, m.text.String()); err != nil {
		return fmt.Errorf("writing the Markdown report: %w", err)
	}
	return nil
}

type markdown struct {
	text     strings.Builder
	report   Report
	attempts attempts
}

func (m *markdown) line(text string) { m.text.WriteString(text + "\n") }

func (m *markdown) verdicts() {
	var rows [][]string
	for _, result := range m.report.Results {
		seen := result.summary()
		if result.Verdict == XFail && result.LooksLike != nil {
			seen += "; " + result.LooksLike.String()
		}
		rows = append(rows, []string{string(result.Verdict), result.name(), seen})
	}
	m.table([]string{"verdict", "requirement", "what was seen"}, rows)
}

// table writes a table and nothing where it has no rows.
func (m *markdown) table(header []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	m.line("")
	m.line("| " + strings.Join(header, " | ") + " |")
	m.line("|" + strings.Repeat("---|", len(header)))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = inline(cell)
		}
		m.line("| " + strings.Join(cells, " | ") + " |")
	}
}

func (m *markdown) trouble(r Result) {
	m.line("")
	m.line("### " + inline(string(r.Verdict)+" "+r.name()+kind(r)))
	var told strings.Builder
	t := &terminal{w: &told}
	t.field("scenario", r.Scenario)
	for _, f := range r.fields(m.report) {
		t.field(f.name, f.text)
	}
	m.line("")
	m.fence("text", told.String())
	if r.LooksLike != nil {
		m.line("")
		m.line(inline(r.LooksLike.String()))
	}
	rows := m.attempts.rows(r.Attempts)
	m.table(evidenceHeader(), rows)
	if more := len(r.Attempts) - evidenceRows; more > 0 && len(rows) > 0 {
		m.line("")
		m.line(fmt.Sprintf("and %d more attempts", more))
	}
	m.line("")
	m.fence("sh", r.Reproduce)
}

// fence writes a block of code. Its fence is longer than any run of backticks in
// the text, so that no line of it can be the fence's end.
func (m *markdown) fence(language, text string) {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	m.line(fence + language)
	m.line(strings.TrimRight(Printable(text), "\n"))
	m.line(fence)
}

// noMention is an invisible character behind @ and #, so that GitHub takes a
// name or a number in a text for neither a mention nor a reference. No escape
// does that: GitHub looks for both when the Markdown is rendered.
const noMention = "&#8203;"

// inlineEscapes turn what has a meaning in GitHub's Markdown into character
// references, which never have one.
var inlineEscapes = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "|", "&#124;", "`", "&#96;", "*", "&#42;", "_", "&#95;", "~", "&#126;",
	"[", "&#91;", "]", "&#93;", `\`, "&#92;", "$", "&#36;", "@", "&#64;"+noMention, "#", "&#35;"+noMention,
	"://", "&#58;//", "www.", "www&#46;", "WWW.", "WWW&#46;",
)

// inline is a text as part of a line: neither markup nor a break.
func inline(text string) string {
	return inlineEscapes.Replace(strings.Join(strings.Fields(Printable(text)), " "))
}
