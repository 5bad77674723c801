package reference

import (
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Deployment is one place where a model is served.
type Deployment struct {
	// ID is told in x-litellm-model-id; it must be unique.
	ID string
	// Model is what clients ask for.
	Model string
	// UpstreamModel is what the upstream is asked for; empty is what the client
	// said, or Model where the deployment stands in for another model.
	UpstreamModel string
	// Upstream is the base URL, as http://127.0.0.1:4001/v1.
	Upstream *url.URL
	// APIKey is sent upstream as a bearer token, and to Anthropic's endpoint as
	// X-Api-Key too; empty is none.
	APIKey string
	// Price is what its answers cost; nil where that is not known.
	Price *Price

	// shown is Upstream without a password, and urls are those of the endpoints
	// by their paths. They are read only.
	shown string
	urls  map[string]*url.URL
}

// prepare works out what every request to the deployment needs.
func (d *Deployment) prepare() {
	d.shown, d.urls = d.Upstream.Redacted(), map[string]*url.URL{}
	for _, e := range endpoints() {
		d.urls[e.path] = d.Upstream.JoinPath(e.path)
	}
}

// Price is in US dollars per token. What came from a cache costs what other
// input does.
type Price struct {
	Input, Output float64
}

func (p *Price) of(u usage) float64 {
	return float64(u.input)*p.Input + float64(u.output)*p.Output
}

// FailureLog counts the failures of deployments (rule 10). It may be called
// concurrently.
type FailureLog interface {
	// Failed enters a failure.
	Failed(deployment string, at time.Time)
	// Exceeds reports whether the deployment had strictly more than threshold
	// failures in the minute before at. Who gets an error enforces.
	Exceeds(deployment string, threshold int, at time.Time) (bool, error)
}

// failurePeriod is how long a failure counts (rule 10).
const failurePeriod = time.Minute

// defaultFailureThreshold is DYNAMIC_RATE_LIMIT_ERROR_THRESHOLD_PER_MINUTE where
// nobody set it (rule 10).
const defaultFailureThreshold = 1

// mostFailures bounds what is kept of one deployment: who asks for a threshold
// beyond it is told that it is not exceeded.
const mostFailures = 1024

// recentFailures is a FailureLog in memory.
type recentFailures struct {
	mu sync.Mutex
	at map[string][]time.Time // in the order in which they came
}

func (f *recentFailures) Failed(deployment string, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == nil {
		f.at = map[string][]time.Time{}
	}
	kept := since(f.at[deployment], at)
	if len(kept) >= mostFailures {
		kept = kept[1:]
	}
	f.at[deployment] = append(kept, at)
}

func (f *recentFailures) Exceeds(deployment string, threshold int, at time.Time) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(since(f.at[deployment], at)) > threshold, nil
}

// since is those times that still count.
func since(times []time.Time, now time.Time) []time.Time {
	for len(times) > 0 && now.Sub(times[0]) >= failurePeriod {
		times = times[1:]
	}
	return times
}

// step is one attempt to have a request answered.
type step struct {
	*Deployment
	// model is what the upstream is asked for; empty is what the client said.
	model string
	// retries and fallbacks are how many went before.
	retries, fallbacks int
}

// deploymentsOf are those that serve a model.
func (p *Proxy) deploymentsOf(model string) []*Deployment {
	if list := p.byModel[model]; list != nil {
		return list
	}
	return p.anyModel
}

// failing reports whether some deployment of the model fails, by rule 10: no
// model and no deployment are healthy, and what cannot be known enforces.
func (p *Proxy) failing(model string) bool {
	if model == "" {
		return false
	}
	threshold := defaultFailureThreshold
	if p.FailureThreshold != nil {
		threshold = *p.FailureThreshold
	}
	now := p.Clock.Now()
	for _, d := range p.deploymentsOf(model) {
		if failing, err := p.failures.Exceeds(d.ID, threshold, now); err != nil || failing {
			return true
		}
	}
	return false
}

// plan is the attempts that a request for a model may cost: each of the model's
// deployments in turn, with its retries, then those of the models that stand in
// for it. It is empty where nobody serves the model.
func (p *Proxy) plan(model string) []step {
	models := append([]string{model}, p.Fallbacks[model]...)
	plan := make([]step, 0, len(models)*(p.Retries+1))
	retries := 0
	for fallbacks, m := range models {
		list := p.deploymentsOf(m)
		if len(list) == 0 {
			continue
		}
		start := uint64(0)
		if len(list) > 1 {
			start = p.turn.Add(1) - 1
		}
		for attempt := range p.Retries + 1 {
			d := list[(start+uint64(attempt))%uint64(len(list))]
			s := step{Deployment: d, model: d.UpstreamModel, retries: retries + attempt, fallbacks: fallbacks}
			if s.model == "" && fallbacks > 0 {
				s.model = m
			}
			plan = append(plan, s)
		}
		retries += p.Retries
	}
	return plan
}

// isFailure reports whether an answer is a failure of the deployment that
// another one might not have, rather than one of the request.
func isFailure(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return status >= http.StatusInternalServerError || status < http.StatusOK
}
