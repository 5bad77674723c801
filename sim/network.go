// Package sim holds the pretend worlds: an in-process network, and below it the
// mock provider and the faults. Nothing in it opens a socket.
package sim

import (
	"bufio"
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"syscall"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

// Network is an http.RoundTripper that calls handlers instead of dialling. It
// keeps to what net/http's server and client do: headers freeze at the first
// write, a short answer gets a Content-Length, a client that leaves cancels the
// handler's context, http.ErrAbortHandler breaks the connection. Only HTTP/1.1
// is spoken; there are no trailers, no HEAD and no wall time in a Date.
type Network struct {
	clock clock.Clock

	mu     sync.Mutex
	delays *rand.Rand
	hosts  map[string]http.Handler
}

// The one-way delay of a message is drawn evenly from this range. It is that of
// a loopback or a small network, and large enough for a burst to have a spread.
const (
	minDelay = 20 * time.Microsecond
	maxDelay = 500 * time.Microsecond
)

// NewNetwork returns a network without hosts whose delays are drawn from seed.
func NewNetwork(c clock.Clock, seed uint64) *Network {
	const stream = 0x6e6574 // keeps the delays apart from other draws of the same seed
	return &Network{clock: c, delays: rand.New(rand.NewPCG(seed, stream)), hosts: map[string]http.Handler{}}
}

// Handle puts a handler on the network under a host name, without port. It must
// not be called while requests are under way.
func (n *Network) Handle(host string, h http.Handler) { n.hosts[host] = h }

func (n *Network) delay() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return minDelay + time.Duration(n.delays.Int64N(int64(maxDelay-minDelay)))
}

// RoundTrip has the request served by the handler of its host. An unknown host
// refuses the connection.
func (n *Network) RoundTrip(req *http.Request) (*http.Response, error) {
	h, known := n.hosts[req.URL.Hostname()]
	if !known {
		closeBody(req)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	trace := httptrace.ContextClientTrace(req.Context())
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Reused: true})
	}
	if err := n.clock.Sleep(req.Context(), n.delay()); err != nil {
		closeBody(req)
		return nil, err
	}
	// The handler is another process's: it hears that the client has left, and
	// knows nothing else of its context, least of all its trace.
	ctx, cancel := n.clock.WithCancel(context.Background())
	x := &exchange{
		clock: n.clock, trace: trace, header: http.Header{}, declared: -1,
		head: n.clock.NewEvent(), cancel: cancel, reading: req.Context(),
	}
	x.buffer = bufio.NewWriterSize((*wireWriter)(x), flushAt)
	n.clock.Go("handler of "+req.URL.Host, func() {
		defer closeBody(req)
		x.serve(h, serverRequest(ctx, req))
	})

	if err := x.head.Wait(req.Context()); err != nil {
		x.leave()
		return nil, err
	}
	if err := n.clock.Sleep(req.Context(), n.delay()); err != nil {
		x.leave()
		return nil, err
	}
	return x.response(req)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// serverRequest is a request as net/http's server hands it to a handler.
func serverRequest(ctx context.Context, req *http.Request) *http.Request {
	s := req.Clone(ctx)
	s.RequestURI = req.URL.RequestURI()
	s.RemoteAddr = "192.0.2.1:1234"
	if s.Host == "" {
		s.Host = req.URL.Host
	}
	s.URL.Scheme, s.URL.Host = "", ""
	if s.Body == nil {
		s.Body = http.NoBody
	}
	return s
}
