package reports

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
)

// MatrixSchema is the version of the JSON matrix.
const MatrixSchema = "ratecheck.matrix/v1"

// Judged is a target of a matrix.
type Judged struct {
	Name string
	// Report is what a run found; nil where none could be made.
	Report *Report
	// Problem says why there is no report, or why it is not whole.
	Problem string
	// Model says that a model of the target was run in its place.
	Model bool
}

// Matrix holds requirements against targets.
type Matrix struct {
	Schema string `json:"schema"`
	// Command made it.
	Command string         `json:"command"`
	Columns []MatrixColumn `json:"columns"`
	Rows    []MatrixRow    `json:"rows"`
	// Tokens is how exactly tokens are limited and counted.
	Tokens []MatrixRow `json:"tokens"`
	// Windows is how many tokens were admitted in each window.
	Windows []WindowRow `json:"windows,omitempty"`
}

// WindowRow is one way in which tokens were asked for, a cell for each column.
type WindowRow struct {
	Way          string `json:"way"`
	RequestLimit bool   `json:"request_limit"`
	// Cells are nil where the target was not asked.
	Cells []*checker.WindowTokens `json:"cells"`
}

// MatrixColumn is one target.
type MatrixColumn struct {
	Name string `json:"name"`
	// Product and Version are what the target says of itself.
	Product       string  `json:"product"`
	Version       string  `json:"version"`
	WindowSeconds float64 `json:"window_seconds"`
	Summary       Summary `json:"summary"`
	// Reproduce is the run that made the column; empty where none was.
	Reproduce string `json:"reproduce,omitempty"`
	Problem   string `json:"problem,omitempty"`
	// Model says that the column is of a model of the release, and not of the
	// release itself.
	Model bool `json:"model,omitempty"`
}

// MatrixRow is one requirement at one endpoint, a cell for each column.
type MatrixRow struct {
	Requirement string `json:"requirement"`
	// Endpoint is empty for chat.
	Endpoint string `json:"endpoint,omitempty"`
	// What says in words what is measured.
	What  string       `json:"what"`
	Cells []MatrixCell `json:"cells"`
	// Issues are the known defects that the cells look like.
	Issues []string `json:"issues,omitempty"`
}

// MatrixCell is a verdict. It is empty where the target was not asked.
type MatrixCell struct {
	Verdict checker.Verdict `json:"verdict,omitempty"`
	Figure  *checker.Figure `json:"figure,omitempty"`
	Message string          `json:"message,omitempty"`
}

// name is what rows of one matrix are told apart by.
func (r MatrixRow) name() string {
	return Result{Result: checker.Result{Requirement: r.Requirement, Endpoint: r.Endpoint}}.name()
}

// text is a cell in a word or two.
func (c MatrixCell) text() string {
	switch {
	case c.Verdict == "":
		return "-"
	case c.Figure == nil:
		return string(c.Verdict)
	}
	return string(c.Verdict) + " " + c.Figure.String()
}

// NewMatrix lays reports side by side. A requirement that several scenarios of a
// target asked has the worst of their verdicts.
func NewMatrix(command string, targets []Judged) Matrix {
	m := Matrix{Schema: MatrixSchema, Command: command, Columns: []MatrixColumn{}, Rows: []MatrixRow{}, Tokens: []MatrixRow{}}
	type place struct{ requirement, endpoint string }
	var places []place
	for _, t := range targets {
		c := MatrixColumn{Name: t.Name, Problem: t.Problem, Model: t.Model}
		if t.Report != nil {
			c.Product, c.Version = t.Report.Target.Name, t.Report.Target.Version
			c.WindowSeconds, c.Summary = t.Report.Target.WindowSeconds, t.Report.Summary
			c.Reproduce = t.Report.Command
			for _, r := range t.Report.Results {
				if p := (place{r.Requirement, r.Endpoint}); !slices.Contains(places, p) {
					places = append(places, p)
				}
			}
		}
		m.Columns = append(m.Columns, c)
	}
	catalogue := checker.Catalogue()
	order := func(id string) int { // what is not known comes last
		at := slices.IndexFunc(catalogue, func(r checker.Requirement) bool { return r.ID == id })
		return (at + len(catalogue) + 1) % (len(catalogue) + 1)
	}
	slices.SortStableFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(order(a.requirement), order(b.requirement)), cmp.Compare(a.endpoint, b.endpoint))
	})
	for _, p := range places {
		row := MatrixRow{Requirement: p.requirement, Endpoint: p.endpoint}
		if r, known := checker.Find(p.requirement); known {
			row.What = r.Sentence
		}
		for _, t := range targets {
			row.add(t.Report)
		}
		m.Rows = append(m.Rows, row)
	}
	m.Tokens = tokenRows(m.Rows)
	m.Windows = windowRows(targets)
	return m
}

