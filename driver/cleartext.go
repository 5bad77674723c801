package driver

import (
	"net/http"
	"sync"

	"github.com/ratecheck/ratecheck/history"
)

// TargetTransport speaks to one target: HTTP/1.1, or HTTP/2 over TLS where that
// is offered, or HTTP/2 in cleartext with prior knowledge (RFC 9113, 3.3) where
// the target does not understand the first request in HTTP/1.1.
type TargetTransport struct {
	usual, cleartext *http.Transport

	mu     sync.Mutex
	chosen *http.Transport // nil until the first answer
}

// NewTargetTransport returns a transport for a target that was not asked yet.
func NewTargetTransport() *TargetTransport {
	t := &TargetTransport{usual: NewTransport(), cleartext: NewTransport()}
	t.cleartext.Protocols = &http.Protocols{}
	t.cleartext.Protocols.SetUnencryptedHTTP2(true)
	return t
}

// RoundTrip sends a request. As long as nothing was answered, one whose
// connection broke is sent once more in HTTP/2.
func (t *TargetTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	t.mu.Lock()
	chosen := t.chosen
	t.mu.Unlock()
	if chosen != nil {
		return chosen.RoundTrip(req)
	}
	res, err := t.usual.RoundTrip(req)
	if err == nil {
		t.choose(t.usual)
		return res, nil
	}
	class := classify(req.Context(), err)
	misunderstood := class == history.Reset || class == history.Garbled
	if !misunderstood || req.URL.Scheme != "http" || req.GetBody == nil {
		return nil, err
	}
	body, bodyErr := req.GetBody()
	if bodyErr != nil {
		return nil, err
	}
	again := req.Clone(req.Context())
	again.Body = body
	res, againErr := t.cleartext.RoundTrip(again)
	if againErr != nil {
		return nil, err
	}
	t.choose(t.cleartext)
	return res, nil
}

func (t *TargetTransport) choose(one *http.Transport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.chosen == nil {
		t.chosen = one
	}
}

// CloseIdleConnections closes the connections that are kept for later.
func (t *TargetTransport) CloseIdleConnections() {
	t.usual.CloseIdleConnections()
	t.cleartext.CloseIdleConnections()
}
