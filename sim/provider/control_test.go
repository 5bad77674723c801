package provider_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/sim/provider"
)

func (w *world) register(body string) answer {
	return w.call(context.Background(), http.MethodPost, provider.ControlRegister, body)
}

func TestRegisterFromOutside(t *testing.T) {
	script := history.Script{
		PromptTokens: 10, CompletionTokens: 20, CachedTokens: 3, Latency: time.Second, Chunks: 4, ChunkDelay: time.Second,
		RateHeaders: map[string]string{"X-Ratelimit-Limit-Tokens": "5"},
	}
	body, err := json.Marshal(provider.Registration{Nonce: "n1", Script: script})
	if err != nil {
		t.Fatal(err)
	}
	inWorld(t, func(w *world) {
		if a := w.register(string(body)); a.status != http.StatusNoContent || a.body != "" {
			t.Fatalf("status %d: %s", a.status, a.body)
		}
		a := w.ask(chat("n1", streamed, withUsage))
		s := w.must(a)
		if s.usage.Total != 30 || s.chunks != 6 || a.header.Get("X-Ratelimit-Limit-Tokens") != "5" || w.last().Nonce != "n1" || w.last().RateHeaders["X-Ratelimit-Limit-Tokens"] != "5" {
			t.Errorf("answered %+v, ledger %+v", s, w.last())
		}
		if a := w.register(`{"nonce":"n1","script":{"status":503}}`); a.status != http.StatusNoContent {
			t.Errorf("a second script: status %d", a.status)
		}
		if a := w.ask(chat("n1")); a.status != 503 {
			t.Errorf("with the second script, status %d", a.status)
		}
	})
}

func TestRegisterGarbage(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"nothing":             {"", "EOF"},
		"no JSON":             {"hello", "invalid character"},
		"an array":            {"[]", "cannot unmarshal array"},
		"null":                {"null", "nonce"},
		"half an object":      {`{"nonce":"n1","script":{`, "unexpected EOF"},
		"more behind it":      {`{"nonce":"n1","script":{}} {}`, "more behind"},
		"garbage behind it":   {`{"nonce":"n1","script":{}}x`, "more behind"},
		"no nonce":            {`{"script":{}}`, "nonce"},
		"a nonce of digits":   {`{"nonce":"123","script":{}}`, "lower-case letter"},
		"a nonce in capitals": {`{"nonce":"N1","script":{}}`, "lower-case letter"},
		"a nonce of brackets": {`{"nonce":"a]]","script":{}}`, "lower-case letter"},
		"a nonce with blanks": {`{"nonce":" a ","script":{}}`, "lower-case letter"},
		"an endless nonce":    {`{"nonce":"` + strings.Repeat("a", 2000) + `","script":{}}`, "lower-case letter"},
		"a wrong type":        {`{"nonce":"n1","script":{"status":"429"}}`, "status"},
		"a field too many":    {`{"nonce":"n1","script":{"latency":5}}`, `unknown field \"latency\"`},
		"a negative":          {`{"nonce":"n1","script":{"completion_tokens":-1}}`, "completion_tokens is -1"},
		"an endless answer":   {`{"nonce":"n1","script":{"completion_tokens":1000000000000}}`, "completion_tokens is 1000000000000"},
		"a sum too large":     {`{"nonce":"n1","script":{"prompt_tokens":9223372036854775807}}`, "prompt_tokens"},
		"a wait backwards":    {`{"nonce":"n1","script":{"latency_ns":-1}}`, "latency_ns is -1"},
		"a status too small":  {`{"nonce":"n1","script":{"status":42}}`, "status is 42"},
		"a status too large":  {`{"nonce":"n1","script":{"status":1000}}`, "status is 1000"},
		"an endless body":     {`{"nonce":"` + strings.Repeat("a", provider.MaxBody) + `"}`, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				a := w.register(c.body)
				if a.status != http.StatusBadRequest || !strings.Contains(a.body, c.want) || !json.Valid([]byte(a.body)) {
					t.Errorf("status %d, lacks %q: %.300s", a.status, c.want, a.body)
				}
				if s := w.must(w.ask(chat("n1"))); s.usage == nil || w.last().Nonce != "" {
					t.Errorf("something was registered: %+v", w.last())
				}
			})
		})
	}
}

