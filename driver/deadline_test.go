package driver_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
)

// calledTime is a clock whose timers go off when the test says so.
type calledTime struct {
	clock.System
	up <-chan struct{}
}

func (c calledTime) AfterFunc(_ time.Duration, f func()) func() bool {
	over := make(chan struct{})
	go func() {
		select {
		case <-c.up:
			f()
		case <-over:
		}
	}()
	var once sync.Once
	return func() bool {
		once.Do(func() { close(over) })
		return true
	}
}

// readTwice calls when a body is read for the second time: what was sent at
// first has come in then.
type readTwice struct {
	io.ReadCloser
	reads int
	call  func()
}

func (r *readTwice) Read(p []byte) (int, error) {
	if r.reads++; r.reads == 2 {
		r.call()
	}
	return r.ReadCloser.Read(p)
}

// hang begins an answer and then sends nothing more until the client leaves.
func hang(contentType, begun string, left chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body(200, contentType, begun)(w, r)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(left)
	}
}

func TestHangBeforeHeaders(t *testing.T) {
	for name, talk := range map[string]func(net.Conn){
		"nothing":       func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) },
		"half a header": func(conn net.Conn) { raw("HTTP/1.1 200 OK\r\nX-")(conn); _, _ = io.Copy(io.Discard, conn) },
		"100 alone":     func(conn net.Conn) { raw("HTTP/1.1 100 Continue\r\n\r\n")(conn); _, _ = io.Copy(io.Discard, conn) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := serveRaw(t, talk)
			d.Deadline = soon
			a := do(t, d, false)
			check(t, a, history.Attempt{Error: history.Deadline})
			if a.Done-a.Intended < soon {
				t.Errorf("gave up after %v of %v", a.Done-a.Intended, soon)
			}
		})
	}
}

func TestHangInTheAnswer(t *testing.T) {
	event := "data: " + textChunk + "\n\n"
	for name, c := range map[string]struct {
		contentType, begun string
		stream             bool
		want               history.Attempt
	}{
		"plain":            {typeJSON, plainAnswer[:20], false, history.Attempt{Status: 200, Error: history.Deadline}},
		"behind an event":  {typeSSE, event, true, history.Attempt{Status: 200, Error: history.Deadline, Events: 1}},
		"within an event":  {typeSSE, event + "data: {", true, history.Attempt{Status: 200, Error: history.Deadline, Events: 1}},
		"behind a comment": {typeSSE, ": wait\n\n", true, history.Attempt{Status: 200, Error: history.Deadline}},
		"behind an error":  {typeSSE, "data: " + plainError + "\n\n", true, history.Attempt{Status: 200, Error: history.Deadline, Events: 1, ErrorEvent: true, Excerpt: plainError}},
		"behind the end":   {typeSSE, wholeStream, true, history.Attempt{Status: 200, Usage: plainUsage, Events: 4, DoneSeen: true}},
	} {
		for who, cancelled := range map[string]bool{"deadline": false, "run": true} {
			t.Run(name+", "+who, func(t *testing.T) {
				t.Parallel()
				left := make(chan struct{})
				d := serve(t, hang(c.contentType, c.begun, left))
				over, up := context.WithCancel(context.Background())
				defer up()
				run := context.Background()
				if cancelled {
					run = over
				} else {
					d.Clock = calledTime{up: over.Done()}
				}
				real := d.Transport
				d.Transport = transport(func(r *http.Request) (*http.Response, error) {
					res, err := real.RoundTrip(r)
					if err == nil {
						res.Body = &readTwice{ReadCloser: res.Body, call: up}
					}
					return res, err
				})
				want := c.want
				if cancelled && want.Error == history.Deadline {
					want.Error = history.Cancelled
				}
				check(t, doIn(run, t, d, c.stream), want)
				<-left // the target must learn that nobody listens
			})
		}
	}
}

func TestCancelledRun(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		d := serve(t, body(200, typeJSON, plainAnswer))
		check(t, doIn(ctx, t, d, false), history.Attempt{Error: history.Cancelled})
	})
	t.Run("before the headers", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		d := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		})
		check(t, doIn(ctx, t, d, false), history.Attempt{Error: history.Cancelled})
	})
	t.Run("behind a whole answer that is wrong", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		d := serve(t, body(200, typeJSON, "[]"))
		real := d.Transport
		d.Transport = transport(func(r *http.Request) (*http.Response, error) {
			res, err := real.RoundTrip(r)
			if err == nil {
				res.Body = &endOf{res.Body, cancel}
			}
			return res, err
		})
		check(t, doIn(ctx, t, d, false), history.Attempt{Status: 200, Error: history.Garbled, Excerpt: "[]"})
	})
}

// endOf calls when a body has been read to its end.
type endOf struct {
	io.ReadCloser
	call func()
}

func (r *endOf) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err == io.EOF {
		r.call()
	}
	return n, err
}

// TestLeavesAtAnEvent: who is to leave at an event waits for no other, and the
// target is told by the connection.
func TestLeavesAtAnEvent(t *testing.T) {
	event := "data: " + textChunk + "\n\n"
	for at, want := range map[int]history.Attempt{
		1: {Status: 200, Error: history.Left, Events: 1},
		2: {Status: 200, Error: history.Left, Events: 2},
	} {
		left := make(chan struct{})
		d := serve(t, hang(typeSSE, event+event, left))
		a := d.Do(context.Background(), driver.Request{
			Attempt: history.Attempt{Stream: true}, Bearer: "sk-a", Path: "/v1/chat/completions", LeaveAtEvent: at,
		})
		check(t, a, want)
		<-left
	}
	// One that ended before is whole.
	d := serve(t, body(200, typeSSE, wholeStream))
	a := d.Do(context.Background(), driver.Request{
		Attempt: history.Attempt{Stream: true}, Bearer: "sk-a", Path: "/v1/chat/completions", LeaveAtEvent: 9,
	})
	check(t, a, history.Attempt{Status: 200, Usage: plainUsage, Events: 4, DoneSeen: true})
}
