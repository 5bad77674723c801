package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

// shutdownPatience is how long the open requests of our provider may take when it
// is told to end: the runs that ask it have ended before.
const shutdownPatience = 5 * time.Second

// faultLog writes what fails in a limiter, a line each. It may be called
// concurrently.
func faultLog(w io.Writer) func(error) {
	var mu sync.Mutex
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintln(w, "the limiter failed:", err) // there is nobody else to tell
	}
}

// streamPatience is how long open streams may take when a proxy is told to end.
// It is below the 30 s that Kubernetes gives a container.
const streamPatience = 25 * time.Second

// pace is how slow a client may be.
type pace struct {
	// header and body are how long their sending may take, write how long a
	// client may take nothing of an answer, idle how long a connection may be
	// without a request.
	header, body, write, idle time.Duration
}

// usualPace lets 16 MiB come at 2 Mbit/s and is above the idle timeouts of usual
// clients. A stream may last for as long as it is read.
func usualPace() pace {
	return pace{header: 10 * time.Second, body: time.Minute, write: 30 * time.Second, idle: 2 * time.Minute}
}

// maxHeaderBytes is the most of a request's headers that is read.
const maxHeaderBytes = 64 << 10

// listenAndServe serves h on addr until stop is called, which waits so long for
// open requests.
func listenAndServe(addr string, h http.Handler, patience time.Duration) (stop func(), at net.Addr, err error) {
	return listenAtPace(addr, h, patience, usualPace())
}

func listenAtPace(addr string, h http.Handler, patience time.Duration, p pace) (stop func(), at net.Addr, err error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	return serveOn(listener, h, patience, p), listener.Addr(), nil
}

// serveOn serves h on a listener until stop is called.
func serveOn(listener net.Listener, h http.Handler, patience time.Duration, p pace) (stop func()) {
	server := &http.Server{Handler: p.cutSlow(h), ReadHeaderTimeout: p.header, IdleTimeout: p.idle, MaxHeaderBytes: maxHeaderBytes}
	go func() { _ = server.Serve(listener) }()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
	}
}

// cutSlow bounds how long a body may be on its way and how long a write may
// wait. Timeouts of http.Server bound whole answers, and a stream may last for
// hours.
func (p pace) cutSlow(next http.Handler) http.Handler {
	c := clock.System{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		paced := &pacedWriter{ResponseWriter: w, extend: func() { _ = control.SetWriteDeadline(c.Now().Add(p.write)) }}
		paced.extend()
		defer paced.extend() // for what net/http writes behind the handler
		if r.Body != nil && r.Body != http.NoBody {
			_ = control.SetReadDeadline(c.Now().Add(p.body))
			r.Body = &pacedBody{ReadCloser: r.Body, whole: func() { _ = control.SetReadDeadline(time.Time{}) }}
		}
		next.ServeHTTP(paced, r)
	})
}

// pacedBody calls whole when the body was read to its end: from then on the
// connection is read for its end alone, and that may take as long as the answer.
type pacedBody struct {
	io.ReadCloser
	whole func()
}

func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.whole()
	}
	return n, err
}

// pacedWriter gives each write its time.
type pacedWriter struct {
	http.ResponseWriter
	extend func()
}

func (w *pacedWriter) Write(p []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(p)
}

// Flush sends what was written.
func (w *pacedWriter) Flush() {
	w.extend()
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Unwrap lets http.ResponseController find the writer.
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
