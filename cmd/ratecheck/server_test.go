package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
)

// hurried is the pace of tests that wait until a client is cut.
func hurried() pace {
	const short = 500 * time.Millisecond // a busy machine must not be taken for a slow client
	return pace{header: short, body: short, write: short, idle: short}
}

// TestFaultLog: faults that come together are lines of their own.
func TestFaultLog(t *testing.T) {
	var out strings.Builder
	tell := faultLog(&out)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			tell(&reference.LimiterFault{What: "freeing a slot", Fault: "no connection", Stands: "the slot is taken"})
		})
	}
	all.Wait()
	const line = "the limiter failed: freeing a slot: no connection; the answer is not touched, and the slot is taken\n"
	if out.String() != strings.Repeat(line, 20) {
		t.Errorf("wrote %q", out.String())
	}
}

// dial connects to a server that serves h at a hurried pace. Its own deadline
// ends a test whose client is not cut.
func dial(t *testing.T, h http.HandlerFunc) net.Conn {
	t.Helper()
	stop, at, err := listenAtPace("127.0.0.1:0", h, time.Second, hurried())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(clock.System{}.Now().Add(patience))
	return c
}

// TestSlowClientsAreCut: one that does not send its request, one that does not
// send its body, one that does nothing, and one with endless headers.
func TestSlowClientsAreCut(t *testing.T) {
	t.Parallel()
	read := func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			http.Error(w, "body: "+err.Error(), http.StatusBadRequest)
		}
	}
	for name, c := range map[string]struct{ send, says string }{
		"no request":      {"", ""},
		"half a request":  {"POST / HTTP/1.1\r\nHost: x\r\n", ""},
		"half a body":     {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", "400 Bad Request"},
		"an idle one":     {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK"},
		"endless headers": {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 2*maxHeaderBytes) + "\r\n\r\n", "431 "},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, read)
			_, _ = io.WriteString(conn, c.send)
			answer, err := io.ReadAll(conn)
			if netError, ok := err.(net.Error); ok && netError.Timeout() {
				t.Fatalf("it was not cut: %q", answer)
			}
			if !strings.Contains(string(answer), c.says) {
				t.Errorf("answered %q, want %q", answer, c.says)
			}
		})
	}
}

// TestSlowReadersAreCut: a client that takes nothing of a stream is told from one
// that takes its time between the events.
func TestSlowReadersAreCut(t *testing.T) {
	ended := clock.System{}.NewEvent()
	conn := dial(t, func(w http.ResponseWriter, _ *http.Request) {
		defer ended.Set()
		for range 1 << 16 { // far beyond what the sockets hold
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
		t.Error("all was written to a client that reads nothing")
	})
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := ended.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestLongAnswersAreNotCut: an answer may last longer than all deadlines, after a
// body too, and the next request on the connection is none the worse.
func TestLongAnswersAreNotCut(t *testing.T) {
	t.Parallel()
	conn := dial(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for range 4 {
			if err := (clock.System{}).Sleep(r.Context(), hurried().body/2); err != nil {
				t.Errorf("the request's context ended: %v", err)
			}
			_, _ = fmt.Fprintf(w, "%s ", body)
			w.(http.Flusher).Flush()
		}
	})
	reader := bufio.NewReader(conn)
	for range 2 {
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "hi hi hi hi " {
			t.Errorf("read %q, %v", body, err)
		}
	}
}

// TestServeEndsWithItsStreams interrupts serve in the middle of a stream: the
// stream comes to its end, and a new connection to none.
func TestServeEndsWithItsStreams(t *testing.T) {
	t.Parallel()
	c := clock.System{}
	told, out := io.Pipe()
	defer func() { _ = told.Close() }()
	a := testApp(out)
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	root := a.rootCommand()
	root.SetArgs([]string{"serve", "--listen", "127.0.0.1:0", "--provider-listen", "127.0.0.1:0"})
	ended := c.NewEvent()
	var served error
	go func() {
		defer ended.Set()
		served = root.ExecuteContext(ctx)
	}()
	line, err := bufio.NewReader(told).ReadString('\n')
	if err != nil || len(httpAddresses(line)) == 0 {
		t.Fatalf("serve says %q, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, told) }()
	at := httpAddresses(line)[0]
	const chat = `{"model":"m","stream":true,"messages":[{"role":"user","content":"[[usage=1,8 chunks=8 chunk_delay=100ms]]"}]}`
	req, err := http.NewRequest(http.MethodPost, at+"/v1/chat/completions", strings.NewReader(chat))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer sk-ratecheck-a1-mpr1")
	res, err := (&http.Transport{}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	reader := bufio.NewReader(res.Body)
	first, err := reader.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	interrupt()
	rest, err := io.ReadAll(reader)
	if err != nil || !strings.Contains(string(rest), "[DONE]") || !strings.HasPrefix(first, "data: ") {
		t.Errorf("the stream was cut: %q %q, %v", first, rest, err)
	}
	if err := ended.Wait(t.Context()); err != nil || served != nil {
		t.Errorf("serve ended with %v (%v)", served, err)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(at, "http://")); err == nil {
		t.Error("somebody listens still")
	}
}

// freeAddress is a loopback address that nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
