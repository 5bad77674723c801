package litellm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

// Config is what a Proxy is made of.
type Config struct {
	Settings
	// Clock is a virtual one: the proxy takes no locks.
	Clock clock.Clock
	Keys  reference.Keys
	// Upstream is the provider's base URL, with /v1.
	Upstream  *url.URL
	Transport http.RoundTripper
	// OnDecision is told every decision; nil is nobody.
	OnDecision func(Decision)
}

// Decision is a decision with what the limiter knew behind it.
type Decision struct {
	At       time.Time
	Body     []byte
	Admitted bool
	State    State
}

// State is what the limiter has counted of a key.
type State struct {
	// Opened is when the window began that is marked as open; zero is none.
	Opened                     time.Time
	Requests, Tokens, Parallel Counter
}

// Proxy is a release of LiteLLM in front of a provider.
type Proxy struct {
	Config
	limiter *limiter
	mux     *http.ServeMux
}

// New returns a proxy. The configuration must be complete.
func New(c Config) *Proxy {
	p := &Proxy{Config: c, limiter: newLimiter(c.Settings, c.Clock), mux: http.NewServeMux()}
	for _, endpoint := range history.Endpoints() {
		p.mux.HandleFunc("POST "+history.EndpointPath(endpoint), func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, endpoint) })
	}
	return p
}

// ServeHTTP answers as the release does.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// call is one request while it is served.
type call struct {
	caller
	proxy       *Proxy
	request     *request
	descriptors []descriptor
	held        *admission
	meter       *meter
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, endpoint string) {
	bearer := bearerOf(r)
	policy, known := p.Keys.Lookup(bearer)
	var owners []history.Owner
	if known && p.Owned != nil {
		owners, known = p.Owned.OwnersOf(bearer)
	}
	if !known {
		p.writeError(w, http.StatusUnauthorized, "Authentication Error, unknown key", "auth_error")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has left
	}
	asked, err := readRequest(endpoint, body)
	if err != nil {
		p.writeError(w, http.StatusBadRequest, "Invalid JSON payload", "invalid_request_error")
		return
	}
	sum := sha256.Sum256([]byte(bearer))
	c := &call{
		caller: caller{hash: hex.EncodeToString(sum[:]), key: policy, owners: owners, model: asked.text("model")},
		proxy:  p, request: asked, meter: &meter{endpoint: endpoint},
	}
	c.descriptors = c.caller.descriptors(p.Release)
	var estimate int64
	if limit, limited := smallestTokenLimit(c.descriptors); limited && !p.Release.Has(ChargesAfterAnswer) {
		estimate = asked.estimate(p.Release, limit)
	}
	held, refused := p.limiter.admit(c.caller, c.descriptors, estimate)
	if p.OnDecision != nil {
		p.OnDecision(Decision{At: p.Clock.Now(), Body: body, Admitted: refused == nil, State: p.limiter.state(c.keyOwner())})
	}
	if refused != nil {
		p.limiter.refusedCall(c.keyOwner())
		c.refuse(w, refused)
		return
	}
	c.held = held
	c.addInternalFields()
	c.forward(w, r)
}

// state is what is counted of an owner.
func (l *limiter) state(owner string) State {
	now := l.clock.Now()
	s := State{
		Requests: l.store.look(now, owner+requestsName), Tokens: l.store.look(now, owner+tokensName),
		Parallel: l.store.look(now, owner+parallelName),
	}
	if opened := l.store.look(now, owner+windowName); opened.There {
		s.Opened = time.Unix(0, opened.Value)
	}
	if !l.Release.Has(WindowedInFlight) {
		s.Parallel = Counter{Value: l.slots[owner], There: true}
	}
	return s
}

func bearerOf(r *http.Request) string {
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(bearer)
	}
	return r.Header.Get("X-Api-Key")
}

// addInternalFields puts into the body what releases let slip.
func (c *call) addInternalFields() {
	release := c.proxy.Release
	if _, limited := smallestTokenLimit(c.descriptors); !limited {
		return
	}
	if release.Has(InternalFieldsUpstream) {
		c.request.set("_litellm_rate_limit_descriptors", scopesOf(c.descriptors))
	}
	if release.Has(InternalMetadataOnResponse) && c.request.endpoint == history.Responses {
		c.request.set("metadata", map[string]string{"_litellm_tpm_reserved_model": "m"})
	}
}

