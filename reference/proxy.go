package reference

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

// Bounds of the proxy. They keep one client from taking the process's memory.
const (
	// MaxRequestBody is the largest request that is read; larger ones get 413.
	MaxRequestBody = 16 << 20
	// MaxAnswerBody is the largest answer that is held to be read for usage.
	MaxAnswerBody = 64 << 20
)

// ProxyConfig is what a Proxy is made of. All below Window may be left out.
type ProxyConfig struct {
	Clock clock.Clock
	Store Store
	Keys  Keys
	// Upstream is the base URL of the provider that serves every model that no
	// deployment has, as http://127.0.0.1:4001/v1. It may be nil where there are
	// Deployments; then other models are answered 404.
	Upstream *url.URL
	// Transport carries the calls to the upstream.
	Transport http.RoundTripper
	// Window is the length of the windows, more than 0.
	Window time.Duration
	// Models are what /v1/models lists.
	Models []string

	// Directory knows end users and agents; nil knows none.
	Directory Directory
	// TokenBasis is which tokens the limits count (rule 13).
	TokenBasis TokenBasis
	// Deny is what no text of a request may fit; nil denies nothing (rule 16).
	Deny *regexp.Regexp
	// CapOutput caps the output of requests that name no maximum (rule 18).
	CapOutput bool

	// Deployments serve models, several of one model in turn.
	Deployments []Deployment
	// Retries is how often a request that a deployment failed is tried again,
	// per model; 0 or more.
	Retries int
	// Fallbacks are the models that stand in for a model, in their order.
	Fallbacks map[string][]string
	// FailureThreshold is how many failures a minute a deployment may have and
	// be healthy (rule 10); nil is 1.
	FailureThreshold *int
	// Failures counts failures of deployments; nil counts them in this process.
	Failures FailureLog

	// Version is told to clients; empty is not told.
	Version string
	// NewID draws the ids of calls; nil is no id. It may be called concurrently.
	NewID func() string
	// Spent is told what a key's request cost in US dollars, where a deployment
	// has a price; nil is told nothing. It may be called concurrently.
	Spent func(keyHash string, usd float64)
	// OnFault is told what fails in the limiter after a request was admitted
	// (rule 22), always a *LimiterFault; nil is told nothing. It may be called
	// concurrently, and must not panic.
	OnFault func(error)
}

// Proxy is a proxy that limits its keys. It speaks OpenAI's chat completions,
// text completions, embeddings and responses, and Anthropic's messages.
type Proxy struct {
	ProxyConfig
	mux      *http.ServeMux
	failures FailureLog
	byModel  map[string][]*Deployment
	anyModel []*Deployment
	turn     atomic.Uint64 // which of a model's deployments is next
	renewals renewals
}

// defaultDeployment is the id of the one that ProxyConfig.Upstream is.
const defaultDeployment = "default"

// NewProxy returns a proxy. The configuration must be complete.
func NewProxy(c ProxyConfig) *Proxy {
	p := &Proxy{ProxyConfig: c, mux: http.NewServeMux(), failures: c.Failures, byModel: map[string][]*Deployment{}, renewals: renewals{clock: c.Clock}}
	if p.failures == nil {
		p.failures = &recentFailures{}
	}
	for _, deployment := range c.Deployments {
		d := &deployment
		d.prepare()
		p.byModel[d.Model] = append(p.byModel[d.Model], d)
	}
	if c.Upstream != nil {
		d := &Deployment{ID: defaultDeployment, Upstream: c.Upstream}
		d.prepare()
		p.anyModel = []*Deployment{d}
	}
	route := func(method, path string, serve http.HandlerFunc) {
		p.mux.HandleFunc(method+" "+path, serve)
		p.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", method)
			p.reject(w, r, http.StatusMethodNotAllowed, "send "+method+" to "+r.URL.Path+", not "+r.Method)
		})
	}
	for _, e := range endpoints() {
		serve := func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, e) }
		route(http.MethodPost, "/v1/"+e.path, serve)
		if "/v1/"+e.path != messagesPath { // Anthropic's clients know no other path
			route(http.MethodPost, "/"+e.path, serve)
		}
	}
	route(http.MethodGet, "/v1/models", p.serveModels)
	p.mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	p.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.reject(w, r, http.StatusNotFound, "no such endpoint: "+r.Method+" "+r.URL.Path)
	})
	return p
}

// ServeHTTP answers as the proxy.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.tellCall(w.Header())
	p.mux.ServeHTTP(w, r)
}

func (p *Proxy) serveModels(w http.ResponseWriter, r *http.Request) {
	c, ok := p.authorize(w, r)
	if !ok {
		return
	}
	p.showRates(w, &c)
	type model struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		OwnedBy string `json:"owned_by"`
	}
	list := []model{}
	for _, id := range p.Models {
		if c.allows(id) {
			list = append(list, model{ID: id, Object: "model", OwnedBy: "ratecheck"})
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": list})
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	h := &held{proxy: p, endpoint: e, shape: shapeOf(r), client: r.Context(), arrived: p.Clock.Now()}
	var ok bool
	if h.caller, ok = p.authorize(w, r); !ok {
		return
	}
	body, err := readAll(http.MaxBytesReader(w, r.Body, MaxRequestBody), r.ContentLength)
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			p.reject(w, r, http.StatusRequestEntityTooLarge, "the body is larger than 16 MiB")
			return
		}
		p.reject(w, r, http.StatusBadRequest, "the body could not be read: "+err.Error())
		return
	}
	a, err := e.content.from(body)
	if err != nil {
		p.reject(w, r, http.StatusBadRequest, err.Error())
		return
	}
	n := a.named()
	h.plan = p.plan(n.model)
	tellModelGroup(w.Header(), n.model)
	switch {
	case !h.caller.allows(n.model):
		p.rejectAs(w, r, http.StatusForbidden, "permission_error", "the key may not use the model "+strconv.Quote(n.model))
		return
	case len(h.plan) == 0:
		p.reject(w, r, http.StatusNotFound, "no deployment serves the model "+strconv.Quote(n.model))
		return
	}
	h.items = p.resolve(&h.caller, n, p.failing)
	smallest := smallestTokenLimit(h.items)
	if h.estimate, err = a.estimate(smallest, p.TokenBasis); err != nil {
		p.reject(w, r, http.StatusBadRequest, err.Error())
		return
	}
	for i := range h.items {
		h.items[i].Amounts = [kinds]int64{Requests: 1, Tokens: h.estimate.Of(p.TokenBasis), Slots: 1}
	}
	h.at = p.Clock.Now()
	if decision := p.Store.Reserve(h.at, h.items); !decision.Admitted {
		refuse(w, h.shape, h.at, h.items, decision)
		return
	}
	ctx, cancel := p.Clock.WithCancel(r.Context())
	defer cancel()
	defer h.release()
	if p.Deny != nil && jsonValue(bytes.TrimSpace(body)).says(p.Deny) {
		h.finish(0)
		setRateHeaders(w.Header(), h.items, h.at, p.Clock.Now(), nil)
		writeError(w, h.shape, http.StatusBadRequest, "invalid_request_error", "the guard refused the request: its text fits a pattern that is denied")
		return
	}
	if p.CapOutput {
		h.outputCap = outputCap(&a, h.estimate, smallest, p.TokenBasis)
	}
	h.keepAlive()
	h.forward(ctx, cancel, w, h.upstreamBody(body, &a))
}
