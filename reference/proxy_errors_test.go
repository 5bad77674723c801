package reference_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/reference"
)

func TestWrongRequestsAreToldAndNotCharged(t *testing.T) {
	const chat = "/v1/chat/completions"
	tests := []struct {
		name, method, path, auth, body string
		status                         int
		// message is part of what is said.
		message string
		header  map[string]string
		rates   bool
	}{
		{name: "no key", method: "POST", path: chat, body: ask("n", ""), status: 401, message: "Authorization: Bearer", header: map[string]string{"WWW-Authenticate": "Bearer"}},
		{name: "unknown key", method: "POST", path: chat, auth: "Bearer sk-other", body: ask("n", ""), status: 401, message: "no such key"},
		{name: "empty key", method: "POST", path: chat, auth: "Bearer ", body: ask("n", ""), status: 401},
		{name: "key without scheme", method: "POST", path: chat, auth: testKey, body: ask("n", ""), status: 401},
		{name: "other scheme", method: "POST", path: chat, auth: "Basic " + testKey, body: ask("n", ""), status: 401},
		{name: "key with something behind it", method: "POST", path: chat, auth: "Bearer " + testKey + " x", body: ask("n", ""), status: 401},
		{name: "models without a key", method: "GET", path: "/v1/models", status: 401},
		{name: "401 comes before 400", method: "POST", path: chat, body: "{", status: 401},
		{name: "empty body", method: "POST", path: chat, auth: "Bearer " + testKey, status: 400, rates: true},
		{name: "no JSON", method: "POST", path: chat, auth: "Bearer " + testKey, body: `{"model":`, status: 400, message: "JSON", rates: true},
		{name: "no object", method: "POST", path: chat, auth: "Bearer " + testKey, body: `[]`, status: 400, rates: true},
		{name: "two objects", method: "POST", path: chat, auth: "Bearer " + testKey, body: `{}{}`, status: 400, rates: true},
		{name: "negative max_tokens", method: "POST", path: chat, auth: "Bearer " + testKey, body: ask("n", `"max_tokens":-1`), status: 400, message: "max_tokens", rates: true},
		{name: "max_tokens no integer", method: "POST", path: chat, auth: "Bearer " + testKey, body: ask("n", `"max_tokens":"5"`), status: 400, message: "max_tokens", rates: true},
		{name: "negative max_completion_tokens of a stream", method: "POST", path: chat, auth: "Bearer " + testKey, body: ask("n", `"stream":true,"max_completion_tokens":-1`), status: 400, message: "max_completion_tokens", rates: true},
		{name: "n is 0", method: "POST", path: chat, auth: "Bearer " + testKey, body: ask("n", `"n":0`), status: 400, message: "n is 0", rates: true},
		{name: "one byte too large", method: "POST", path: chat, auth: "Bearer " + testKey, body: strings.Repeat(" ", 16<<20+1), status: 413, message: "16 MiB", rates: true},
		{name: "unknown path", method: "POST", path: "/v1/completely", auth: "Bearer " + testKey, body: ask("n", ""), status: 404, message: "POST /v1/completely", rates: true},
		{name: "unknown path without a key", method: "GET", path: "/", status: 404, message: "GET /"},
		{name: "trailing slash", method: "POST", path: chat + "/", auth: "Bearer " + testKey, status: 404, rates: true},
		{name: "wrong method", method: "GET", path: chat, auth: "Bearer " + testKey, status: 405, message: "POST", header: map[string]string{"Allow": "POST"}, rates: true},
		{name: "wrong method for models", method: "DELETE", path: "/v1/models", auth: "Bearer " + testKey, status: 405, message: "GET", header: map[string]string{"Allow": "GET"}, rates: true},
		{name: "wrong method without a key", method: "PUT", path: chat, status: 405, header: map[string]string{"Allow": "POST"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, setting{keys: oneKey(3, 100, 2)}, func(s *stage) {
				req, err := http.NewRequestWithContext(context.Background(), tt.method, "http://proxy.internal"+tt.path, strings.NewReader(tt.body))
				if err != nil {
					s.Error(err)
					return
				}
				if tt.auth != "" {
					req.Header.Set("Authorization", tt.auth)
				}
				a := s.do(req)
				wantError(t, a, tt.status, tt.message)
				for name, want := range tt.header {
					if got := a.header.Get(name); got != want {
						s.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				want := map[string]string{}
				if tt.rates {
					want = allRates("3", "100", "2")
				}
				wantRates(t, tt.name, a.header, want)
				s.wantLeft("afterwards", left{"3", "100", "2"})
				if calls, _ := s.provider.Finished(0); len(calls) != 0 || len(s.store.deals) != 0 {
					s.Errorf("%d upstream calls, %d reservations", len(calls), len(s.store.deals))
				}
			})
		})
	}
}

// wantError says that an answer is an error in OpenAI's shape, whole.
func wantError(t *testing.T, a answer, status int, message string) {
	t.Helper()
	var body struct {
		Error *struct {
			Message, Type, Code string
			Param               *string
		}
	}
	if a.err != nil || a.status != status || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %q (%v), want %d and JSON", a.status, a.header.Get("Content-Type"), a.err, status)
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || body.Error == nil || body.Error.Message == "" || body.Error.Type == "" {
		t.Errorf("no error in OpenAI's shape: %s (%v)", a.body, err)
		return
	}
	if !strings.Contains(body.Error.Message, message) {
		t.Errorf("the message is %q, want %q in it", body.Error.Message, message)
	}
}

func TestBearerSchemeHasNoCase(t *testing.T) {
	for _, auth := range []string{"Bearer " + testKey, "bearer " + testKey, "BEARER  " + testKey} {
		play(t, setting{keys: oneKey(3, -1, -1)}, func(s *stage) {
			req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://proxy.internal/v1/chat/completions", strings.NewReader(ask("n", "")))
			if err != nil {
				s.Error(err)
				return
			}
			req.Header.Set("Authorization", auth)
			s.wantStatus(auth, s.do(req), 200)
			s.wantLeft(auth, left{requests: "2"})
		})
	}
}

// The largest body that is read is read whole.
func TestLargestBodyIsAdmitted(t *testing.T) {
	play(t, setting{keys: oneKey(3, -1, -1), upstream: status(200, `{}`)}, func(s *stage) {
		body := ask("n", "")
		body += strings.Repeat(" ", 16<<20-len(body))
		s.wantStatus("16 MiB", s.chat(body), 200)
	})
}

func TestUploadThatBreaksIsNotCharged(t *testing.T) {
	play(t, setting{keys: oneKey(3, 100, 2)}, func(s *stage) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://proxy.internal/v1/chat/completions",
			io.MultiReader(strings.NewReader(`{"model":"m",`), brokenReader{}))
		if err != nil {
			s.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+testKey)
		wantError(t, s.do(req), 400, "could not be read")
		s.wantLeft("afterwards", left{"3", "100", "2"})
	})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// A plain answer is the upstream's, byte for byte, whatever it is.
