package driver_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
)

// bearer is the key that is sent; no record may hold it.
const bearer = "sk-check-0123456789-abcdef"

// patience is the deadline of attempts that are not to meet it. It is far above
// what a loopback needs on a busy machine.
const patience = 20 * time.Second

// soon is the deadline of attempts that are to meet it.
const soon = 50 * time.Millisecond

const (
	plainAnswer = `{"object":"chat.completion","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":2}}}`
	plainError  = `{"error":{"message":"slow down","type":"throttling_error","param":null,"code":"429"}}`
)

var plainUsage = &history.Usage{Prompt: 3, Completion: 4, Total: 7, Cached: 2}

// serve answers on a loopback port for the time of a test.
func serve(t *testing.T, h http.HandlerFunc) *driver.Driver {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	return to(t, server.URL)
}

// to returns a driver for a base URL.
func to(t *testing.T, base string) *driver.Driver {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	transport := driver.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	return &driver.Driver{Clock: clock.System{}, Epoch: clock.System{}.Now(), Transport: transport, URL: u, Deadline: patience}
}

// serveRaw hands every connection, once a request was read from it, to answer,
// and closes it afterwards.
func serveRaw(t *testing.T, answer func(conn net.Conn)) *driver.Driver {
	t.Helper()
	return accept(t, func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		answer(conn)
	})
}

// accept hands every connection to talk and closes it afterwards.
func accept(t *testing.T, talk func(conn net.Conn)) *driver.Driver {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				talk(conn)
			}()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-over
	})
	return to(t, "http://"+listener.Addr().String())
}

// do sends one request and checks what holds of every record.
func do(t *testing.T, d *driver.Driver, stream bool) history.Attempt {
	t.Helper()
	return doIn(context.Background(), t, d, stream)
}

func doIn(ctx context.Context, t *testing.T, d *driver.Driver, stream bool) history.Attempt {
	t.Helper()
	a := d.Do(ctx, driver.Request{
		Attempt: history.Attempt{ID: 1, Stream: stream, Intended: d.Clock.Now().Sub(d.Epoch)},
		Bearer:  bearer, Path: "/v1/chat/completions", Body: []byte(`{"model":"m"}`),
	})
	checkTimes(t, a)
	checkDiscretion(t, d, a)
	return a
}

func checkTimes(t *testing.T, a history.Attempt) {
	t.Helper()
	at := []time.Duration{a.Intended, a.Sent}
	if a.Status != 0 {
		at = append(at, a.Headers)
	} else if a.Headers != 0 {
		t.Errorf("no status, and headers came at %v", a.Headers)
	}
	if a.FirstByte != 0 {
		at = append(at, a.FirstByte)
	} else if a.Events > 0 || a.Usage != nil || a.Excerpt != "" {
		t.Error("there is a body, and no time of its first byte")
	}
	at = append(at, a.Done)
	for i := range at[1:] {
		if at[i] > at[i+1] {
			t.Errorf("times run backwards: intended, sent, headers, first byte, done = %v", at)
		}
	}
}

// checkDiscretion holds a record to what a history must not tell: the key, and
// where the target is.
func checkDiscretion(t *testing.T, d *driver.Driver, a history.Attempt) {
	t.Helper()
	record, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"the key": bearer, "the target's address": d.URL.Host, "the target's host": d.URL.Hostname()} {
		if strings.Contains(string(record), text) {
			t.Errorf("the record holds %s: %s", what, record)
		}
	}
	// An attempt must fit into a line of a history whatever the target sent.
	if len(record) > history.MaxLine/2 {
		t.Errorf("the record has %d bytes", len(record))
	}
}

// outcome is what of a record does not depend on the connection.
func outcome(a history.Attempt) history.Attempt {
	return history.Attempt{
		Status: a.Status, Error: a.Error, Usage: a.Usage, Events: a.Events,
		DoneSeen: a.DoneSeen, ErrorEvent: a.ErrorEvent, Excerpt: a.Excerpt,
	}
}

// check compares the outcome of an attempt and looks for words in its error.
func check(t *testing.T, a, want history.Attempt, words ...string) {
	t.Helper()
	if diff := cmp.Diff(want, outcome(a)); diff != "" {
		t.Errorf("the record differs (-want +got):\n%s\nerror text: %s", diff, a.ErrorText)
	}
	if (a.ErrorText == "") != (a.Error == "") {
		t.Errorf("error %q with the text %q", a.Error, a.ErrorText)
	}
	for _, word := range words {
		if !strings.Contains(a.ErrorText, word) {
			t.Errorf("the error text %q lacks %q", a.ErrorText, word)
		}
	}
}

// body answers with a status, a content type and a body.
func body(status int, contentType, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // net/http looks for a client that leaves only behind the body
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}
