package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reports"
)

// The formats of a report.
const (
	formatText     = "text"
	formatJSON     = "json"
	formatJUnit    = "junit"
	formatMarkdown = "markdown"
)

func formats() []string { return []string{formatText, formatJSON, formatJUnit, formatMarkdown} }

// reportFlags are the flags of every command that prints a report.
type reportFlags struct {
	format       string
	noColor      bool
	knownFailing string
}

func (f *reportFlags) addTo(flags *pflag.FlagSet) {
	flags.StringVar(&f.format, "format", formatText, "what is printed: "+strings.Join(formats(), ", "))
	flags.BoolVar(&f.noColor, "no-color", false, "no colours (also by NO_COLOR)")
	flags.StringVar(&f.knownFailing, "known-failing", "", "what `FILE` lists must fail (XFAIL), and is told when it passes (XPASS, exit 1);\n"+
		"an entry a line: PATTERN [until=YYYY-MM-DD] # reason; PATTERN is a requirement, * is any\n"+
		"text, ID@ENDPOINT is one endpoint alone; a pattern says of all that it matches that it fails")
}

// readReportFlags refuses a format that is not known and reads the list of known
// failures: both before anything is sent or judged.
func (a *app) readReportFlags(f reportFlags) (reports.KnownFailures, error) {
	var none reports.KnownFailures
	if !slices.Contains(formats(), f.format) {
		return none, usageError("--format %q is not known; there are %s", f.format, strings.Join(formats(), ", "))
	}
	if f.knownFailing == "" {
		return none, nil
	}
	file, err := os.Open(f.knownFailing)
	if err != nil {
		return none, usageError("opening the list of --known-failing: %w", err)
	}
	defer func() { _ = file.Close() }()
	known, err := reports.ParseKnownFailures(file, f.knownFailing, a.clock.Now())
	if err != nil {
		return none, usageError("--known-failing: %w", err)
	}
	return known, nil
}

// render prints a report and ends with its exit code.
func (a *app) render(r reports.Report, h *history.History, f reportFlags) error {
	if err := a.print(r, h, f); err != nil {
		return err
	}
	if r.Exit != reports.ExitKept {
		return exitWith(r.Exit, nil)
	}
	return nil
}

func (a *app) print(r reports.Report, h *history.History, f reportFlags) error {
	color := !f.noColor && a.getenv("NO_COLOR") == "" && a.isTerminal(a.stdout)
	if err := write(a.stdout, r, h, f.format, color); err != nil {
		return exitWith(reports.ExitError, err)
	}
	return nil
}

func write(w io.Writer, r reports.Report, h *history.History, format string, color bool) error {
	switch format {
	case formatJSON:
		return reports.JSON(w, r)
	case formatJUnit:
		return reports.JUnit(w, r, h)
	case formatMarkdown:
		return reports.Markdown(w, r, h)
	default:
		return reports.Terminal(w, r, h, color)
	}
}

// writeReports writes report.json into a run's folder, and beside it the report
// in the format that was asked for where its readers want a file.
func writeReports(dir string, r reports.Report, h *history.History, format string) error {
	files := []struct{ name, format string }{{reportFile, formatJSON}}
	switch format {
	case formatJUnit:
		files = append(files, struct{ name, format string }{junitFile, format})
	case formatMarkdown:
		files = append(files, struct{ name, format string }{markdownFile, format})
	}
	for _, f := range files {
		var text bytes.Buffer
		if err := write(&text, r, h, f.format, false); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), text.Bytes(), 0o644); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	}
	return nil
}
