// Package scenarios is what is sent: a few keys with known limits each, and
// steps of bursts, paces and waits. A scenario knows nothing of who the target
// is, and judges nothing: it names the requirements that each step is sent for,
// and the checker judges those from what was recorded.
package scenarios

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// Scenario is one stimulus. It plays on keys of its own, beside all others.
type Scenario struct {
	// Name is unique in the catalogue.
	Name string
	// Sentence says what is sent, for who reads a plan.
	Sentence string
	// Endpoint is the one that it asks; empty is chat.
	Endpoint string
	// Asks are the requirements it is sent for.
	Asks []string
	// NeedsProvider says that it works only with our provider behind the
	// target, because it needs known usage or the ledger.
	NeedsProvider bool
	// Owned says that its keys belong to somebody, so that it works only where
	// such keys can be made.
	Owned bool
	// OptIn is the flag without which it is not played; empty for what every run
	// plays.
	OptIn string
	// Alone says that nothing else is played beside it: it comes after all that
	// is played side by side.
	Alone bool
	// Plan is the most that it sends.
	Plan Plan
	// PlanWith is the Plan on a target whose keys all have the same limits, for
	// a scenario that plays with whatever they are; nil is Plan.
	PlanWith func(granted history.Limits) Plan
	// Play sends it. An error means that it could not be played to its end.
	Play func(ctx context.Context, s *Stage) error
}

// Plan bounds what a scenario sends.
type Plan struct {
	Keys     int
	Requests int
	// Tokens is the sum of the usage of all requests, were all admitted.
	Tokens int64
	// Windows is how long it takes, in windows; Seconds come on top.
	Windows float64
	Seconds float64
}

// Add is the plan of both played side by side.
func (p Plan) Add(o Plan) Plan {
	return Plan{
		Keys: p.Keys + o.Keys, Requests: p.Requests + o.Requests, Tokens: p.Tokens + o.Tokens,
		Windows: max(p.Windows, o.Windows), Seconds: max(p.Seconds, o.Seconds),
	}
}

// Then is the plan of p and, when it is over, o.
func (p Plan) Then(o Plan) Plan {
	return Plan{
		Keys: p.Keys + o.Keys, Requests: p.Requests + o.Requests, Tokens: p.Tokens + o.Tokens,
		Windows: p.Windows + o.Windows, Seconds: p.Seconds + o.Seconds,
	}
}

// Total is the plan of a run of these scenarios.
func Total(all []Scenario) Plan {
	var together, after Plan
	for _, s := range all {
		if s.Alone {
			after = after.Then(s.Plan)
		} else {
			together = together.Add(s.Plan)
		}
	}
	return together.Then(after)
}

// Duration is how long the plan takes on a target with this window.
func (p Plan) Duration(window time.Duration) time.Duration {
	return time.Duration(p.Windows*float64(window)) + time.Duration(p.Seconds*float64(time.Second))
}

// Options change what the scenarios of a catalogue send.
type Options struct {
	// Windows is for how many windows drift/steady-state goes on; less than 2 is
	// SteadyWindows.
	Windows int
}

// OptIns returns the scenarios that a run plays only where a flag asks for them.
func OptIns() []Scenario { return []Scenario{isolationManyKeys()} }

// Catalogue returns the scenarios that every run plays, as they are sent where nobody says otherwise.
func Catalogue() []Scenario { return CatalogueWith(Options{}) }

// CatalogueWith returns all scenarios, the longest first, so that the run ends
// with it.
func CatalogueWith(o Options) []Scenario {
	if o.Windows < 2 {
		o.Windows = SteadyWindows
	}
	return slices.Concat([]Scenario{
		tokensLockout(),
		requestsWindows(),
		driftSteady(o.Windows),
		tokensSequential(),
		requestsSilence(),
		tokensConcurrent(),
		tokensSlowAnswer(),
		refundUpstreamError(),
		countedRest(),
		countedStreams(),
		parallelBursts(),
		isolationKeys(),
		answersQuiet(),
		refusalFree(),
		estimateEdges(),
		parallelFreed(),
		parallelEdge(),
		refusalRetry(),
		requestsStraddle(),
		refundNextWindow(),
		refundDisconnect(),
		refundOnce(),
		driftEdge(),
		endpointCompletions(),
		endpointEmbeddings(),
		endpointResponses(),
		endpointMessages(),
		forwardingBodies(),
	}, scopeScenarios())
}

// ForEndpoints keeps the scenarios that ask one of these endpoints.
func ForEndpoints(all []Scenario, endpoints []string) []Scenario {
	return slices.DeleteFunc(slices.Clone(all), func(s Scenario) bool {
		return !slices.Contains(endpoints, cmp.Or(s.Endpoint, history.Chat))
	})
}

// OtherEndpoints are the endpoints beside chat that these scenarios ask, in the
// order in which they are named.
func OtherEndpoints(all []Scenario) []string {
	return slices.DeleteFunc(history.Endpoints(), func(name string) bool {
		return !slices.ContainsFunc(all, func(s Scenario) bool { return s.Endpoint == name })
	})
}

// ForRequirements keeps the scenarios that ask a wanted requirement, and of
// their Asks the wanted ones.
func ForRequirements(all []Scenario, wanted func(id string) bool) []Scenario {
	var kept []Scenario
	for _, s := range all {
		s.Asks = slices.DeleteFunc(slices.Clone(s.Asks), func(id string) bool { return !wanted(id) })
		if len(s.Asks) > 0 {
			kept = append(kept, s)
		}
	}
	return kept
}

// slack is how long after a window's end its successor is asked for: past the
// clock's uncertainty and the windows of limiters that charge a little late,
// well within the next window.
func slack(window time.Duration) time.Duration {
	const least = 600 * time.Millisecond // an asynchronous charge takes up to 0.5 s
	return max(least, window/8)
}

// settleTime is how long a limiter that charges after the answer may take to do
// so before a counter is read: 0.2 to 0.5 s were measured.
const settleTime = 600 * time.Millisecond

func limit(n int64) *int64 { return &n }
