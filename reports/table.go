package reports

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// columnWidth is where a cell is wrapped: a row with an id, a verdict and one
// such cell fits a terminal of 120 columns.
const columnWidth = 72

// Table writes a table without a frame, so that its lines can be copied and
// compared: no line ends in blanks.
func Table(w io.Writer, header []string, rows [][]string) error {
	return indentedTable(w, "", header, rows)
}

func indentedTable(w io.Writer, indent string, header []string, rows [][]string) error {
	var laid bytes.Buffer
	t := tablewriter.NewTable(&laid,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone,
			Symbols: tw.NewSymbols(tw.StyleASCII),
			Settings: tw.Settings{
				Lines:      tw.LinesNone,
				Separators: tw.Separators{BetweenRows: tw.Off, BetweenColumns: tw.Off},
			},
		})),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithRowAutoWrap(tw.WrapNormal),
		tablewriter.WithRowMaxWidth(columnWidth),
		tablewriter.WithTrimSpace(tw.On),
	)
	t.Header(header)
	for _, row := range rows {
		if err := t.Append(row); err != nil {
			return fmt.Errorf("laying out a table: %w", err)
		}
	}
	if err := t.Render(); err != nil {
		return fmt.Errorf("laying out a table: %w", err)
	}
	for line := range strings.Lines(laid.String()) {
		// Each cell is padded by a blank on either side.
		line = strings.TrimRight(strings.TrimPrefix(line, " "), " \n")
		if _, err := fmt.Fprintln(w, strings.TrimRight(indent+line, " ")); err != nil {
			return fmt.Errorf("writing a table: %w", err)
		}
	}
	return nil
}