func TestCallsFromOutside(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 3 {
			nonce := fmt.Sprintf("n%d", i)
			w.provider.Register(nonce, history.Script{CompletionTokens: int64(i)})
			w.ask(chat(nonce))
		}
		for query, want := range map[string]int{"": 3, "?from=": 3, "?from=0": 3, "?from=2": 1, "?from=3": 0, "?from=2147483647": 0} {
			a := w.call(context.Background(), http.MethodGet, provider.ControlCalls+query, "")
			var l provider.Ledger
			if err := json.Unmarshal([]byte(a.body), &l); err != nil || a.status != http.StatusOK {
				t.Fatalf("%s: status %d, %v: %s", query, a.status, err, a.body)
			}
			if len(l.Calls) != want || l.Finished != 3 || l.InFlight != 0 {
				t.Errorf("%s: %d calls of %d, %d in flight", query, len(l.Calls), l.Finished, l.InFlight)
			}
			if diff := cmp.Diff(w.ledger()[3-want:], append([]history.Call{}, l.Calls...)); diff != "" {
				t.Errorf("%s: the ledger differs (-within +outside):\n%s", query, diff)
			}
			if now := w.clock.Now().Sub(epoch); l.Now <= 0 || l.Now > now || now-l.Now > time.Millisecond {
				t.Errorf("%s: the provider's time is %v, ours %v", query, l.Now, now)
			}
		}
		for _, query := range []string{"?from=-1", "?from=x", "?from=1.5", "?from=99999999999999999999"} {
			a := w.call(context.Background(), http.MethodGet, provider.ControlCalls+query, "")
			if a.status != http.StatusBadRequest || !strings.Contains(a.body, "from must be a number of calls") {
				t.Errorf("%s: status %d: %s", query, a.status, a.body)
			}
		}
		for path, method := range map[string]string{provider.ControlCalls: http.MethodPost, provider.ControlRegister: http.MethodGet} {
			if a := w.call(context.Background(), method, path, "{}"); a.status != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: status %d", method, path, a.status)
			}
		}
	})
}

// TestDirectives are followed only where that was allowed, and only where
// nothing was registered for them.
func TestDirectives(t *testing.T) {
	const text = "nonce=n7 usage=10,20 cached=5 chunks=5 rl"
	inWorld(t, func(w *world) {
		s := w.must(w.ask(chat(text, streamed, withUsage)))
		if s.usage.Completion != 16 || w.last().Nonce != "" {
			t.Errorf("followed without leave: %+v, %+v", s.usage, w.last())
		}
	})
	inWorld(t, func(w *world) {
		w.provider.AllowDirectives()
		a := w.ask(chat(text, streamed, withUsage))
		s := w.must(a)
		if s.usage.Prompt != 10 || s.usage.Completion != 20 || s.usage.Details.Cached != 5 || s.chunks != 7 || w.last().Nonce != "n7" {
			t.Errorf("not followed: %+v, %d chunks, ledger %+v", s.usage, s.chunks, w.last())
		}
		if a.header.Get("X-Ratelimit-Limit-Requests") != "10000" {
			t.Errorf("headers %v", a.header)
		}
		var statuses []int
		for range 3 {
			statuses = append(statuses, w.ask(chat("nonce=n8 fail_first=1 status=503")).status)
		}
		if fmt.Sprint(statuses) != "[503 200 200]" {
			t.Errorf("statuses %v", statuses)
		}
		w.provider.Register("usage=10,20", history.Script{CompletionTokens: 1})
		if s := w.must(w.ask(chat("usage=10,20"))); s.usage.Completion != 1 {
			t.Errorf("what was registered comes second: %+v", s.usage)
		}
		if a := w.ask(chat("latency=200ms cut_after=1")); a.err == nil || !w.last().Cut || w.last().Done-w.last().Received != 200*time.Millisecond {
			t.Errorf("%v, ledger %+v", a.err, w.last())
		}
	})
}

// TestBodiesAreKept where the script says so, byte for byte, and not where they
// are too long for a history.
func TestBodiesAreKept(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, body := range []string{`{"nonce":"n1","script":{"keep_body":true}}`, `{"nonce":"n2","script":{}}`} {
			if a := w.register(body); a.status != http.StatusNoContent {
				t.Fatalf("status %d: %s", a.status, a.body)
			}
		}
		if a := w.register(`{"nonce":"n3","script":{"keep_body":"yes"}}`); a.status != http.StatusBadRequest || !strings.Contains(a.body, "keep_body") {
			t.Errorf("a word for a boolean: status %d: %s", a.status, a.body)
		}
		sent := chat("n1", streamed, `"temperature":0.30000000000000004`, `"n":1.0`, `"n":2`)
		padding := func(length int) string {
			text := chat("n1", `"x":""`)
			return strings.Replace(text, `"x":"`, `"x":"`+strings.Repeat("a", length-len(text)), 1)
		}
		for _, c := range []struct{ body, want string }{
			{sent, sent}, {chat("n2"), ""}, {padding(history.MaxKeptBody), padding(history.MaxKeptBody)}, {padding(history.MaxKeptBody + 1), ""},
		} {
			w.ask(c.body)
			if got := w.last().Body; got != c.want {
				t.Errorf("of %d bytes %d are kept, want %d: %.80q", len(c.body), len(got), len(c.want), got)
			}
		}
		a := w.call(context.Background(), http.MethodGet, provider.ControlCalls, "")
		var l provider.Ledger
		if err := json.Unmarshal([]byte(a.body), &l); err != nil || l.Calls[0].Body != sent {
			t.Errorf("%v, from outside: %.300s", err, a.body)
		}
	})
}
