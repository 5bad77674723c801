package reference

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
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

// defaultUpstreamTimeout is how long an upstream may take for a whole answer;
// it is that of the official OpenAI clients.
const defaultUpstreamTimeout = 10 * time.Minute

// Policy is what a key is allowed. Limits are indexed by Kind.
type Policy struct {
	Limits [kinds]int64
}

// NewPolicy returns the policy of a key; nil is no limit of that kind.
func NewPolicy(requests, tokens, slots *int64) Policy {
	var p Policy
	for kind, limit := range map[Kind]*int64{Requests: requests, Tokens: tokens, Slots: slots} {
		p.Limits[kind] = Unlimited
		if limit != nil {
			p.Limits[kind] = *limit
		}
	}
	return p
}

// Keys says what a bearer token may do. The second result is false for a token
// that is nobody's.
type Keys interface {
	Lookup(bearer string) (Policy, bool)
}

// ProxyConfig is what a Proxy is made of.
type ProxyConfig struct {
	Clock clock.Clock
	Store Store
	Keys  Keys
	// Upstream is the provider's base URL, as http://127.0.0.1:4001/v1.
	Upstream *url.URL
	// Transport carries the calls to the upstream.
	Transport http.RoundTripper
	// Window is the length of the windows, more than 0.
	Window time.Duration
	// Models are what /v1/models lists.
	Models []string
}

// Proxy is an OpenAI-compatible proxy that limits its keys.
type Proxy struct {
	ProxyConfig
	mux *http.ServeMux
}

// NewProxy returns a proxy. The configuration must be complete.
func NewProxy(c ProxyConfig) *Proxy {
	p := &Proxy{ProxyConfig: c, mux: http.NewServeMux()}
	p.mux.HandleFunc("POST /v1/chat/completions", p.serveChat)
	p.mux.HandleFunc("POST /chat/completions", p.serveChat)
	p.mux.HandleFunc("GET /v1/models", p.serveModels)
	p.mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	p.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, http.StatusNotFound, "invalid_request_error", "no such endpoint: "+r.Method+" "+r.URL.Path)
	})
	return p
}

// ServeHTTP answers as the proxy.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// authorize finds the key's policy or answers 401.
func (p *Proxy) authorize(w http.ResponseWriter, r *http.Request) (Descriptor, bool) {
	bearer, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if found && bearer != "" {
		if policy, known := p.Keys.Lookup(bearer); known {
			sum := sha256.Sum256([]byte(bearer))
			return Descriptor{Scope: "api_key", Value: hex.EncodeToString(sum[:]), Limits: policy.Limits, Window: p.Window}, true
		}
	}
	writeError(w, http.StatusUnauthorized, "invalid_request_error", "no such key: send the key as Authorization: Bearer KEY")
	return Descriptor{}, false
}

func (p *Proxy) serveModels(w http.ResponseWriter, r *http.Request) {
	d, ok := p.authorize(w, r)
	if !ok {
		return
	}
	items := []Item{{Descriptor: d}}
	p.Store.Peek(p.Clock.Now(), items)
	setRateHeaders(w.Header(), items, nil)
	type model struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		OwnedBy string `json:"owned_by"`
	}
	list := []model{}
	for _, id := range p.Models {
		list = append(list, model{ID: id, Object: "model", OwnedBy: "ratecheck"})
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": list})
}

func (p *Proxy) serveChat(w http.ResponseWriter, r *http.Request) {
	d, ok := p.authorize(w, r)
	if !ok {
		return
	}
	items := []Item{{Descriptor: d}}
	reject := func(status int, message string) {
		p.Store.Peek(p.Clock.Now(), items)
		setRateHeaders(w.Header(), items, nil)
		writeError(w, status, "invalid_request_error", message)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxRequestBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			reject(http.StatusRequestEntityTooLarge, "the body is larger than 16 MiB")
			return
		}
		reject(http.StatusBadRequest, "the body could not be read: "+err.Error())
		return
	}
	estimate, err := EstimateChat(body, d.Limits[Tokens])
	if err != nil {
		reject(http.StatusBadRequest, err.Error())
		return
	}
	items[0].Amounts = [kinds]int64{Requests: 1, Tokens: estimate.Total(), Slots: 1}
	now := p.Clock.Now()
	if decision := p.Store.Reserve(now, items); !decision.Admitted {
		refuse(w, now, items, decision)
		return
	}
	h := &held{proxy: p, items: items, estimate: estimate}
	defer h.release()
	ctx, cancel := clock.WithTimeout(r.Context(), p.Clock, defaultUpstreamTimeout)
	defer cancel()
	h.keepAlive(ctx)
	h.forward(ctx, w, body)
}

