package sim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/sim"
)

// burst sends requests at once to a handler that takes a little over each.
func burst(t *testing.T, seed uint64) []history.Attempt {
	t.Helper()
	const n = 20
	attempts := make([]history.Attempt, n)
	served := 0
	playSeed(t, seed, func(c clock.Clock) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			served++
			if served > n/2 {
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			for range 3 {
				send(w, chatEvent)
				flush(w)
				_ = c.Sleep(r.Context(), time.Millisecond)
			}
			send(w, chatEnd)
		}
	}, func(p place) {
		d := p.driver()
		g := clock.NewGroup(p.clock)
		for i := range n {
			g.Go("attempt", func() { attempts[i] = d.Do(context.Background(), p.request(true)) })
		}
		g.Wait()
	})
	return attempts
}

// TestSeedGivesTheRecords plays a burst twice per seed.
func TestSeedGivesTheRecords(t *testing.T) {
	refused := map[string]bool{}
	for seed := range uint64(10) {
		first := burst(t, seed)
		if diff := cmp.Diff(first, burst(t, seed)); diff != "" {
			t.Fatalf("seed %d gave two histories:\n%s", seed, diff)
		}
		var who strings.Builder
		for _, a := range first {
			who.WriteString(http.StatusText(a.Status) + ",")
		}
		refused[who.String()] = true
	}
	if len(refused) < 8 {
		t.Errorf("10 seeds refused in only %d ways", len(refused))
	}
}

// TestTimesOnTheNetwork holds a record's times to the delays of the network and
// the waits of the handler.
func TestTimesOnTheNetwork(t *testing.T) {
	const (
		least, most = 20 * time.Microsecond, 500 * time.Microsecond // one way
		latency     = time.Minute
		pause       = time.Hour
	)
	trips := map[time.Duration]bool{}
	for seed := range uint64(50) {
		playSeed(t, seed, func(c clock.Clock) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				_ = c.Sleep(r.Context(), latency)
				w.Header().Set("Content-Type", "text/event-stream")
				send(w, chatEvent)
				flush(w)
				_ = c.Sleep(r.Context(), pause)
				send(w, chatEnd)
			}
		}, func(p place) {
			d := p.driver()
			d.Deadline = 2 * pause
			a := d.Do(context.Background(), p.request(true))
			if a.Sent != a.Intended || a.FirstByte != a.Headers {
				t.Errorf("seed %d: sent %v, intended %v, headers %v, first byte %v", seed, a.Sent, a.Intended, a.Headers, a.FirstByte)
			}
			if trip := a.Headers - a.Sent - latency; trip < 2*least || trip > 2*most {
				t.Errorf("seed %d: the headers were %v under way", seed, trip)
			}
			trips[a.Headers-a.Sent] = true
			// The pause begins when the headers leave, one way before they are there.
			if late := a.Headers - (a.Done - pause); late < least || late > most {
				t.Errorf("seed %d: the last byte came %v before the pause was over", seed, late)
			}
		})
	}
	if len(trips) < 45 {
		t.Errorf("50 seeds gave only %d round trips", len(trips))
	}
}

func TestPanicOfAHandlerEndsTheWorld(t *testing.T) {
	v := clock.NewVirtual(1, epoch)
	n := sim.NewNetwork(v, 1)
	n.Handle(host, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a mistake") }))
	err := v.Run(context.Background(), func() {
		req, err := http.NewRequest(http.MethodGet, "http://"+host, nil)
		if err != nil {
			t.Error(err)
			return
		}
		if res, err := n.RoundTrip(req); err == nil {
			_ = res.Body.Close()
		}
	})
	var broken *clock.PanicError
	if !errors.As(err, &broken) || broken.Value != "a mistake" || !strings.Contains(broken.Task, host) {
		t.Errorf("the world ended with %v", err)
	}
}

// closing notes that a request's body was closed, as a RoundTripper must do
// whatever comes of the request.
type closing struct {
	io.Reader
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return nil
}

func TestRequestBodyIsClosed(t *testing.T) {
	for name, c := range map[string]struct {
		host      string
		cancelled bool
	}{
		"served": {host: host}, "unknown host": {host: "nobody.internal"}, "cancelled": {host: host, cancelled: true},
	} {
		t.Run(name, func(t *testing.T) {
			body := &closing{Reader: strings.NewReader("{}")}
			playVirtual(t, still(func(http.ResponseWriter, *http.Request) {}), func(p place) {
				ctx, cancel := p.withCancel()
				defer cancel()
				if c.cancelled {
					cancel()
				}
				p.url.Host = c.host
				if res, err := p.transport.RoundTrip(p.ask(ctx, body)); err == nil {
					_ = res.Body.Close()
				}
			})
			if body.closed != 1 {
				t.Errorf("closed %d times", body.closed)
			}
		})
	}
}