func TestPlainAnswerIsPassedOnUnchanged(t *testing.T) {
	tests := []struct {
		name, kind, body string
		status           int
	}{
		{"a completion", "application/json", "{ \"id\" :\"x\",\n\t\"choices\":[{\"message\":{\"content\":\"<é&\\u00e9>\"}}],\r\n\"usage\":{\"total_tokens\":1.0e1} }\n", 200},
		{"HTML", "text/html; charset=latin1", "<html>\xff</html>", 200},
		{"an error", "application/problem+json", `{"title":"no"}`, 422},
		{"a server's error page", "text/html", strings.Repeat("<p>", 5000), 503},
		{"JSON to a stream request", "application/json; charset=utf-8", `{"usage":{"total_tokens":7},"stream":false}`, 200},
		{"a compressed stream", "text/event-stream", "\x1f\x8b\x00", 200},
		{"an error that calls itself a stream", "text/event-stream", "data: {\"error\":{}}\n\n", 500},
		{"something compressed", "application/json", "\x1f\x8b\x00", 200},
	}
	for _, tt := range tests {
		for _, fields := range []string{`"max_tokens":9`, `"max_tokens":9,"stream":true`} {
			t.Run(tt.name+" "+fields, func(t *testing.T) {
				upstream := status(tt.status, tt.body, "Content-Type", tt.kind, "Content-Encoding", "x-"+tt.name[:1])
				play(t, setting{keys: oneKey(-1, 1000, -1), upstream: upstream}, func(s *stage) {
					a := s.chat(ask("n", fields))
					if a.status != tt.status || a.err != nil || a.body != tt.body {
						s.Errorf("got %d (%v) %q", a.status, a.err, a.body)
					}
					if got := a.header.Get("Content-Type"); got != tt.kind {
						s.Errorf("Content-Type: %q, want %q", got, tt.kind)
					}
					if got := a.header.Get("Content-Encoding"); got != "x-"+tt.name[:1] {
						s.Errorf("Content-Encoding: %q", got)
					}
				})
			})
		}
	}
}

// JSON to a request for a stream is settled by its own usage.
func TestRule15JSONToAStreamRequestIsSettled(t *testing.T) {
	play(t, setting{keys: oneKey(3, 1000, 1), upstream: status(200, `{"usage":{"total_tokens":77}}`)}, func(s *stage) {
		s.wantStatus("request", s.chat(ask("n", `"max_tokens":500,"stream":true`)), 200)
		s.wantLeft("afterwards", left{"2", "923", "1"})
	})
}

// canned is a transport that answers without a network.
type canned func() *http.Response

func (c canned) RoundTrip(*http.Request) (*http.Response, error) { return c(), nil }

// An answer too large to be read for its usage is passed on nevertheless.
func TestAnswerBeyondWhatIsHeldIsPassedOn(t *testing.T) {
	for _, breaks := range []bool{false, true} {
		const size = reference.MaxAnswerBody + 12_345
		transport := canned(func() *http.Response {
			body := io.LimitReader(endless{}, size)
			if breaks {
				body = io.MultiReader(body, brokenReader{})
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(body)}
		})
		play(t, setting{keys: oneKey(-1, 1000, 1), transport: transport}, func(s *stage) {
			a := s.chat(ask("n", `"max_tokens":90`))
			if a.status != 200 || len(a.body) != size || (a.err != nil) != breaks {
				s.Errorf("got %d, %d bytes of %d (%v), breaks %v", a.status, len(a.body), size, a.err, breaks)
			}
			s.wantLeft("afterwards", left{tokens: "900", slots: "1"})
		})
	}
}

// endless is a reader of anything.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A status that cannot be passed on is the upstream's failure.
func TestStatusBeyondHTTPIsABadGateway(t *testing.T) {
	for _, code := range []int{0, 1, 99, 101, 199, 600, 999} {
		transport := canned(func() *http.Response {
			return &http.Response{StatusCode: code, Header: http.Header{}, Body: http.NoBody}
		})
		play(t, setting{keys: oneKey(3, 1000, 1), transport: transport}, func(s *stage) {
			wantError(t, s.chat(ask("n", "")), http.StatusBadGateway, "status")
			s.wantLeft("afterwards", left{"2", "1000", "1"})
		})
	}
}
