// Package checker is what must hold: requirements, and pure functions from a
// history to verdicts. It opens no socket, reads no clock and knows nothing of
// who the target is.
package checker

import "github.com/ratecheck/ratecheck/history"

// Verdict is the outcome of one requirement on one scenario.
type Verdict string

// The verdicts.
const (
	// Pass: the requirement was kept.
	Pass Verdict = "PASS"
	// Fail: a MUST was broken, and the attempts named show it.
	Fail Verdict = "FAIL"
	// Warn: a SHOULD was broken, or a MUST in a way that was declared.
	Warn Verdict = "WARN"
	// Skip: the target has no such feature, or cannot be asked; the message says
	// why.
	Skip Verdict = "SKIP"
	// Inconclusive: the stimulus was not delivered, or the evidence decides
	// nothing.
	Inconclusive Verdict = "INCONCLUSIVE"
	// Error: this tool failed.
	Error Verdict = "ERROR"
)

// Level says how binding a requirement is, in the words of RFC 2119.
type Level string

// The levels.
const (
	Must   Level = "MUST"
	Should Level = "SHOULD"
)

// Layer says what a requirement is about.
type Layer string

// The layers: are the limits kept; can a client live with the answers; are the
// rate headers there, and true.
const (
	Enforcement Layer = "enforcement"
	Contract    Layer = "contract"
	Advisory    Layer = "advisory"
)

// Tolerance is a number that a requirement allows for, and why.
type Tolerance struct {
	Value  string `json:"value"`
	Reason string `json:"reason"`
}

// Requirement is one sentence that a limiter must or should keep.
type Requirement struct {
	// ID is a path, and part of the contract.
	ID       string
	Level    Level
	Layer    Layer
	Sentence string
	// Source is where the sentence comes from: an issue, an RFC, a rule.
	Source     string
	Tolerances []Tolerance

	judge func(*view) finding
}

// Result is the verdict on one requirement in one scenario.
type Result struct {
	Requirement string `json:"requirement"`
	Scenario    string `json:"scenario"`
	// Endpoint is the one that was asked, where it is not chat.
	Endpoint string  `json:"endpoint,omitempty"`
	Verdict  Verdict `json:"verdict"`
	Level    Level   `json:"level"`
	Layer    Layer   `json:"layer"`
	Sentence string  `json:"sentence"`
	Source   string  `json:"source"`
	Message  string  `json:"message"`
	Expected string  `json:"expected,omitempty"`
	Observed string  `json:"observed,omitempty"`
	// Figure is the number behind the verdict; nil where there is none.
	Figure *Figure `json:"figure,omitempty"`
	// Attempts are the few that show it.
	Attempts []int `json:"attempts"`
	// Needs are further requirements whose scenarios must be played for this
	// verdict, because they tell the class; for who reproduces it.
	Needs []string `json:"-"`
}

// Judgement is what a history shows.
type Judgement struct {
	// Class names the classes of limiter whose rules explain every admission
	// and every refusal of requests; empty where none does or none was asked.
	Class string
	// Identity says how requests and tokens are counted.
	Identity Identity
	Results  []Result
}

// finding is what a judge function says.
type finding struct {
	verdict            Verdict
	message            string
	expected, observed string
	attempts           []int
	// needs are further requirements without whose scenarios the verdict could
	// not be reached: those that tell the class.
	needs []string
	// figure is the number behind it; nil leaves it to figureOf.
	figure *Figure
}

func passed(message string) finding { return finding{verdict: Pass, message: message} }
func skipped(reason string) finding { return finding{verdict: Skip, message: reason} }
func undecided(reason string) finding {
	return finding{verdict: Inconclusive, message: reason}
}

// undecidedByClass is undecided for a limiter of a class that may do so, where
// nothing excludes that the target is of one.
func undecidedByClass(reason string) finding {
	f := undecided(reason + ", which is not excluded by what is known of the target's class")
	f.needs = asksToStand()
	return f
}

// Catalogue returns all requirements in the order in which they are reported.
func Catalogue() []Requirement {
	return join(
		requestRequirements(), tokenRequirements(), counterRequirements(),
		parallelRequirements(), slotRequirements(), isolationRequirements(), headerRequirements(), numberRequirements(), providerRequirements(), callHeaderRequirements(),
		endpointCountedRequirements(), basisRequirements(),
		refusalRequirements(), fairnessRequirements(),
		edgeRequirements(), leavingRequirements(), exactRequirements(),
		forwardingRequirements(), resetRequirements(), manyKeysRequirements(),
		quickRequirements(), namingRequirements(),
		scopeRequirements(),
	)
}

func join(groups ...[]Requirement) []Requirement {
	var all []Requirement
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// Find returns the requirement with this id.
func Find(id string) (Requirement, bool) {
	for _, r := range Catalogue() {
		if r.ID == id {
			return r, true
		}
	}
	return Requirement{}, false
}

// isRefusalStatus says whether limiters refuse by a status. 429 is the right
// one; the others are what gateways are known to use, and are named for what
// they are.
func isRefusalStatus(status int) bool {
	switch status {
	case 402, 403, 408, 412, 429, 503, 529:
		return true
	}
	return false
}

// outcome is what came of an attempt.
type outcome int

const (
	// unknown: nobody can tell whether it was admitted.
	unknown outcome = iota
	admitted
	refused
)

func (o outcome) String() string {
	return [...]string{"unknown", "admitted", "refused"}[o]
}

// outcomeOf says whether an attempt was admitted. Where the ledger is ours it
// decides; elsewhere the status does.
func outcomeOf(run history.Run, a history.Attempt, calls []history.Call) outcome {
	refusal := isRefusalStatus(a.Status) || a.ErrorEvent
	switch {
	case len(calls) > 0:
		return admitted
	case refusal:
		return refused
	case !run.Ledger && a.Status >= 200 && a.Status < 300:
		return admitted
	default:
		return unknown
	}
}
