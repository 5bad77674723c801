package driver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
)

// raw answers with these bytes and closes the connection.
func raw(text string) func(net.Conn) {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, text) }
}

// TestWire plays what is wrong, or only unusual, below a response's body.
func TestWire(t *testing.T) {
	whole := history.Attempt{Status: 200, Usage: plainUsage}
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	answer := fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(plainAnswer), plainAnswer)
	stream := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	event := "data: " + textChunk + "\n\n"
	for name, c := range map[string]struct {
		talk   func(net.Conn)
		stream bool
		want   history.Attempt
		words  string
	}{
		"an answer":               {talk: raw(answer), want: whole},
		"HTTP/1.0":                {talk: raw("HTTP/1.0 200 OK\r\n\r\n" + plainAnswer), want: whole},
		"to the connection's end": {talk: raw(head + "\r\n" + plainAnswer), want: whole},
		"100 before the answer":   {talk: raw("HTTP/1.1 100 Continue\r\n\r\n" + answer), want: whole},
		"103 before the answer":   {talk: raw("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-RateLimit-Limit: 1\r\n\r\n" + answer), want: whole},
		"101 and silence": {
			talk: func(conn net.Conn) {
				raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")(conn)
				_, _ = io.Copy(io.Discard, conn) // until the client leaves
			},
			want: history.Attempt{Status: 101, Error: history.Garbled}, words: "101",
		},
		"closed at once":        {talk: func(net.Conn) {}, want: history.Attempt{Error: history.Reset}},
		"closed in the headers": {talk: raw(head), want: history.Attempt{Error: history.Reset}},
		"closed in a header":    {talk: raw(head + "X-A"), want: history.Attempt{Error: history.Garbled}, words: "malformed"},
		"aborted": {
			talk: func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) },
			want: history.Attempt{Error: history.Reset},
		},
		"no HTTP":           {talk: raw("SSH-2.0-OpenSSH_9.6\r\n"), want: history.Attempt{Error: history.Garbled}, words: "malformed"},
		"no status":         {talk: raw("HTTP/1.1 OK\r\n\r\n"), want: history.Attempt{Error: history.Garbled}, words: "malformed"},
		"no header":         {talk: raw("HTTP/1.1 200 OK\r\nwhat is this\r\n\r\n"), want: history.Attempt{Error: history.Garbled}, words: "malformed"},
		"echo":              {talk: raw(bearer + "\r\n"), want: history.Attempt{Error: history.Garbled}, words: "[key]"},
		"a line for ever":   {talk: raw(strings.Repeat("x", 2<<20)), want: history.Attempt{Error: history.Garbled}},
		"headers for ever":  {talk: raw(head + strings.Repeat("X-Litellm-A: "+strings.Repeat("\x01", 1<<10)+"\r\n", 2<<10)), want: history.Attempt{Error: history.Garbled}},
		"two lengths":       {talk: raw(head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), want: history.Attempt{Error: history.Garbled}},
		"shorter than said": {talk: raw(head + "Content-Length: 1000\r\n\r\n" + plainAnswer), want: history.Attempt{Status: 200, Error: history.Cut}},
		"an error shorter than said": {
			talk: raw("HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\noops"),
			want: history.Attempt{Status: 500, Error: history.Cut, Excerpt: "oops"},
		},
		"longer than said":     {talk: raw(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%strailing", head, len(plainAnswer), plainAnswer)), want: whole},
		"chunks broken off":    {talk: raw(head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n"), want: history.Attempt{Status: 200, Error: history.Cut}},
		"chunks that are none": {talk: raw(head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"), want: history.Attempt{Status: 200, Error: history.Cut}},
		"a stream broken off":  {talk: raw(stream + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(event), event)), stream: true, want: history.Attempt{Status: 200, Error: history.Cut, Events: 1}},
		"a stream broken off in an event": {
			talk:   raw(stream + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s", len(event)+9, event+"data: {")),
			stream: true, want: history.Attempt{Status: 200, Error: history.Cut, Events: 1},
		},
		"a stream broken off behind its end": {
			talk:   raw(stream + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n", len(wholeStream), wholeStream)),
			stream: true, want: history.Attempt{Status: 200, Usage: plainUsage, Events: 4, DoneSeen: true},
		},
		"429 and no more": {
			talk: raw(fmt.Sprintf("HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 3\r\nContent-Length: %d\r\n\r\n%s", len(plainError), plainError)),
			want: history.Attempt{Status: 429, Excerpt: plainError},
		},
		"a status nobody knows": {talk: raw("HTTP/1.1 799 Odd\r\nContent-Length: 0\r\n\r\n"), want: history.Attempt{Status: 799}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, do(t, serveRaw(t, c.talk), c.stream), c.want, c.words)
		})
	}
}

func TestUnreachable(t *testing.T) {
	unreachable := history.Attempt{Error: history.Unreachable}
	t.Run("refused", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		d := to(t, "http://"+listener.Addr().String())
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		check(t, do(t, d, false), unreachable, "dial", "refused")
	})
	t.Run("unknown name", func(t *testing.T) {
		d := to(t, "http://nobody.invalid")
		d.Transport = transport(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "nobody.invalid", Server: "192.0.2.1:53", IsNotFound: true}}
		})
		check(t, do(t, d, false), unreachable, "lookup: no such host")
	})
	t.Run("silent in the TLS handshake", func(t *testing.T) {
		d := accept(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
		d.URL.Scheme = "https"
		d.Transport.(*http.Transport).TLSHandshakeTimeout = soon
		check(t, do(t, d, false), unreachable, "handshake timeout")
	})
	t.Run("no URL to ask", func(t *testing.T) {
		d := to(t, "http://127.0.0.1:1")
		d.URL.Host = "a b"
		check(t, do(t, d, false), unreachable)
	})
}

func TestTransportErrors(t *testing.T) {
	closed := errors.New("http: server closed idle connection")
	for name, c := range map[string]struct {
		err  error
		want history.ErrorClass
	}{
		"closed while the request was sent":    {closed, history.Reset},
		"the same, wrapped":                    {fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", closed), history.Reset},
		"a write to a connection that is gone": {&net.OpError{Op: "write", Net: "tcp", Err: net.ErrClosed}, history.Reset},
		"something else":                       {errors.New("what is this"), history.Garbled},
	} {
		t.Run(name, func(t *testing.T) {
			d := to(t, "http://127.0.0.1:1")
			d.Transport = transport(func(*http.Request) (*http.Response, error) { return nil, c.err })
			check(t, do(t, d, false), history.Attempt{Error: c.want})
		})
	}
}

// TestEarlyAnswer has a target refuse by the headers alone, while a large body
// is still being written.
func TestEarlyAnswer(t *testing.T) {
	large := strings.Repeat("x", 8<<20)
	ask := func(d *driver.Driver) history.Attempt {
		return d.Do(context.Background(), driver.Request{Bearer: bearer, Path: "/v1/chat/completions", Body: []byte(large)})
	}
	t.Run("net/http", func(t *testing.T) {
		d := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", typeJSON)
			w.Header().Set("Connection", "close")
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, plainError)
		})
		a := ask(d)
		check(t, a, history.Attempt{Status: 429, Excerpt: plainError})
		if a.Header["retry-after"] != "3" {
			t.Errorf("headers %v", a.Header)
		}
	})
	t.Run("a server that reads on", func(t *testing.T) {
		d := accept(t, func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, 100)) // some of the headers
			raw("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}")(conn)
			_, _ = io.Copy(io.Discard, conn)
		})
		check(t, ask(d), history.Attempt{Status: 429, Excerpt: "{}"})
	})
	t.Run("a server that does not", func(t *testing.T) {
		d := accept(t, func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, 100))
			raw("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}")(conn)
		})
		// Whether the answer outruns the reset is the network's affair.
		a := ask(d)
		switch {
		case a.Status == 429 && a.Excerpt == "{}" && a.Error == "":
		case a.Status == 429 && a.Error == history.Cut:
		case a.Status == 0 && a.Error == history.Reset:
		default:
			t.Errorf("status %d, error %s: %s", a.Status, a.Error, a.ErrorText)
		}
	})
}
