// Package reports is what people read: every report is a pure function of the
// verdicts and the history they were drawn from.
package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
)

// Schema is the version of the JSON report.
const Schema = "ratecheck.report/v1"

// Target says what was tested. Name and Version are what the target says of
// itself, empty where it says nothing.
type Target struct {
	URL           string  `json:"url"`
	Name          string  `json:"name"`
	Version       string  `json:"version"`
	Class         string  `json:"class"`
	WindowSeconds float64 `json:"window_seconds"`
	// Identity is how the target was seen to count.
	Identity checker.Identity `json:"identity"`
}

// Result is a verdict with the command that reproduces it.
type Result struct {
	checker.Result
	Reproduce string `json:"reproduce"`
	// LooksLike is the known defect of the target's release that breaks this
	// requirement; nil where none is known.
	LooksLike *Defect `json:"looks_like,omitempty"`
	// Known is the entry that lists the result as known to fail; nil where none
	// does.
	Known *Known `json:"known,omitempty"`
}

// name is the requirement, and the endpoint where it is not chat.
func (r Result) name() string {
	if r.Endpoint == "" {
		return r.Requirement
	}
	return r.Requirement + "@" + r.Endpoint
}

// Summary counts the results by verdict.
type Summary struct {
	Pass         int `json:"pass"`
	Fail         int `json:"fail"`
	Warn         int `json:"warn"`
	Skip         int `json:"skip"`
	Inconclusive int `json:"inconclusive"`
	Error        int `json:"error"`
	XFail        int `json:"xfail"`
	XPass        int `json:"xpass"`
}

// Report is what a run found.
type Report struct {
	Schema string `json:"schema"`
	// Command is the run that made the history, without what it selected.
	Command string   `json:"command"`
	Seed    uint64   `json:"seed"`
	Target  Target   `json:"target"`
	Results []Result `json:"results"`
	// Tokens is how exactly token limits were kept, where that was measured.
	Tokens  []checker.WindowTokens `json:"tokens,omitempty"`
	Summary Summary                `json:"summary"`
	Exit    int                    `json:"exit"`
}

// The exit codes of a judgement. A proven violation weighs more than what could
// not be told; a fault of this tool more than either.
const (
	ExitKept         = 0
	ExitFailed       = 1
	ExitInconclusive = 2
	ExitError        = 5
	ExitInterrupted  = 130
)

// New judges a history and makes the report. url and command are what the
// history does not hold: where the target was, and how it was run; empty where
// nobody knows.
func New(h *history.History, url, command string) Report {
	judgement := checker.Judge(h)
	if command == "" {
		command = "ratecheck run URL"
	}
	name, version := product(h)
	r := Report{
		Schema: Schema, Command: command, Seed: h.Run.Seed,
		Target:  Target{URL: url, Name: name, Version: version, Class: judgement.Class, WindowSeconds: h.Run.Window.Seconds(), Identity: judgement.Identity},
		Results: []Result{}, Tokens: checker.TokensByWindow(h),
	}
	for _, result := range judgement.Results {
		only := strings.Join(append([]string{result.Requirement}, result.Needs...), ",")
		reproduce := fmt.Sprintf("%s --only %s%s --seed %d", command, only, endpointsFlag(result), h.Run.Seed)
		result.Needs = nil // told by the command
		r.Results = append(r.Results, Result{
			Result:    result,
			Reproduce: reproduce,
			LooksLike: LooksLike(name, version, result),
		})
		r.Summary.add(result.Verdict)
	}
	r.Exit = exitOf(r.Summary)
	for _, end := range h.Ends {
		if end.Interrupted {
			r.Exit = ExitInterrupted
		}
	}
	return r
}

// endpointsFlag keeps the other endpoints out of what reproduces a result of one
// beside chat. What it needs is asked of chat.
func endpointsFlag(r checker.Result) string {
	switch {
	case r.Endpoint == "":
		return ""
	case len(r.Needs) > 0:
		return " --endpoints " + history.Chat + "," + r.Endpoint
	default:
		return " --endpoints " + r.Endpoint
	}
}

func (s *Summary) add(v checker.Verdict) {
	switch v {
	case checker.Pass:
		s.Pass++
	case checker.Fail:
		s.Fail++
	case checker.Warn:
		s.Warn++
	case checker.Skip:
		s.Skip++
	case checker.Inconclusive:
		s.Inconclusive++
	case XFail:
		s.XFail++
	case XPass:
		s.XPass++
	default:
		s.Error++
	}
}

func exitOf(s Summary) int {
	switch {
	case s.Error > 0:
		return ExitError
	case s.Fail+s.XPass > 0:
		return ExitFailed
	case s.Inconclusive > 0 || s.Pass+s.Warn+s.XFail == 0:
		return ExitInconclusive
	default:
		return ExitKept
	}
}

// product reads from the answers who the target says it is. The reference tells
// its version under LiteLLM's name too, for who reads that, and beside it its
// own.
func product(h *history.History) (name, version string) {
	for _, a := range h.Attempts {
		if v := a.Header["x-ratecheck-version"]; v != "" {
			return "ratecheck reference", v
		}
		if v := a.Header["x-litellm-version"]; v != "" {
			return "LiteLLM", v
		}
	}
	return "", ""
}

// JSON writes the report for machines. Its schema is Schema's; see
// report.schema.json.
func JSON(w io.Writer, r Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("writing the JSON report: %w", err)
	}
	return nil
}

// Parse reads a report that JSON wrote.
func Parse(r io.Reader) (Report, error) {
	var report Report
	if err := json.NewDecoder(r).Decode(&report); err != nil {
		return report, fmt.Errorf("reading a JSON report: %w", err)
	}
	if report.Schema != Schema {
		return report, fmt.Errorf("reading a JSON report: its schema is %q, this version knows %q", report.Schema, Schema)
	}
	return report, nil
}

// counts is the summary in words, the bad first.
func (s Summary) counts() string {
	var parts []string
	for _, c := range []struct {
		n    int
		name string
	}{
		{s.Error, "ERROR"}, {s.Fail, "FAIL"}, {s.XPass, "XPASS"}, {s.Inconclusive, "INCONCLUSIVE"},
		{s.Warn, "WARN"}, {s.XFail, "XFAIL"}, {s.Skip, "SKIP"}, {s.Pass, "PASS"},
	} {
		if c.n > 0 {
			parts = append(parts, strconv.Itoa(c.n)+" "+c.name)
		}
	}
	if len(parts) == 0 {
		return "nothing was judged"
	}
	return strings.Join(parts, ", ")
}