// held is what an admitted request holds: its reservation and its slots.
type held struct {
	proxy    *Proxy
	estimate Estimate

	mu    sync.Mutex // the lease is renewed beside the request
	items []Item
}

// keepAlive renews the lease of the request's slots until ctx ends.
func (h *held) keepAlive(ctx context.Context) {
	if h.items[0].Limits[Slots] == Unlimited {
		return
	}
	c := h.proxy.Clock
	c.Go("slot lease", func() {
		for c.Sleep(ctx, SlotLease/3) == nil {
			h.mu.Lock()
			h.proxy.Store.Renew(c.Now(), h.items)
			h.mu.Unlock()
		}
	})
}

// settle replaces the reservation by what was used. Only the first call counts.
func (h *held) settle(used int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.proxy.Store.Settle(h.proxy.Clock.Now(), h.items, used)
}

// release frees the slots. Only the first call counts.
func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.proxy.Store.Release(h.proxy.Clock.Now(), h.items)
}

// finish is settle and release: it comes before the last byte of an answer, so
// that a client that has its answer finds its tokens and its slot free.
func (h *held) finish(used int64) {
	h.settle(used)
	h.release()
}

func (h *held) forward(ctx context.Context, w http.ResponseWriter, body []byte) {
	res, err := h.send(ctx, body)
	if err != nil {
		h.finish(0)
		setRateHeaders(w.Header(), h.items, nil)
		if ctx.Err() != nil {
			writeError(w, http.StatusGatewayTimeout, "server_error", "the upstream did not answer in time")
			return
		}
		writeError(w, http.StatusBadGateway, "server_error", "the upstream could not be reached")
		return
	}
	defer func() { _ = res.Body.Close() }()
	setRateHeaders(w.Header(), h.items, res.Header)
	passProviderHeaders(w.Header(), res.Header)
	if res.StatusCode == http.StatusOK && h.estimate.Stream {
		h.relayStream(ctx, w, res)
		return
	}
	h.relayJSON(w, res)
}

func (h *held) send(ctx context.Context, body []byte) (*http.Response, error) {
	if h.estimate.Stream && !h.estimate.StreamUsage {
		body = askForUsage(body)
	}
	u := h.proxy.Upstream.JoinPath("chat", "completions")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return h.proxy.Transport.RoundTrip(req)
}

// relayJSON passes on an answer that is not streamed.
func (h *held) relayJSON(w http.ResponseWriter, res *http.Response) {
	answer, err := io.ReadAll(io.LimitReader(res.Body, MaxAnswerBody))
	switch {
	case err != nil:
		h.finish(0)
		writeError(w, http.StatusBadGateway, "server_error", "the upstream broke its answer off")
		return
	case res.StatusCode != http.StatusOK:
		// The provider's own hint when to come back is the best there is.
		for _, name := range []string{"Retry-After", "Retry-After-Ms"} {
			if v := res.Header.Get(name); v != "" {
				w.Header().Set(name, v)
			}
		}
		h.finish(0)
	default:
		var told struct {
			Usage *usage `json:"usage"`
		}
		if json.Unmarshal(answer, &told) == nil && told.Usage != nil {
			h.finish(told.Usage.total())
		}
	}
	h.release()
	w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(answer)
}

// usage is what an upstream says a chat completion cost.
type usage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Total      int64 `json:"total_tokens"`
}

// total is what the call is charged; a total that is missing is the sum.
func (u usage) total() int64 {
	if u.Total == 0 {
		return max(0, u.Prompt+u.Completion)
	}
	return max(0, u.Total)
}
