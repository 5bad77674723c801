package sim_test

import (
	"context"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/sim"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const host = "target.internal"

// patience is the deadline of attempts that are not to meet it, soon of those
// that are.
const (
	patience = 20 * time.Second
	soon     = 50 * time.Millisecond
)

// handler makes a handler that waits, if it does, on the world's clock.
type handler func(c clock.Clock) http.HandlerFunc

// still is a handler that does not wait.
func still(f http.HandlerFunc) handler { return func(clock.Clock) http.HandlerFunc { return f } }

// place is a client in one of the two worlds.
type place struct {
	clock     clock.Clock
	epoch     time.Time
	transport http.RoundTripper
	url       *url.URL
	// context.WithCancel of this world.
	withCancel func() (context.Context, context.CancelFunc)
}

// world plays f against a handler, and returns when f and the handler are over.
type world struct {
	name string
	play func(t *testing.T, h handler, f func(p place))
}

// worlds are the in-process network on virtual time, and real sockets.
func worlds() []world {
	return []world{{"virtual", playVirtual}, {"sockets", playSockets}}
}

func playVirtual(t *testing.T, h handler, f func(p place)) {
	t.Helper()
	playSeed(t, 1, h, f)
}

func playSeed(t *testing.T, seed uint64, h handler, f func(p place)) {
	t.Helper()
	v := clock.NewVirtual(seed, epoch)
	n := sim.NewNetwork(v, seed)
	running := clock.NewGroup(v)
	n.Handle(host, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		over := v.NewEvent()
		defer over.Set()
		running.Go("rest of a handler", func() { _ = over.Wait(context.Background()) })
		h(v)(w, r)
	}))
	err := v.Run(context.Background(), func() {
		f(place{
			clock: v, epoch: epoch, transport: n, url: &url.URL{Scheme: "http", Host: host},
			withCancel: func() (context.Context, context.CancelFunc) { return v.WithCancel(context.Background()) },
		})
		running.Wait()
	})
	if err != nil {
		t.Error(err)
	}
}

func playSockets(t *testing.T, h handler, f func(p place)) {
	t.Helper()
	c := clock.System{}
	server := httptest.NewUnstartedServer(h(c))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Error(err)
	}
	transport := driver.NewTransport()
	transport.DisableCompression = true // the in-process network does without
	f(place{
		clock: c, epoch: c.Now(), transport: transport, url: u,
		withCancel: func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) },
	})
	transport.CloseIdleConnections()
	server.Close() // waits for handlers
}

func (p place) driver() *driver.Driver {
	return &driver.Driver{Clock: p.clock, Epoch: p.epoch, Transport: p.transport, URL: p.url, Deadline: patience}
}

func (p place) request(stream bool) driver.Request {
	return driver.Request{
		Attempt: history.Attempt{ID: 1, Stream: stream, Nonce: "n", Intended: p.clock.Now().Sub(p.epoch)},
		Bearer:  "sk-1", Path: "/v1/chat/completions", Body: []byte(`{"model":"m"}`),
	}
}

// untimed is a record without what may differ between the worlds. That there is
// a text or a time may not.
func untimed(a history.Attempt) history.Attempt {
	if a.ErrorText != "" {
		a.ErrorText = "there is one"
	}
	for _, at := range []*time.Duration{&a.Intended, &a.Sent, &a.Done} {
		*at = 0
	}
	for _, at := range []*time.Duration{&a.Headers, &a.FirstByte} {
		if *at != 0 {
			*at = 1
		}
	}
	return a
}

// wire is what a client of net/http sees of an answer.
type wire struct {
	Failed  string // why there is no response
	Status  int
	Header  map[string]string
	Length  int64
	Body    string
	BodyEnd string
}

// exchange asks for an answer and reads it without the driver.
func (p place) exchange(method, body string) wire {
	req, err := http.NewRequest(method, p.url.JoinPath("a", "b").String()+"?c=d", strings.NewReader(body))
	if err != nil {
		return wire{Failed: err.Error()}
	}
	req.Header.Set("X-Asked", "yes")
	res, err := p.transport.RoundTrip(req)
	if err != nil {
		return wire{Failed: kind(err)}
	}
	defer func() { _ = res.Body.Close() }()
	content, err := io.ReadAll(res.Body)
	w := wire{Status: res.StatusCode, Length: res.ContentLength, Body: string(content), BodyEnd: kind(err), Header: map[string]string{}}
	for name, lines := range maps.All(res.Header) {
		if name != "Date" { // virtual worlds have no wall time
			w.Header[name] = strings.Join(lines, "|")
		}
	}
	return w
}

func kind(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "unexpected EOF"
	case errors.Is(err, io.EOF):
		return "EOF"
	default:
		return err.Error()
	}
}

// note collects what handlers saw, whichever goroutine they run on.
type note struct {
	mu   sync.Mutex
	said []string
}

func (n *note) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said = append(n.said, text)
}

func (n *note) all() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.said, "; ")
}
