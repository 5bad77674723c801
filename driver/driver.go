// Package driver sends one request and records all that came of it. Whatever a
// target answers, garbage included, ends as an attempt record: classified, never
// a crash and never a hang.
package driver

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
)

// Driver sends requests to one target.
type Driver struct {
	Clock     clock.Clock
	Epoch     time.Time
	Transport http.RoundTripper
	// URL is the target's base URL without /v1.
	URL *url.URL
	// Deadline is how long one attempt may take.
	Deadline time.Duration

	dates dates
}

// Request is what is to be sent.
type Request struct {
	// Attempt holds what the record is to say beforehand: scenario, step, asks,
	// key alias, endpoint, stream, nonce, cap, intended time.
	Attempt history.Attempt
	// Bearer is the key.
	Bearer string
	// Path is below the base URL, as /v1/chat/completions.
	Path string
	Body []byte
	// LeaveAfter is when the client leaves without waiting for the rest of the
	// answer; 0 is never.
	LeaveAfter time.Duration
	// LeaveAtEvent has the client leave a stream when it has read so many events
	// of it, however late they came; 0 is never.
	LeaveAtEvent int
}

// Do sends a request, reads the answer to its end and returns the record.
func (d *Driver) Do(ctx context.Context, r Request) history.Attempt {
	a := r.Attempt
	e := &exchange{driver: d, attempt: &a, bearer: r.Bearer, leaveAt: r.LeaveAtEvent}
	stay := d.Deadline
	if r.LeaveAfter > 0 {
		stay = min(stay, r.LeaveAfter)
	}
	attemptCtx, cancel := clock.WithTimeout(ctx, d.Clock, stay)
	defer cancel()
	a.Sent = d.now()
	e.play(attemptCtx, r)
	a.Done = d.now()
	if r.LeaveAfter > 0 && a.Error == history.Deadline {
		a.Error = history.Left
	}
	if ctx.Err() != nil && a.Error == history.Deadline {
		a.Error = history.Cancelled
	}
	if a.Error == history.Deadline {
		// That a context was cancelled tells nobody that it was for the time.
		a.ErrorText = fmt.Sprintf("no whole answer within %s", d.Deadline)
	}
	return a
}

func (d *Driver) now() time.Duration { return d.Clock.Now().Sub(d.Epoch) }

// exchange is one request while it is under way.
type exchange struct {
	driver  *Driver
	attempt *history.Attempt
	bearer  string
	leaveAt int

	mu   sync.Mutex // the transport traces on goroutines of its own
	sent time.Duration
}

func (e *exchange) play(ctx context.Context, r Request) {
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.sent = e.driver.now()
	}}
	u := e.driver.URL.JoinPath(r.Path)
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodPost, u.String(), bytes.NewReader(r.Body))
	if err != nil {
		e.fail(history.Unreachable, err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+r.Bearer)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "ratecheck")
	if e.attempt.Endpoint == history.Messages {
		// Anthropic's API refuses requests that do not name its version.
		req.Header.Set("Anthropic-Version", "2023-06-01")
	}
	if e.attempt.Stream {
		req.Header.Set("Accept", "text/event-stream")
	}
	res, err := e.driver.Transport.RoundTrip(req)
	e.mu.Lock()
	if e.sent > e.attempt.Sent {
		e.attempt.Sent = e.sent
	}
	e.mu.Unlock()
	if err != nil {
		e.fail(classify(ctx, err), err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	e.attempt.Headers = e.driver.now()
	e.attempt.Status = res.StatusCode
	e.attempt.Header = keepHeaders(res.Header, e.clean, e.driver.answered(res.Header))
	e.read(ctx, res)
}

// writeBuffer is what a connection gathers before it writes, in bytes: more than
// any request of ours.
const writeBuffer = 64 << 10

// NewTransport returns the transport for real targets.
func NewTransport() *http.Transport {
	const (
		dialTimeout = 4 * time.Second // an unreachable target is to be told in under five
		// idleTimeout is below the 5 s after which uvicorn, which serves many
		// proxies, closes an idle connection: a request must not race that.
		idleTimeout = 3 * time.Second
		connections = 1024 // a burst is not to wait for connections
		// maxHeader is the most of a response's headers that is read, in bytes:
		// what is kept of them must fit into a line of a history.
		maxHeader = 1 << 20
	)
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          connections,
		MaxIdleConnsPerHost:   connections,
		IdleConnTimeout:       idleTimeout,
		ExpectContinueTimeout: time.Second,
		Proxy:                 http.ProxyFromEnvironment,

		// A request goes out in one write: who refuses by the headers and closes
		// would reset the second before the answer to the first is read.
		WriteBufferSize:        writeBuffer,
		MaxResponseHeaderBytes: maxHeader,
	}
}
