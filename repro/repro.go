// Package repro replays known bugs as stories: a key, what is sent when, and
// what came of it, on a model of a release, on a real one, and beside it on the
// reference, which does it right.
package repro

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/scenarios"
	"github.com/ratecheck/ratecheck/sim/litellm"
)

// Outcome is what a story came to.
type Outcome string

// The outcomes.
const (
	Reproduced    Outcome = "reproduced"
	NotReproduced Outcome = "not reproduced"
	Untold        Outcome = "could not be told"
)

// Quantity is what a story is about.
type Quantity string

// The quantities.
const (
	Tokens   Quantity = "tokens"
	Requests Quantity = "requests"
	InFlight Quantity = "in flight"
)

// Setup is a release and how it is started.
type Setup struct {
	Version string            `json:"version"`
	Redis   bool              `json:"redis,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
}

// Store names where it counts.
func (s Setup) Store() string {
	if s.Redis {
		return "Redis"
	}
	return "memory"
}

// Step is some requests that are sent at once.
type Step struct {
	Name string
	// After names the step behind whose last answer the wait begins; empty is
	// the start of the story.
	After string
	Wait  time.Duration
	// Times is how many are sent; 0 is one.
	Times int
	Shot  scenarios.Shot
	// What says what is sent.
	What string
}

// Finding is the outcome with the number behind it.
type Finding struct {
	Outcome Outcome `json:"outcome"`
	What    string  `json:"what"`
}

// Control is a variation that must not show the bug, or must show it again.
type Control struct {
	Name  string
	Setup Setup
	// Limits are those of the key; nil is those of the story.
	Limits *history.Limits
	Shows  bool
}

// Repro is a known bug with the story that shows it.
type Repro struct {
	// ID is what it is asked for by, Issues the numbers in LiteLLM's tracker;
	// none are known of some.
	ID     string
	Issues []string
	Title  string
	// Signatures are texts that people search for when they meet it.
	Signatures []string
	// Mechanism says why it happens, Expected what is right, Workaround what
	// helps until then; empty is nothing known.
	Mechanism, Expected, Workaround string
	// From is the first release that shows it, Before the first after it that
	// does not; empty is that the newest does.
	From, Before string
	// MemoryOnly says that it is not there with Redis, RedisOnly that it is not
	// there in memory.
	MemoryOnly, RedisOnly bool
	// Setup is what it is shown on where nobody says otherwise.
	Setup  Setup
	Limits history.Limits
	About  Quantity
	Steps  func(window time.Duration) []Step
	// Poll is sent again and again behind the story until it is admitted, where
	// that is asked for; nil is nothing.
	Poll *Step
	// Judge says what came of a story that was sent and answered as planned.
	Judge    func(p *Played) Finding
	Controls []Control
}

// Find returns the repros that a text means: the one of this id; those of an
// issue, written as 24677, #24677, its address or its repository's name before
// it, the one that most people come for first; or those whose title or signature
// it is part of, or which are part of it.
func Find(text string) []Repro {
	for _, r := range Catalogue() {
		if r.ID == text {
			return []Repro{r}
		}
	}
	number, asked := IssueIn(text)
	want := plain(text)
	var own, list []Repro
	for _, r := range Catalogue() {
		switch {
		case asked && r.ID == "litellm-"+number:
			own = append(own, r)
		case asked && slices.Contains(r.Issues, number):
			list = append(list, r)
		case !asked && slices.ContainsFunc(append(r.Signatures, r.Title), func(s string) bool {
			s = plain(s)
			return want != "" && (strings.Contains(s, want) || strings.Contains(want, s))
		}):
			list = append(list, r)
		}
	}
	return append(own, list...)
}

// issueShape is a text that is the number of an issue and no more.
var issueShape = regexp.MustCompile(`^(?:litellm-|[\w.-]*/?[\w.-]*#|https?://\S+/(?:issues|pull)/)?(\d+)/?$`)

// IssueIn returns the number of the issue that a text names, if it names one and
// says nothing else.
func IssueIn(text string) (number string, names bool) {
	part := issueShape.FindStringSubmatch(strings.TrimSpace(text))
	if part == nil {
		return "", false
	}
	return part[1], true
}

// plain is a text in lower case, its words with a blank between.
func plain(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), " ")
}

// Releases says in words which releases have it.
func (r Repro) Releases() string {
	span := litellm.Trait{From: r.From, Before: r.Before}.Span()
	switch {
	case r.MemoryOnly:
		return span + ", in memory"
	case r.RedisOnly:
		return span + ", with Redis"
	}
	return span
}
