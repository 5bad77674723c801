package sim_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/sim"
)

// TestNobodyThere compares a host that the network does not know to a port on
// which nobody listens.
func TestNobodyThere(t *testing.T) {
	record, _ := inBoth(t, func(*note) handler { return still(func(http.ResponseWriter, *http.Request) {}) }, func(p place) history.Attempt {
		if _, real := p.transport.(*http.Transport); real {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			p.url.Host = listener.Addr().String()
			_ = listener.Close()
		} else {
			p.url.Host = "nobody.internal"
		}
		return p.driver().Do(t.Context(), p.request(false))
	})
	if record.Error != history.Unreachable {
		t.Errorf("error %s", record.Error)
	}
}

// TestContextIsOverWithTheHandler starts a task that outlives its handler. The
// client has not closed the body by then.
func TestContextIsOverWithTheHandler(t *testing.T) {
	for _, w := range worlds() {
		t.Run(w.name, func(t *testing.T) {
			n := &note{}
			var over clock.Event
			w.play(t, func(c clock.Clock) http.HandlerFunc {
				over = c.NewEvent()
				return func(_ http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					c.Go("watcher", func() {
						n.add(kind(c.NewEvent().Wait(r.Context())))
						over.Set()
					})
				}
			}, func(p place) {
				res, err := p.transport.RoundTrip(p.ask(t.Context(), strings.NewReader("{}")))
				if err != nil {
					t.Error(err)
					return
				}
				ctx, cancel := p.withCancel()
				defer cancel()
				defer p.clock.AfterFunc(patience, cancel)()
				if err := over.Wait(ctx); err != nil {
					t.Errorf("the context lives on: %v", err)
				}
				_ = res.Body.Close()
			})
			if got := n.all(); got != "context canceled" {
				t.Errorf("the watcher noted %q", got)
			}
		})
	}
}

// TestSwitchingProtocols is the one status below 200 that is final.
func TestSwitchingProtocols(t *testing.T) {
	record, _ := inBoth(t, func(*note) handler {
		return still(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusSwitchingProtocols) })
	}, func(p place) history.Attempt { return p.driver().Do(t.Context(), p.request(false)) })
	if record.Status != http.StatusSwitchingProtocols || record.Error != history.Garbled {
		t.Errorf("record %+v", record)
	}
}

// TestTraces compares what net/http's hooks are told.
func TestTraces(t *testing.T) {
	var notes [2]string
	for i, w := range worlds() {
		n := &note{}
		w.play(t, still(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(http.StatusEarlyHints)
			send(w, "{}")
		}), func(p place) {
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn:        func(httptrace.GotConnInfo) { n.add("connection") },
				Got1xxResponse: func(code int, h textproto.MIMEHeader) error { n.add(http.StatusText(code) + h["Link"][0]); return nil },
			})
			res, err := p.transport.RoundTrip(p.ask(ctx, strings.NewReader("{}")))
			if err != nil {
				t.Error(err)
				return
			}
			n.add(res.Status)
			_ = res.Body.Close()
		})
		notes[i] = n.all()
	}
	if notes[0] != notes[1] || notes[0] != "connection; Early Hints</a>; 200 OK" {
		t.Errorf("virtual %q, sockets %q", notes[0], notes[1])
	}
}

// TestHandlerKnowsNothingOfTheClientsContext: a handler that calls on must not
// be taken for the client by the client's trace.
func TestHandlerKnowsNothingOfTheClientsContext(t *testing.T) {
	v := clock.NewVirtual(1, epoch)
	network := sim.NewNetwork(v, 1)
	network.Handle("behind", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	network.Handle("front", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://behind/", nil)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := network.RoundTrip(req); err != nil {
			t.Error(err)
		}
	}))
	connections := 0
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connections++ }}
	if err := v.Run(t.Context(), func() {
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "http://front/", nil)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := network.RoundTrip(req); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if connections != 1 {
		t.Errorf("the client's trace saw %d connections, it made one", connections)
	}
}
