package reference

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

// upstreamTimeout is how long an upstream may be silent, before its answer and
// within it. It is that of the official OpenAI clients, which bound each read
// and not the whole: a stream may last for hours (rule 5).
const upstreamTimeout = 10 * time.Minute

// forward has the request answered by one of its deployments and passes the
// answer on. Whatever that takes, the request is charged once.
func (h *held) forward(ctx context.Context, cancel context.CancelFunc, w http.ResponseWriter, body []byte) {
	last := len(h.plan) - 1
	for _, s := range h.plan[:last] {
		if h.attempt(ctx, w, s, body) {
			return
		}
	}
	h.answer(ctx, cancel, w, h.plan[last], body, true)
}

// attempt is an answer that may fail without the client's hearing of it; false
// says that it did.
func (h *held) attempt(ctx context.Context, w http.ResponseWriter, s step, body []byte) bool {
	ctx, cancel := h.proxy.Clock.WithCancel(ctx)
	defer cancel()
	return h.answer(ctx, cancel, w, s, body, false)
}

// answer calls one upstream and passes its answer on, unless that is a failure
// and not the last attempt. It gives up, by cancel, an upstream that is silent
// for too long.
func (h *held) answer(ctx context.Context, cancel context.CancelFunc, w http.ResponseWriter, s step, body []byte, last bool) bool {
	res, err := h.send(ctx, cancel, s, body)
	provider := http.Header(nil)
	if err == nil {
		defer func() { _ = res.Body.Close() }()
		provider = res.Header
	}
	left := h.client.Err() != nil
	if failed := err != nil || isFailure(res.StatusCode); failed && !left {
		h.failed(s)
		if !last {
			return false
		}
	}
	now := h.proxy.Clock.Now()
	setRateHeaders(w.Header(), h.items, h.at, now, provider)
	passProviderHeaders(w.Header(), provider)
	h.tellStep(w.Header(), s)
	switch {
	case err != nil:
		h.unanswered(ctx, w)
	case res.StatusCode < http.StatusOK || res.StatusCode > maxStatus:
		h.finish(0)
		writeError(w, h.shape, http.StatusBadGateway, "server_error", "the upstream answered with the status "+strconv.Itoa(res.StatusCode))
	case res.StatusCode == http.StatusOK && h.isStream(provider):
		h.tellOverhead(w.Header(), now)
		h.relayStream(w, res, s)
	default:
		h.relayJSON(w, res, s)
	}
	return true
}

// failed enters a failure of a deployment (rule 10).
func (h *held) failed(s step) {
	h.proxy.guarded("counting a failure of a deployment", "the failure is not counted", func() {
		h.proxy.failures.Failed(s.ID, h.proxy.Clock.Now())
	})
}

// maxStatus is the last status that RFC 9110 gives a meaning to. What is beyond
// it, or below 200, is no answer that could be passed on.
const maxStatus = 599

func (h *held) send(ctx context.Context, cancel context.CancelFunc, s step, body []byte) (*http.Response, error) {
	if s.model != "" {
		body = replaceModel(body, s.model)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.URL = s.urls[h.endpoint.path]
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept-Encoding", "identity") // the usage is read from the answer as it is sent
	if s.APIKey != "" {
		req.Header.Set("Authorization", "Bearer "+s.APIKey)
		if h.shape == anthropicShape {
			req.Header.Set("X-Api-Key", s.APIKey)
		}
	}
	began := h.proxy.Clock.Now()
	stop := h.proxy.Clock.AfterFunc(upstreamTimeout, cancel)
	defer stop()
	res, err := h.proxy.Transport.RoundTrip(req)
	h.waited += h.proxy.Clock.Now().Sub(began)
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
func (h *held) relayJSON(w http.ResponseWriter, res *http.Response, s step) {
	began := h.proxy.Clock.Now()
	answer, err := readAll(io.LimitReader(res.Body, MaxAnswerBody), res.ContentLength)
	now := h.proxy.Clock.Now()
	h.waited += now.Sub(began)
	h.tellOverhead(w.Header(), now)
	h.tellDuration(w.Header(), now)
	refused := res.StatusCode != http.StatusOK
	if err != nil {
		if h.client.Err() == nil && !isFailure(res.StatusCode) {
			h.failed(s)
		}
		if refused || h.client.Err() == nil {
			h.finish(0)
		}
		// Else the upstream had produced an answer, and the reservation stands.
		writeError(w, h.shape, http.StatusBadGateway, "server_error", "the upstream broke its answer off")
		return
	}
	passHeaders(w.Header(), res.Header, "Content-Type", "Content-Encoding")
	if refused {
		// The provider's own hint when to come back is the best there is.
		passHeaders(w.Header(), res.Header, "Retry-After", "Retry-After-Ms")
		h.settle(0)
	} else if used, told := h.endpoint.used(answer); told {
		h.settle(used.of(h.proxy.TokenBasis))
		h.tellCost(w.Header(), s, used)
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
