package driver_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
)

// TestRefusedBeforeTheBodyWasRead: a target that refuses by the headers alone,
// and closes the connection on the body that is still to come, has refused.
func TestRefusedBeforeTheBodyWasRead(t *testing.T) {
	refusal := fmt.Sprintf("HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nRetry-After: 3\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
		len(plainError), plainError)
	for name, leave := range map[string]func(conn net.Conn){
		"closes": func(net.Conn) {},
		"lingers": func(conn net.Conn) {
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
		},
	} {
		for _, size := range []int{200, 5_000, 100_000, 4_000_000} {
			if name == "closes" && size > 10_000 {
				continue // the kernel may drop the answer of who closes on what is still under way; no request of ours is so long
			}
			t.Run(fmt.Sprintf("%s on %d bytes", name, size), func(t *testing.T) {
				d := accept(t, func(conn net.Conn) {
					lines := bufio.NewReaderSize(conn, 16) // reads little of what follows the headers
					for {
						line, err := lines.ReadString('\n')
						if err != nil || strings.TrimSpace(line) == "" {
							break
						}
					}
					_, _ = io.WriteString(conn, refusal)
					leave(conn)
				})
				for range 20 {
					a := d.Do(t.Context(), driver.Request{Bearer: bearer, Path: "/v1/chat/completions", Body: []byte(strings.Repeat("x", size))})
					if a.Status != http.StatusTooManyRequests || a.Header["retry-after"] != "3" || a.Excerpt != plainError {
						t.Fatalf("status %d, error %q %q, excerpt %q", a.Status, a.Error, a.ErrorText, a.Excerpt)
					}
				}
			})
		}
	}
}

// TestCleartextHTTP2 speaks to a target that understands nothing else, and to
// one that understands both.
func TestCleartextHTTP2(t *testing.T) {
	for _, alone := range []bool{false, true} {
		var proto atomic.Value
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			proto.Store(r.Proto)
			body(200, typeJSON, plainAnswer)(w, r)
		}))
		server.Config.Protocols = &http.Protocols{}
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Config.Protocols.SetHTTP1(!alone)
		server.Start()
		d := to(t, server.URL)
		transport := driver.NewTargetTransport()
		d.Transport = transport
		for range 3 {
			a := d.Do(t.Context(), driver.Request{Bearer: bearer, Path: "/v1/chat/completions", Body: []byte("{}")})
			if a.Status != http.StatusOK || a.Error != "" || a.Usage == nil {
				t.Errorf("alone %v: status %d, %s: %s", alone, a.Status, a.Error, a.ErrorText)
			}
		}
		if want := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[alone]; proto.Load() != want {
			t.Errorf("alone %v: spoke %v, want %s", alone, proto.Load(), want)
		}
		transport.CloseIdleConnections()
		server.Close()
	}
}

// TestCleartextHTTP2IsForTheFirstRequest: once a target has answered in HTTP/1.1
// a broken connection is a broken connection, and nothing is sent twice.
func TestCleartextHTTP2IsForTheFirstRequest(t *testing.T) {
	var asked atomic.Int32
	d := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
		body(200, typeJSON, plainAnswer)(w, r)
	})
	transport := driver.NewTargetTransport()
	t.Cleanup(transport.CloseIdleConnections)
	d.Transport = transport
	for _, want := range []history.ErrorClass{"", history.Reset} {
		a := d.Do(t.Context(), driver.Request{Bearer: bearer, Path: "/v1/chat/completions", Body: []byte("{}")})
		if a.Error != want {
			t.Errorf("%q %s, want %q", a.Error, a.ErrorText, want)
		}
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times", asked.Load())
	}
}
