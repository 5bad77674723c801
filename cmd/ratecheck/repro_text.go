package main

import (
	"fmt"
	"strings"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/repro"
)

// reproText tells a story to a person at a terminal.
func (a *app) reproText(s *repro.Story) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n\n", s.ID, s.Title)
	fmt.Fprintf(&b, "target   %s, windows of %.0f s\nkey      %s\n\n", s.Target, s.Window, limitsInWords(s.Limits))
	if err := reports.Table(&b, timelineHeader(s), timelineRows(s)); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\n%s: %s\nreference: %s: %s\n", strings.ToUpper(string(s.Finding.Outcome)), s.Finding.What, s.Reference.Outcome, s.Reference.What)
	fmt.Fprintf(&b, "\nexpected    %s\nmechanism   %s\nreleases    %s\nway around  %s\n\n", s.Expected, s.Mechanism, s.Releases, s.Workaround)
	if err := reports.Table(&b, []string{"model", "memory", "Redis"}, shownRows(s)); err != nil {
		return err
	}
	if len(s.Controls) > 0 {
		fmt.Fprintln(&b)
		if err := reports.Table(&b, []string{"control (model)", "outcome", "what was seen"}, controlRows(s)); err != nil {
			return err
		}
	}
	fmt.Fprintf(&b, "\non a real release: %s\n", s.Real)
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}

func limitsInWords(l history.Limits) string {
	var words []string
	for _, limit := range []struct {
		value *int64
		name  string
	}{{l.Requests, "requests a window"}, {l.Tokens, "tokens a window"}, {l.Parallel, "in flight"}} {
		if limit.value != nil {
			words = append(words, fmt.Sprintf("%d %s", *limit.value, limit.name))
		}
	}
	return strings.Join(words, ", ")
}

// timelineHeader names the columns; what a limiter counts is known of a model
// alone.
func timelineHeader(s *repro.Story) []string {
	header := []string{"sent", "answered", "step", "what is sent", "answer"}
	if hasCounters(s) {
		header = append(header, string(s.Counted)+" counted", "window since")
	}
	return append(header, usedName(s), "reference")
}

func usedName(s *repro.Story) string {
	if s.Counted == repro.InFlight {
		return "truly in flight"
	}
	return "truly used in a window"
}

func hasCounters(s *repro.Story) bool {
	for _, row := range s.Timeline {
		if row.Counter != nil {
			return true
		}
	}
	return false
}

func timelineRows(s *repro.Story) [][]string {
	var rows [][]string
	for _, row := range s.Timeline {
		cells := []string{fmt.Sprintf("%.1f", row.At), fmt.Sprintf("%.1f", row.Done), row.Step, row.Sent, row.Answer}
		if hasCounters(s) {
			cells = append(cells, row.Counted(), row.Window())
		}
		rows = append(rows, append(cells, fmt.Sprint(row.Used), row.Reference))
	}
	return rows
}

func shownRows(s *repro.Story) [][]string {
	var rows [][]string
	for _, shown := range s.ShownBy {
		rows = append(rows, []string{shown.Version, string(shown.Memory), string(shown.Redis)})
	}
	return rows
}

func controlRows(s *repro.Story) [][]string {
	var rows [][]string
	for _, c := range s.Controls {
		outcome := string(c.Finding.Outcome)
		if !c.Wanted {
			outcome += " (not as it should be)"
		}
		rows = append(rows, []string{c.Name, outcome, c.Finding.What})
	}
	return rows
}
