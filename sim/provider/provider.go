// Package provider is a mock LLM provider with a ledger. What it answers to a
// request is registered beforehand under a nonce that the request's text
// carries, so that telling it what to do does not lengthen the text; what it
// answered is in its ledger, and the ledger is the truth.
package provider

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
)

// MaxBody is the largest request body that is read, in bytes.
const MaxBody = 16 << 20

// Provider answers as OpenAI does to chat completions, text completions,
// embeddings and responses, and as Anthropic does to messages. It is safe for
// concurrent use.
type Provider struct {
	clock clock.Clock
	epoch time.Time
	mux   *http.ServeMux
	// directives allows scripts inside the request's text.
	directives bool

	mu       sync.Mutex
	scripts  map[string]history.Script
	failed   map[string]int
	calls    int
	inFlight int
	finished []history.Call
}

// New returns a provider whose ledger's times count from epoch.
func New(c clock.Clock, epoch time.Time) *Provider {
	p := &Provider{clock: c, epoch: epoch, scripts: map[string]history.Script{}, failed: map[string]int{}}
	p.mux = http.NewServeMux()
	for endpoint, wire := range wires() {
		p.mux.HandleFunc("POST "+history.EndpointPath(endpoint), func(w http.ResponseWriter, r *http.Request) {
			p.serve(w, r, endpoint, wire)
		})
	}
	p.mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	p.control()
	return p
}

// AllowDirectives lets requests carry their script in their own text, as in
// [[usage=10,20 latency=50ms]]. It is for a provider that runs alone.
func (p *Provider) AllowDirectives() { p.directives = true }

// ServeHTTP answers as the provider.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Register sets what calls with this nonce are answered.
func (p *Provider) Register(nonce string, s history.Script) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts[nonce] = s
}

// Finished returns the calls that have ended, from the given position on in the
// order in which they ended, and how many are still in flight.
func (p *Provider) Finished(from int) (calls []history.Call, inFlight int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from = max(0, min(from, len(p.finished)))
	return append([]history.Call(nil), p.finished[from:]...), p.inFlight
}

func (p *Provider) ended() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.finished)
}

func (p *Provider) now() time.Duration { return p.clock.Now().Sub(p.epoch) }

// request is what a call asks of the provider, as far as it matters.
type request struct {
	Model         string `json:"model"`
	Stream        bool   `json:"stream"`
	MaxTokens     *int64 `json:"max_tokens"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	// MaxOutputTokens is MaxTokens on responses.
	MaxOutputTokens *int64 `json:"max_output_tokens"`
	// Input and EncodingFormat matter to embeddings.
	Input          json.RawMessage `json:"input"`
	EncodingFormat string          `json:"encoding_format"`
}

// most is the longest completion that is asked for; nil is no bound.
func (r request) most() *int64 {
	if r.MaxTokens == nil {
		return r.MaxOutputTokens
	}
	return r.MaxTokens
}

func (p *Provider) serve(w http.ResponseWriter, r *http.Request, endpoint string, wire wire) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		const status = http.StatusRequestEntityTooLarge
		writeJSON(w, status, wire.failure(status, "mock provider: reading the body: "+err.Error()))
		return
	}
	var req request
	if err := json.Unmarshal(body, &req); err != nil {
		writeJSON(w, http.StatusBadRequest, wire.failure(http.StatusBadRequest, "mock provider: the body is not JSON: "+err.Error()))
		return
	}
	nonce, script := p.script(body, req)
	if endpoint == history.Embeddings {
		req.Stream, script.CompletionTokens = false, 0
	}
	c := &call{provider: p, request: req, script: script, wire: wire}
	c.begin(nonce, endpoint, req.Stream)
	c.keep(body)
	defer c.end()

	if err := p.clock.Sleep(r.Context(), script.Latency); err != nil {
		c.record.Gone = true
		return
	}
	for name, value := range script.RateHeaders {
		w.Header().Set(name, value)
	}
	c.record.RateHeaders = script.RateHeaders
	if status := p.failure(nonce, script); status != 0 {
		c.fail(w, status)
		return
	}
	c.record.Status = http.StatusOK
	c.record.Usage = usageOf(script)
	if req.Stream {
		c.stream(r.Context(), w)
		return
	}
	c.answer(w)
}

// script finds what was registered for the call, or what its text says itself.
func (p *Provider) script(body []byte, req request) (nonce string, s history.Script) {
	directive := findDirective(body)
	p.mu.Lock()
	s, known := p.scripts[directive]
	p.mu.Unlock()
	if known {
		return directive, s
	}
	s = unscripted(body, req)
	if p.directives {
		nonce = applyDirective(directive, &s)
	}
	return nonce, s
}

// failure is the status of the error that the call is to get, or 0.
func (p *Provider) failure(nonce string, s history.Script) int {
	status := s.Status
	if status == http.StatusOK {
		status = 0
	}
	if s.FailFirst == 0 {
		return status
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed[nonce]++
	if p.failed[nonce] > s.FailFirst {
		return 0
	}
	if status == 0 {
		return http.StatusInternalServerError
	}
	return status
}

func usageOf(s history.Script) history.Usage {
	return history.Usage{
		Prompt: s.PromptTokens, Completion: s.CompletionTokens,
		Total: s.PromptTokens + s.CompletionTokens, Cached: s.CachedTokens,
	}
}

// call is one call while it is answered.
type call struct {
	provider *Provider
	request  request
	script   history.Script
	wire     wire
	record   history.Call
}

func (c *call) begin(nonce, endpoint string, stream bool) {
	p := c.provider
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	p.inFlight++
	c.record = history.Call{
		ID: p.calls, Nonce: nonce, Endpoint: endpoint, Stream: stream,
		Received: p.now(), InFlight: p.inFlight,
	}
}

// keep records what the provider received, where that is asked for.
func (c *call) keep(body []byte) {
	if c.script.KeepBody && len(body) <= history.MaxKeptBody {
		c.record.Body = string(body)
	}
}

func (c *call) end() {
	p := c.provider
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight--
	if c.record.Done == 0 {
		c.record.Done = p.now()
	}
	p.finished = append(p.finished, c.record)
}

// lastByte notes that the call is over for the provider: whoever has the last
// byte may come back before the handler has returned.
func (c *call) lastByte() { c.record.Done = c.provider.now() }

func (c *call) firstByte() {
	if c.record.FirstByte == 0 {
		c.record.FirstByte = c.provider.now()
	}
}

func (c *call) fail(w http.ResponseWriter, status int) {
	c.record.Status = status
	c.firstByte()
	c.lastByte()
	writeJSON(w, status, c.wire.failure(status, "mock provider: told to fail"))
}
