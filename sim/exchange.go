package sim

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/ratecheck/ratecheck/clock"
)

// exchange is one request and its response; it is the handler's ResponseWriter
// and the client's response body.
type exchange struct {
	clock   clock.Clock
	trace   *httptrace.ClientTrace
	header  http.Header
	head    clock.Event
	cancel  context.CancelFunc
	reading context.Context // the client's

	mu       sync.Mutex
	status   int
	frozen   http.Header
	buffer   *bufio.Writer // of what was written and not sent
	declared int64         // the Content-Length that the handler set, or -1
	written  int64
	sent     []byte // and not yet read
	headed   bool   // the headers are sent
	finished bool
	aborted  bool
	gone     bool // the client reads no more
	more     clock.Event
}

// flushAt is the size of the buffer of net/http's response writer: longer
// answers go out before the handler ends, and then without a Content-Length.
const flushAt = 2048

func (x *exchange) serve(h http.Handler, req *http.Request) {
	aborted := true
	defer func() {
		r := recover()
		x.finish(aborted)
		x.cancel()
		if r != nil && !isAbort(r) {
			panic(r)
		}
	}()
	h.ServeHTTP(x, req)
	aborted = false
}

func isAbort(r any) bool {
	err, ok := r.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

func (x *exchange) Header() http.Header { return x.header }

func (x *exchange) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		if x.trace != nil && x.trace.Got1xxResponse != nil {
			_ = x.trace.Got1xxResponse(status, textproto.MIMEHeader(x.header.Clone()))
		}
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.writeHeader(status)
}

func (x *exchange) writeHeader(status int) {
	if x.status != 0 {
		return
	}
	x.status = status
	x.frozen = x.header.Clone()
	if n, err := strconv.ParseInt(x.frozen.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		x.declared = n
	} else {
		x.frozen.Del("Content-Length")
	}
}

func (x *exchange) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.admit(len(p)); err != nil {
		return 0, err
	}
	return x.buffer.Write(p)
}

// WriteString cuts a text that is longer than the buffer at other places than
// Write does, as it is with net/http.
func (x *exchange) WriteString(text string) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.admit(len(text)); err != nil {
		return 0, err
	}
	return x.buffer.WriteString(text)
}

// admit says whether n more bytes of a body may be written. A socket tells only
// a later write that the client has left; here it is the first.
func (x *exchange) admit(n int) error {
	x.writeHeader(http.StatusOK)
	if x.gone {
		return &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	}
	if n > 0 && !bodyAllowed(x.status) {
		return http.ErrBodyNotAllowed
	}
	x.written += int64(n)
	if x.declared >= 0 && x.written > x.declared {
		return http.ErrContentLength
	}
	return nil
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// Flush sends what was written so far.
func (x *exchange) Flush() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.writeHeader(http.StatusOK)
	x.flush()
}

func (x *exchange) flush() {
	_ = x.buffer.Flush() // writing to memory does not fail
	x.sendHead(nil)
	x.wake()
}

// sendHead sends the headers, if they are not sent. Begun is the beginning of
// the body, as far as there is one by then.
func (x *exchange) sendHead(begun []byte) {
	if x.headed {
		return
	}
	x.headed = true
	_, typed := x.frozen["Content-Type"]
	if bodyAllowed(x.status) {
		if len(begun) > 0 && !typed && x.frozen.Get("Content-Encoding") == "" {
			x.frozen.Set("Content-Type", http.DetectContentType(begun))
		}
		if x.finished && x.declared < 0 {
			x.frozen.Set("Content-Length", strconv.Itoa(len(begun)))
		}
	}
	x.frozen = onTheWire(x.frozen)
	x.head.Set()
}

// onTheWire is a header as a client reads it.
func onTheWire(h http.Header) http.Header {
	fold := strings.NewReplacer("\n", " ", "\r", " ")
	read := http.Header{}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, line := range h[name] {
			read.Add(name, textproto.TrimString(fold.Replace(line)))
		}
	}
	return read
}

// wireWriter is an exchange below its buffer. Its lock is held.
type wireWriter exchange

func (w *wireWriter) Write(p []byte) (int, error) {
	x := (*exchange)(w)
	x.sendHead(p)
	x.sent = append(x.sent, p...)
	x.wake()
	return len(p), nil
}

func (x *exchange) wake() {
	if x.more != nil {
		x.more.Set()
		x.more = nil
	}
}

func (x *exchange) finish(aborted bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.finished, x.aborted = true, aborted
	if !aborted {
		x.writeHeader(http.StatusOK)
		x.flush()
		// A body that falls short of its length ends with its connection.
		x.aborted = bodyAllowed(x.status) && x.declared > x.written
	}
	x.head.Set()
	x.wake()
}

func (x *exchange) response(req *http.Request) (*http.Response, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.headed {
		return nil, io.EOF
	}
	if x.trace != nil && x.trace.GotFirstResponseByte != nil {
		x.trace.GotFirstResponseByte()
	}
	length := int64(-1)
	if v, err := strconv.ParseInt(x.frozen.Get("Content-Length"), 10, 64); err == nil {
		length = v
	} else if !bodyAllowed(x.status) {
		length = 0
	}
	return &http.Response{
		Status: strconv.Itoa(x.status) + " " + http.StatusText(x.status), StatusCode: x.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: x.frozen, Body: (*responseBody)(x), ContentLength: length, Request: req,
	}, nil
}

// leave is the client closing its connection.
func (x *exchange) leave() {
	x.mu.Lock()
	x.gone = true
	x.mu.Unlock()
	x.cancel()
}

// responseBody is the client's side of an exchange.
type responseBody exchange

func (b *responseBody) Read(p []byte) (int, error) {
	x := (*exchange)(b)
	for {
		x.mu.Lock()
		if x.gone {
			x.mu.Unlock()
			return 0, http.ErrBodyReadAfterClose
		}
		if len(x.sent) > 0 {
			n := copy(p, x.sent)
			x.sent = x.sent[n:]
			x.mu.Unlock()
			return n, nil
		}
		if x.finished {
			aborted := x.aborted
			x.mu.Unlock()
			if aborted {
				return 0, io.ErrUnexpectedEOF
			}
			return 0, io.EOF
		}
		if x.more == nil {
			x.more = x.clock.NewEvent()
		}
		more := x.more
		x.mu.Unlock()
		if err := more.Wait(x.reading); err != nil {
			x.cancel()
			return 0, err
		}
	}
}

func (b *responseBody) Close() error {
	(*exchange)(b).leave()
	return nil
}
