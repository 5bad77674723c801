package driver_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
)

// slowBody waits a second before each of its pieces and before its end.
type slowBody struct {
	clock  clock.Clock
	pieces []string
}

func (b *slowBody) Read(p []byte) (int, error) {
	if err := b.clock.Sleep(context.Background(), time.Second); err != nil {
		return 0, err
	}
	if len(b.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.pieces[0])
	b.pieces = b.pieces[1:]
	return n, nil
}

func (*slowBody) Close() error { return nil }

// TestTimes has every step of an exchange take a second of virtual time, and
// holds the record to the second.
func TestTimes(t *testing.T) {
	epoch := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		contentType string
		pieces      []string
		stream      bool
		dials       int // the transport may take another connection when the first has gone stale
		want        history.Attempt
	}{
		"plain": {
			contentType: typeJSON, pieces: []string{plainAnswer[:20], plainAnswer[20:]}, dials: 1,
			want: history.Attempt{Sent: 11 * time.Second, Headers: 12 * time.Second, FirstByte: 13 * time.Second, Done: 15 * time.Second},
		},
		"no body": {
			contentType: typeJSON, dials: 1,
			want: history.Attempt{Sent: 11 * time.Second, Headers: 12 * time.Second, Done: 13 * time.Second},
		},
		"a comment comes first": {
			contentType: typeSSE, pieces: []string{": wait\n\n", "data: {}\n\n", "data: [DONE]\n\n"}, stream: true, dials: 1,
			want: history.Attempt{Sent: 11 * time.Second, Headers: 12 * time.Second, FirstByte: 13 * time.Second, Done: 16 * time.Second},
		},
		"a second connection": {
			contentType: typeJSON, pieces: []string{plainAnswer}, dials: 2,
			want: history.Attempt{Sent: 12 * time.Second, Headers: 13 * time.Second, FirstByte: 14 * time.Second, Done: 15 * time.Second},
		},
		"no connection": {
			want: history.Attempt{Sent: 10 * time.Second, Done: 10 * time.Second},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := clock.NewVirtual(1, epoch)
			second := func(ctx context.Context) { _ = v.Sleep(ctx, time.Second) }
			d := to(t, "http://target.internal")
			d.Clock, d.Epoch = v, epoch
			d.Transport = transport(func(r *http.Request) (*http.Response, error) {
				if c.dials == 0 {
					return nil, io.EOF
				}
				for range c.dials {
					second(r.Context())
					httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
				}
				second(r.Context())
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {c.contentType}}, Body: &slowBody{v, c.pieces}}, nil
			})
			broken := v.Run(context.Background(), func() {
				_ = v.Sleep(context.Background(), 10*time.Second)
				a := d.Do(context.Background(), driver.Request{
					Attempt: history.Attempt{Stream: c.stream, Intended: 9 * time.Second}, Bearer: bearer, Path: "/v1/chat/completions",
				})
				got := history.Attempt{Sent: a.Sent, Headers: a.Headers, FirstByte: a.FirstByte, Done: a.Done}
				if a.Intended != 9*time.Second || got.Sent != c.want.Sent || got.Headers != c.want.Headers || got.FirstByte != c.want.FirstByte || got.Done != c.want.Done {
					t.Errorf("intended %v, sent %v, headers %v, first byte %v, done %v; want %+v", a.Intended, got.Sent, got.Headers, got.FirstByte, got.Done, c.want)
				}
			})
			if broken != nil {
				t.Error(broken)
			}
		})
	}
}

// TestDeadlineCountsFromTheStart has the body outlast the deadline although each
// of its pieces comes in time.
func TestDeadlineCountsFromTheStart(t *testing.T) {
	epoch := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	v := clock.NewVirtual(1, epoch)
	d := to(t, "http://target.internal")
	d.Clock, d.Epoch, d.Deadline = v, epoch, 10*time.Second
	d.Transport = transport(func(r *http.Request) (*http.Response, error) {
		header := http.Header{"Content-Type": {typeSSE}}
		return &http.Response{StatusCode: http.StatusOK, Header: header, Body: &pacedBody{clock: v, ctx: r.Context()}}, nil
	})
	broken := v.Run(context.Background(), func() {
		a := do(t, d, true)
		check(t, a, history.Attempt{Status: 200, Error: history.Deadline, Events: 3})
		if a.Done != 10*time.Second {
			t.Errorf("over at %v", a.Done)
		}
	})
	if broken != nil {
		t.Error(broken)
	}
}

// pacedBody sends an event every three seconds, for ever.
type pacedBody struct {
	clock clock.Clock
	ctx   context.Context
}

func (b *pacedBody) Read(p []byte) (int, error) {
	if err := b.clock.Sleep(b.ctx, 3*time.Second); err != nil {
		return 0, err
	}
	return strings.NewReader("data: {}\n\n").Read(p)
}

func (*pacedBody) Close() error { return nil }
