package reports

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

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
	class := r.Target.Class
	if class == "" {
		class = "not told by this run"
	}
	t.printf("window %s, requests counted as: %s\n", time.Duration(r.Target.WindowSeconds*float64(time.Second)), class)
	t.printf("%d requests with %d keys in %s, seed %d, exit %d\n", len(h.Attempts), len(h.Keys), length(h).Round(10*time.Millisecond), r.Seed, r.Exit)
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
		rows = append(rows, []string{t.paint(result.Verdict), result.Requirement, result.Message})
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
	t.printf("\n%s %s (%s, %s) in scenario %s\n", t.paint(r.Verdict), r.Requirement, r.Level, r.Layer, r.Scenario)
	for _, line := range []struct{ name, text string }{
		{"sentence", r.Sentence}, {"source", r.Source}, {"seen", r.Message},
		{"expected", r.Expected}, {"observed", r.Observed},
	} {
		if line.text != "" {
			t.printf("  %-10s%s\n", line.name, strings.ReplaceAll(line.text, "\n", "\n            "))
		}
	}
	if err := t.evidence(r.Attempts); err != nil {
		return err
	}
	t.printf("  %-10s%s\n", "reproduce", r.Reproduce)
	return t.err
}

// evidenceRows is how many attempts are shown: a violation by many is shown by
// a few.
const evidenceRows = 12

func (t *terminal) evidence(ids []int) error {
	if len(ids) == 0 || t.err != nil {
		return t.err
	}
	var rows [][]string
	for _, id := range ids[:min(evidenceRows, len(ids))] {
		a, known := t.attempts[id]
		if !known {
			continue
		}
		rows = append(rows, []string{
			"  " + strconv.Itoa(id), a.Key, a.Step, stamp(a.Sent), stamp(a.Done), status(a), told(a),
		})
	}
	if err := Table(t.w, []string{"  attempt", "key", "step", "sent", "done", "answer", "told"}, rows); err != nil {
		return err
	}
	if more := len(ids) - evidenceRows; more > 0 {
		t.printf("  and %d more\n", more)
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
	if len(parts) == 0 && a.ErrorText != "" {
		parts = append(parts, a.ErrorText)
	}
	return strings.Join(parts, ", ")
}
