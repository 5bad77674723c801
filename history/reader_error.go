package history

import "fmt"

// SyntaxError says which line of a history could not be taken, and why.
type SyntaxError struct {
	// Line counts from 1, blank lines included.
	Line int
	// Reason is what was found on the line.
	Reason string
	// Err is the cause where another package found it; else nil.
	Err error

	advice string
}

// Error gives the line, the reason and what to do.
func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("history: line %d: %s", e.Line, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.advice != "" {
		s += "; " + e.advice
	}
	return s
}

// Unwrap returns Err.
func (e *SyntaxError) Unwrap() error { return e.Err }

// What a person can do about a line that is refused.
const (
	adviseRestore = "only the last line of a history may be unfinished: take the file again from where it was written, or mend the line"
	adviseMend    = "mend the line, or record the run again"
	adviseRelease = "read the history with the release of ratecheck that wrote it"
	adviseNotOurs = "name a history.ndjson, or the folder of a run"
	adviseBegin   = "a history begins with its one run record: put it first, and take others out"
	adviseRerun   = "nothing was recorded before the run ended: run it again"
)