// forward calls the provider and passes its answer on.
func (c *call) forward(w http.ResponseWriter, r *http.Request) {
	p := c.proxy
	stream := c.request.flag("stream")
	askedForUsage := c.request.asksForUsage()
	if stream && !askedForUsage && p.Release.Has(AsksForUsage) &&
		(c.request.endpoint == history.Chat || c.request.endpoint == history.Completions) {
		c.request.set("stream_options", map[string]bool{"include_usage": true})
	}
	// A plain answer is waited for also when the client has left.
	client := context.Background()
	if stream && !p.Release.Has(LeaverRunsOn) {
		client = r.Context()
	}
	ctx, cancel := p.Clock.WithCancel(client)
	defer cancel()
	path := strings.TrimPrefix(history.EndpointPath(c.request.endpoint), "/v1/")
	upstream, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Upstream.JoinPath(path).String(), bytes.NewReader(c.request.bytes()))
	if err != nil {
		p.limiter.failed(c.held)
		p.writeError(w, http.StatusInternalServerError, "litellm.InternalServerError: "+err.Error(), "None")
		return
	}
	upstream.Header.Set("Content-Type", "application/json")
	res, err := p.Transport.RoundTrip(upstream)
	if err != nil && r.Context().Err() != nil {
		c.clientLeft()
		return
	}
	if err != nil {
		p.limiter.failed(c.held)
		p.writeError(w, http.StatusInternalServerError, "litellm.InternalServerError: OpenAIException - Connection error.", "None")
		return
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode != http.StatusOK:
		c.relayFailure(w, res)
	case stream && strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream"):
		c.relayStream(w, r, res, askedForUsage)
	default:
		c.relayAnswer(w, res)
	}
}

func (c *call) relayFailure(w http.ResponseWriter, res *http.Response) {
	c.proxy.limiter.failed(c.held)
	_, _ = io.Copy(io.Discard, res.Body)
	c.proxy.writeError(w, res.StatusCode, "litellm."+strings.ReplaceAll(http.StatusText(res.StatusCode), " ", "")+"Error: OpenAIException - mock provider", "None")
}

func (c *call) relayAnswer(w http.ResponseWriter, res *http.Response) {
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		c.proxy.limiter.failed(c.held)
		c.proxy.writeError(w, http.StatusInternalServerError, "litellm.InternalServerError: OpenAIException - Connection error.", "None")
		return
	}
	c.meter.read(answer)
	c.setHeaders(w.Header(), res.Header, false)
	c.proxy.limiter.succeeded(c.held, c.meter.used(c.proxy.Release, c.request))
	_, _ = w.Write(answer) // a client that has left is charged all the same
}

// relayStream passes events on as they come.
func (c *call) relayStream(w http.ResponseWriter, r *http.Request, res *http.Response, askedForUsage bool) {
	p := c.proxy
	c.setHeaders(w.Header(), res.Header, true)
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	flush(w)
	left := false
	events := newEvents(res.Body)
	for {
		raw, data, err := events.next()
		left = left || r.Context().Err() != nil
		switch {
		case left && !p.Release.Has(LeaverRunsOn):
			c.meter.read(data)
			c.clientLeft()
			return
		case errors.Is(err, io.EOF):
			p.limiter.succeeded(c.held, c.meter.used(p.Release, c.request))
			return
		case err != nil:
			p.limiter.failed(c.held)
			panic(http.ErrAbortHandler) // the client must not take it for a whole one
		}
		if extra := c.meter.read(data); left || extra && !askedForUsage {
			continue
		}
		if _, err := w.Write(raw); err != nil {
			left = true
		}
		flush(w)
	}
}

// clientLeft is what becomes of a stream whose client has left.
func (c *call) clientLeft() {
	if c.proxy.Release.Has(LeaverNotSettled) {
		return
	}
	c.proxy.limiter.succeeded(c.held, c.meter.used(c.proxy.Release, c.request))
}

func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}
