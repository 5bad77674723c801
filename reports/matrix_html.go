package reports

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed matrix.html
var matrixPage string

// page is what matrix.html shows. All of it is text: the template escapes it.
type page struct {
	Command      string
	Columns      []string
	Headings     []string
	Rows, Tokens []pageRow
	Windows      []pageRow
	Notes        []string
}

type pageRow struct {
	Name, What, Issues string
	Cells              []pageCell
}

type pageCell struct{ Class, Title, Text string }

// MatrixHTML writes a matrix as one page that needs nothing else. What was seen
// stands in the titles of the cells.
func MatrixHTML(w io.Writer, m Matrix) error {
	p := page{Command: Printable(m.Command), Columns: m.columnNames()}
	for _, c := range m.Columns {
		p.Headings = append(p.Headings, Printable(c.heading()))
	}
	for _, n := range m.notes() {
		p.Notes = append(p.Notes, Printable(n.String()))
	}
	for _, r := range m.Rows {
		row := pageRow{Name: r.name(), What: r.What, Issues: strings.Join(r.Issues, ", ")}
		for _, c := range r.Cells {
			row.Cells = append(row.Cells, pageCell{string(c.Verdict), Printable(c.Message), c.text()})
		}
		p.Rows = append(p.Rows, row)
	}
	for _, r := range m.Tokens {
		row := pageRow{What: r.What}
		if r.Endpoint != "" {
			row.What += ", " + r.Endpoint
		}
		for _, c := range r.Cells {
			row.Cells = append(row.Cells, pageCell{string(c.Verdict), Printable(c.Message), c.tokensText()})
		}
		p.Tokens = append(p.Tokens, row)
	}
	for _, r := range m.Windows {
		row := pageRow{What: r.what()}
		for _, c := range r.Cells {
			row.Cells = append(row.Cells, pageCell{Text: windowText(c)})
		}
		p.Windows = append(p.Windows, row)
	}
	t, err := template.New("matrix").Parse(matrixPage)
	if err != nil {
		return fmt.Errorf("reading the page of the matrix: %w", err)
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("writing the HTML matrix: %w", err)
	}
	return nil
}
