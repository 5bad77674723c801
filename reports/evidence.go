package reports

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
)

// isTrouble says whether a result is told at length: what is kept, was not asked
// or is known to fail is told in a line.
func (r Result) isTrouble() bool {
	return r.Verdict != checker.Pass && r.Verdict != checker.Skip && r.Verdict != XFail
}

// summary is what is said of a result in a line: what was seen, or why a failure
// is known.
func (r Result) summary() string {
	if r.Verdict == XFail && r.Known != nil {
		return "known to fail: " + r.Known.Reason
	}
	return r.Message
}

type field struct{ name, text string }

// fields are what is told of a result at length, before its attempts; those
// without a text are left out by who writes them.
func (r Result) fields(report Report) []field {
	list := []field{
		{"sentence", r.Sentence}, {"source", r.Source}, {"seen", r.Message},
		{"expected", r.Expected}, {"observed", r.Observed},
	}
	if r.Verdict == XPass && r.Known != nil {
		list = append(list, field{"listed", r.Known.Reason}, field{"now", report.remedy(r.Known)})
	}
	return list
}

// title names what was tested.
func (r Report) title() string {
	what := cmp.Or(r.Target.URL, "a recorded run")
	if r.Target.Name != "" {
		what += " (" + strings.TrimSpace(r.Target.Name+" "+r.Target.Version) + ")"
	}
	return what
}

// circumstances are lines on how the report came to be.
func (r Report) circumstances(h *history.History) []string {
	lines := []string{fmt.Sprintf("window %s", time.Duration(r.Target.WindowSeconds*float64(time.Second)))}
	lines = append(lines, Identity(r.Target.Identity)...)
	lines = append(lines, fmt.Sprintf("%d requests with %d keys in %s, seed %d, exit %d", len(h.Attempts), len(h.Keys), length(h).Round(10*time.Millisecond), r.Seed, r.Exit))
	if r.Exit == ExitInterrupted {
		lines = append(lines, "the run was interrupted: what had not come to its end decides nothing")
	}
	if h.Torn > 0 {
		lines = append(lines, fmt.Sprintf("the history's last line is torn: %d bytes were left out", h.Torn))
	}
	return lines
}

func length(h *history.History) time.Duration {
	var end time.Duration
	for _, a := range h.Attempts {
		end = max(end, a.Done)
	}
	return end
}

// cell is the summary where several lines have room: a message that lists
// several things has a line for each.
func (r Result) cell() string {
	if r.Verdict == XFail {
		return r.summary()
	}
	return strings.Join(parts(r.Message), "\n")
}

// attempts are a history's attempts by id.
type attempts map[int]history.Attempt

func attemptsOf(h *history.History) attempts {
	byID := attempts{}
	for _, a := range h.Attempts {
		byID[a.ID] = a
	}
	return byID
}

// evidenceRows is how many attempts are shown: a violation by many is shown by
// a few.
const evidenceRows = 12

func evidenceHeader() []string {
	return []string{"id", "key", "step", "sent", "done", "answer", "told"}
}

// rows tells the attempts that show a result, each cell as it was recorded: its
// reader must keep what the target answered from being more than text.
func (a attempts) rows(ids []int) [][]string {
	var rows [][]string
	for _, id := range ids[:min(evidenceRows, len(ids))] {
		if one, known := a[id]; known {
			rows = append(rows, []string{
				strconv.Itoa(id), one.Key, one.Step, stamp(one.Sent), stamp(one.Done), status(one), told(one),
			})
		}
	}
	return rows
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
	if len(parts) == 0 {
		parts = append(parts, cmp.Or(a.ErrorText, shortened(a.Excerpt)))
	}
	return strings.Join(parts, ", ")
}

// excerptWidth is how much of a body is shown of an answer that told nothing
// else.
const excerptWidth = 60

func shortened(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > excerptWidth {
		return string(runes[:excerptWidth-1]) + "…"
	}
	return text
}