// windowRows are the ways in which any target was asked.
func windowRows(targets []Judged) (rows []WindowRow) {
	for _, way := range history.TokensByWindowWays() {
		for _, both := range []bool{false, true} {
			row, measured := WindowRow{Way: way, RequestLimit: both}, false
			for _, t := range targets {
				var cell *checker.WindowTokens
				if t.Report != nil {
					for _, w := range t.Report.Tokens {
						if w.Way == way && w.RequestLimit == both {
							cell, measured = &w, true
						}
					}
				}
				row.Cells = append(row.Cells, cell)
			}
			if measured {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// what is the row in words.
func (r WindowRow) what() string {
	way := map[string]string{
		history.InTurn: "one after another", history.AtOnce: "all at once", history.Streams: "streams, one after another",
	}[r.Way]
	if r.RequestLimit {
		return way + ", a request limit beside"
	}
	return way
}

// windowText is a cell of that table: what was admitted in each window.
func windowText(w *checker.WindowTokens) string {
	if w == nil {
		return "-"
	}
	var parts []string
	for _, n := range w.Admitted {
		if n < 0 {
			parts = append(parts, "?")
			continue
		}
		parts = append(parts, strconv.FormatInt(n, 10))
	}
	return strings.Join(parts, ", ") + " of " + strconv.FormatInt(w.Limit, 10)
}

// add appends the cell of a target.
func (r *MatrixRow) add(report *Report) {
	var cell MatrixCell
	if report != nil {
		for _, result := range report.Results {
			if result.Requirement != r.Requirement || result.Endpoint != r.Endpoint {
				continue
			}
			if cell.Verdict == "" || badness(result.Verdict) > badness(cell.Verdict) {
				cell = MatrixCell{Verdict: result.Verdict, Figure: result.Figure, Message: result.Message}
			}
			if d := result.LooksLike; d != nil && d.Issue != "" && !slices.Contains(r.Issues, d.Issue) {
				r.Issues = append(r.Issues, d.Issue)
			}
		}
	}
	r.Cells = append(r.Cells, cell)
}

// badness orders verdicts: what is proven weighs more than what is not told.
func badness(v checker.Verdict) int {
	return slices.Index([]checker.Verdict{checker.Skip, checker.Pass, checker.Warn, checker.Inconclusive, checker.Error, checker.Fail}, v)
}

// tokenRows are the rows that measure tokens against tokens, in words.
func tokenRows(rows []MatrixRow) []MatrixRow {
	tokens := []MatrixRow{}
	for _, about := range []struct{ requirement, what string }{
		{"tokens/limit-kept", "one client, one by one: admitted of the limit in the first window"},
		{"tokens/limit-kept-concurrent", "a burst over a slow upstream: admitted of the limit"},
		{"drift/remaining-matches-usage", "plain answers: charged of what was used"},
		{"tokens/streams-counted", "streams: charged of what was used"},
		{"tokens/streams-without-usage-counted", "streams that tell no usage: charged of what was used"},
		{"refund/unused-estimate", "answers shorter than estimated: charged of what was used"},
	} {
		for _, r := range rows {
			measured := func(c MatrixCell) bool {
				return c.Figure != nil && c.Figure.Unit == checker.UnitTokens && c.Figure.Of > 0
			}
			if r.Requirement == about.requirement && slices.ContainsFunc(r.Cells, measured) {
				r.What = about.what
				tokens = append(tokens, r)
			}
		}
	}
	return tokens
}

// tokensText is a cell of the table of tokens: so many of so many.
func (c MatrixCell) tokensText() string {
	if c.Figure == nil || c.Figure.Of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f of %.0f (%.2fx)", c.Figure.Value, c.Figure.Of, c.Figure.Value/c.Figure.Of)
}

// note is what a matrix cannot show in a cell.
type note struct{ column, about, text string }

// notes are the problems of columns, and why what was not told was not.
func (m Matrix) notes() []note {
	var list []note
	for _, c := range m.Columns {
		if c.Problem != "" {
			list = append(list, note{c.Name, "", c.Problem})
		}
	}
	for _, r := range m.Rows {
		for i, c := range r.Cells {
			if c.Verdict == checker.Inconclusive || c.Verdict == checker.Error {
				list = append(list, note{m.Columns[i].Name, r.name(), c.Message})
			}
		}
	}
	return list
}

func (m Matrix) columnNames() []string {
	var names []string
	for _, c := range m.Columns {
		names = append(names, Printable(c.Name))
	}
	return names
}

// MatrixJSON writes a matrix for machines.
func MatrixJSON(w io.Writer, m Matrix) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		return fmt.Errorf("writing the JSON matrix: %w", err)
	}
	return nil
}
