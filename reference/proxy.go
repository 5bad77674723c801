package reference

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
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

// upstreamTimeout is how long an upstream may be silent, before its answer and
// within it. It is that of the official OpenAI clients, which bound each read
// and not the whole: a stream may last for hours (rule 5).
const upstreamTimeout = 10 * time.Minute

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

// Proxy is a proxy that limits its keys. It speaks OpenAI's chat completions,
// text completions, embeddings and responses, and Anthropic's messages.
type Proxy struct {
	ProxyConfig
	mux *http.ServeMux
}

// NewProxy returns a proxy. The configuration must be complete.
func NewProxy(c ProxyConfig) *Proxy {
	p := &Proxy{ProxyConfig: c, mux: http.NewServeMux()}
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
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

func (p *Proxy) serveModels(w http.ResponseWriter, r *http.Request) {
	d, ok := p.authorize(w, r)
	if !ok {
		return
	}
	p.showRates(w, d)
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

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, e endpoint) {
	d, ok := p.authorize(w, r)
	if !ok {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxRequestBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			p.reject(w, r, http.StatusRequestEntityTooLarge, "the body is larger than 16 MiB")
			return
		}
		p.reject(w, r, http.StatusBadRequest, "the body could not be read: "+err.Error())
		return
	}
	estimate, err := e.estimate(body, d.Limits[Tokens])
	if err != nil {
		p.reject(w, r, http.StatusBadRequest, err.Error())
		return
	}
	items := []Item{{Descriptor: d, Amounts: [kinds]int64{Requests: 1, Tokens: estimate.Total(), Slots: 1}}}
	now := p.Clock.Now()
	if decision := p.Store.Reserve(now, items); !decision.Admitted {
		refuse(w, shapeOf(r), now, items, decision)
		return
	}
	ctx, cancel := p.Clock.WithCancel(r.Context())
	defer cancel()
	h := &held{proxy: p, endpoint: e, shape: shapeOf(r), estimate: estimate, client: r.Context(), at: now, items: items}
	defer h.release()
	h.keepAlive(ctx)
	h.forward(ctx, cancel, w, body)
}

// held is what an admitted request holds: its reservation and its slots.
type held struct {
	proxy    *Proxy
	endpoint endpoint
	shape    errorShape
	estimate Estimate
	// client is the request's own context: it ends when the client leaves.
	client context.Context
	// at is when the request was admitted.
	at time.Time

	mu       sync.Mutex // the lease is renewed beside the request
	items    []Item
	settled  bool
	released bool
}

// keepAlive renews the lease of the request's slots until ctx ends.
func (h *held) keepAlive(ctx context.Context) {
	if h.items[0].Limits[Slots] == Unlimited {
		return
	}
	c := h.proxy.Clock
	c.Go("slot lease", func() {
		for c.Sleep(ctx, SlotLease/3) == nil && h.renew() {
		}
	})
}

// renew extends the lease; false says that there is none any more.
func (h *held) renew() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.released {
		h.proxy.Store.Renew(h.proxy.Clock.Now(), h.items)
	}
	return !h.released
}

// settle replaces the reservation by what was used. Only the first call counts.
func (h *held) settle(used int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.settled {
		h.settled = true
		h.proxy.Store.Settle(h.proxy.Clock.Now(), h.items, used)
	}
}

// release frees the slots. Only the first call counts.
func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.released {
		h.released = true
		h.proxy.Store.Release(h.proxy.Clock.Now(), h.items)
	}
}

// finish is settle and release: it comes before the last byte of an answer, so
// that a client that has its answer finds its tokens and its slot free.
func (h *held) finish(used int64) {
	h.settle(used)
	h.release()
}

// forward calls the upstream and passes its answer on. It gives up, by cancel,
// an upstream that is silent for too long.
func (h *held) forward(ctx context.Context, cancel context.CancelFunc, w http.ResponseWriter, body []byte) {
	res, err := h.send(ctx, cancel, body)
	provider := http.Header(nil)
	if err == nil {
		defer func() { _ = res.Body.Close() }()
		provider = res.Header
	}
	setRateHeaders(w.Header(), h.items, h.at, h.proxy.Clock.Now(), provider)
	passProviderHeaders(w.Header(), provider)
	switch {
	case err != nil:
		h.unanswered(ctx, w)
	case res.StatusCode < http.StatusOK || res.StatusCode > maxStatus:
		h.finish(0)
		writeError(w, h.shape, http.StatusBadGateway, "server_error", "the upstream answered with the status "+strconv.Itoa(res.StatusCode))
	case res.StatusCode == http.StatusOK && h.isStream(provider):
		h.relayStream(w, res)
	default:
		h.relayJSON(w, res)
	}
}

// maxStatus is the last status that RFC 9110 gives a meaning to. What is beyond
// it, or below 200, is no answer that could be passed on.
const maxStatus = 599

func (h *held) send(ctx context.Context, cancel context.CancelFunc, body []byte) (*http.Response, error) {
	if h.endpoint.mustAsk && h.estimate.Stream && !h.estimate.StreamUsage {
		body = askForUsage(body)
	}
	u := h.proxy.Upstream.JoinPath(h.endpoint.path)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept-Encoding", "identity") // the usage is read from the answer as it is sent
	stop := h.proxy.Clock.AfterFunc(upstreamTimeout, cancel)
	defer stop()
	res, err := h.proxy.Transport.RoundTrip(req)
	if err == nil {
		res.Body = &awaitedBody{ReadCloser: res.Body, clock: h.proxy.Clock, cancel: cancel}
	}
	return res, err
}

// awaitedBody is an upstream's answer that is given up when a read takes too
// long. The time that a slow client takes in between does not count.
type awaitedBody struct {
	io.ReadCloser
	clock  clock.Clock
	cancel context.CancelFunc
}

func (b *awaitedBody) Read(p []byte) (int, error) {
	stop := b.clock.AfterFunc(upstreamTimeout, b.cancel)
	defer stop()
	return b.ReadCloser.Read(p)
}

// relayJSON passes on an answer that is not streamed.
func (h *held) relayJSON(w http.ResponseWriter, res *http.Response) {
	answer, err := io.ReadAll(io.LimitReader(res.Body, MaxAnswerBody))
	failed := res.StatusCode != http.StatusOK
	if err != nil {
		if failed || h.client.Err() == nil {
			h.finish(0)
		}
		// Else the upstream had produced an answer, and the reservation stands.
		writeError(w, h.shape, http.StatusBadGateway, "server_error", "the upstream broke its answer off")
		return
	}
	passHeaders(w.Header(), res.Header, "Content-Type", "Content-Encoding")
	if failed {
		// The provider's own hint when to come back is the best there is.
		passHeaders(w.Header(), res.Header, "Retry-After", "Retry-After-Ms")
		h.settle(0)
	} else if used, told := h.endpoint.used(answer); told {
		h.settle(used)
	}
	h.release()
	w.WriteHeader(res.StatusCode)
	if _, err := w.Write(answer); err != nil {
		return
	}
	if len(answer) == MaxAnswerBody {
		if _, err := io.Copy(w, res.Body); err != nil {
			// The client must not take a broken answer for a whole one.
			panic(http.ErrAbortHandler)
		}
	}
}
