package sim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
)

// untilLeft waits until the client has left, and notes what the context says.
func untilLeft(c clock.Clock, r *http.Request, n *note) {
	// net/http looks for a client that leaves only behind the request's body.
	_, _ = io.Copy(io.Discard, r.Body)
	n.add("left: " + kind(c.NewEvent().Wait(r.Context())))
}

// tapped calls when a response's body is read for the second time: what was
// sent at first has come in then.
type tapped struct {
	transport http.RoundTripper
	call      func()
}

func (t tapped) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.transport.RoundTrip(r)
	if err == nil {
		res.Body = &tappedBody{ReadCloser: res.Body, call: t.call}
	}
	return res, err
}

type tappedBody struct {
	io.ReadCloser
	reads int
	call  func()
}

func (b *tappedBody) Read(p []byte) (int, error) {
	if b.reads++; b.reads == 2 {
		b.call()
	}
	return b.ReadCloser.Read(p)
}

// inBoth plays one request in both worlds and compares the records and what the
// handlers noted.
func inBoth(t *testing.T, h func(n *note) handler, ask func(p place) history.Attempt) (history.Attempt, string) {
	t.Helper()
	var records [2]history.Attempt
	var notes [2]string
	for i, w := range worlds() {
		n := &note{}
		w.play(t, h(n), func(p place) { records[i] = untimed(ask(p)) })
		notes[i] = n.all()
	}
	if diff := cmp.Diff(records[1], records[0]); diff != "" {
		t.Errorf("the records differ (-sockets +virtual):\n%s", diff)
	}
	if notes[0] != notes[1] {
		t.Errorf("over sockets handlers noted %q, on virtual time %q", notes[1], notes[0])
	}
	return records[0], notes[0]
}

func TestDeadlineBeforeHeaders(t *testing.T) {
	record, note := inBoth(t, func(n *note) handler {
		return func(c clock.Clock) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) { untilLeft(c, r, n) }
		}
	}, func(p place) history.Attempt {
		d := p.driver()
		d.Deadline = soon
		return d.Do(t.Context(), p.request(false))
	})
	if record.Error != history.Deadline || record.Status != 0 || note != "left: context canceled" {
		t.Errorf("error %s, status %d, the handler noted %q", record.Error, record.Status, note)
	}
}

func TestClientGivesUpInTheAnswer(t *testing.T) {
	for name, stream := range map[string]bool{"plain": false, "stream": true} {
		t.Run(name, func(t *testing.T) {
			record, note := inBoth(t, func(n *note) handler {
				return func(c clock.Clock) http.HandlerFunc {
					return func(w http.ResponseWriter, r *http.Request) {
						if stream {
							w.Header().Set("Content-Type", "text/event-stream")
						}
						send(w, chatEvent)
						flush(w)
						untilLeft(c, r, n)
					}
				}
			}, func(p place) history.Attempt {
				ctx, cancel := p.withCancel()
				defer cancel()
				d := p.driver()
				d.Transport = tapped{p.transport, cancel}
				return d.Do(ctx, p.request(stream))
			})
			want := history.Attempt{Error: history.Cancelled, Status: 200}
			if stream {
				want.Events = 1
			}
			if record.Error != want.Error || record.Status != want.Status || record.Events != want.Events || note != "left: context canceled" {
				t.Errorf("record %+v, the handler noted %q", record, note)
			}
		})
	}
}

// TestClientClosesTheBody leaves by closing the body, with the request's context
// still alive.
func TestClientClosesTheBody(t *testing.T) {
	for _, w := range worlds() {
		t.Run(w.name, func(t *testing.T) {
			n := &note{}
			w.play(t, func(c clock.Clock) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					send(w, chatEvent)
					flush(w)
					untilLeft(c, r, n)
					// A socket may take a few writes before it knows.
					for range 1 << 20 {
						if _, err := io.WriteString(w, chatEvent); err != nil {
							n.add("writing failed")
							return
						}
						flush(w)
					}
				}
			}, func(p place) {
				res, err := p.transport.RoundTrip(p.ask(t.Context(), strings.NewReader("{}")))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(res.Body, make([]byte, len(chatEvent))); err != nil {
					t.Error(err)
				}
				if err := res.Body.Close(); err != nil {
					t.Error(err)
				}
				if _, err := res.Body.Read(make([]byte, 1)); err == nil {
					t.Error("a closed body could be read")
				}
			})
			if got := n.all(); got != "left: context canceled; writing failed" {
				t.Errorf("the handler noted %q", got)
			}
		})
	}
}

func (p place) ask(ctx context.Context, body io.Reader) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url.String(), body)
	if err != nil {
		return &http.Request{}
	}
	return req
}

// TestWriteAfterTheClientLeft is told to a handler at once on the in-process
// network, before the headers too.
func TestWriteAfterTheClientLeft(t *testing.T) {
	n := &note{}
	playVirtual(t, func(c clock.Clock) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			untilLeft(c, r, n)
			_, err := w.Write([]byte("late"))
			if errors.Is(err, syscall.EPIPE) {
				n.add("broken pipe")
			}
			flush(w)
		}
	}, func(p place) {
		d := p.driver()
		d.Deadline = soon
		if a := d.Do(t.Context(), p.request(false)); a.Error != history.Deadline {
			t.Errorf("error %s", a.Error)
		}
	})
	if got := n.all(); got != "left: context canceled; broken pipe" {
		t.Errorf("the handler noted %q", got)
	}
}
