package reports

import (
	"fmt"
	"io"
	"strings"
)

// MatrixTerminal writes a matrix for people: the verdicts, the tokens, then what
// no cell can show.
func MatrixTerminal(w io.Writer, m Matrix) error {
	t := &terminal{w: w}
	for _, c := range m.Columns {
		t.printf("%s\n", Printable(c.heading()))
	}
	for _, part := range m.tables() {
		if len(part.rows) == 0 {
			continue
		}
		t.printf("\n%s\n", part.title)
		if t.err != nil {
			return t.err
		}
		if err := Table(w, part.header, part.rows); err != nil {
			return err
		}
	}
	for i, n := range m.notes() {
		if i == 0 {
			t.printf("\nWhat was not told\n")
		}
		t.printf("%s\n", Printable(n.String()))
	}
	return t.err
}

// MatrixMarkdown writes a matrix in GitHub's Markdown.
func MatrixMarkdown(w io.Writer, m Matrix) error {
	d := &markdown{}
	for _, c := range m.Columns {
		d.line("- " + inline(c.heading()))
	}
	for _, part := range m.tables() {
		if len(part.rows) > 0 {
			d.line("")
			d.line("### " + inline(part.title))
		}
		for i, name := range part.header {
			part.header[i] = inline(name)
		}
		d.table(part.header, part.rows)
	}
	if notes := m.notes(); len(notes) > 0 {
		d.line("")
		d.line("### What was not told")
		d.line("")
		for _, n := range notes {
			d.line("- " + inline(n.String()))
		}
	}
	if m.Command != "" {
		d.line("")
		d.fence("sh", m.Command)
	}
	if _, err := io.WriteString(w, d.text.String()); err != nil {
		return fmt.Errorf("writing the Markdown matrix: %w", err)
	}
	return nil
}

// heading is a column in a line.
func (c MatrixColumn) heading() string {
	if c.Reproduce == "" {
		return c.Name + ": not run"
	}
	text := fmt.Sprintf("%s: %s", c.Name, c.Summary.counts())
	if who := strings.TrimSpace(c.Product + " " + c.Version); who != "" {
		if c.Model {
			who = "model of " + who
		}
		text += " (" + who + ")"
	}
	return text
}

func (n note) String() string {
	if n.about == "" {
		return n.column + ": " + n.text
	}
	return n.column + ", " + n.about + ": " + n.text
}

// matrixTable is a table of a matrix.
type matrixTable struct {
	title  string
	header []string
	rows   [][]string
}

func (m Matrix) tables() []matrixTable {
	verdicts := matrixTable{title: "Verdicts", header: append([]string{"requirement"}, m.columnNames()...)}
	issues := false
	for _, r := range m.Rows {
		issues = issues || len(r.Issues) > 0
	}
	if issues {
		verdicts.header = append(verdicts.header, "known as")
	}
	for _, r := range m.Rows {
		row := []string{r.name()}
		for _, c := range r.Cells {
			row = append(row, c.text())
		}
		if issues {
			row = append(row, strings.Join(r.Issues, ", "))
		}
		verdicts.rows = append(verdicts.rows, row)
	}
	tokens := matrixTable{title: "Tokens", header: append([]string{"tokens"}, m.columnNames()...)}
	for _, r := range m.Tokens {
		what := r.What
		if r.Endpoint != "" {
			what += ", " + r.Endpoint
		}
		row := []string{what}
		for _, c := range r.Cells {
			row = append(row, c.tokensText())
		}
		tokens.rows = append(tokens.rows, row)
	}
	windows := matrixTable{title: "Tokens in each window", header: append([]string{"asked for, admitted in windows 1, 2, 3"}, m.columnNames()...)}
	for _, r := range m.Windows {
		row := []string{r.what()}
		for _, c := range r.Cells {
			row = append(row, windowText(c))
		}
		windows.rows = append(windows.rows, row)
	}
	return []matrixTable{verdicts, tokens, windows}
}
