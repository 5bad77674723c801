package provider_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/sim/provider"
)

// TestClientLeaves leaves at several points of an answer.
func TestClientLeaves(t *testing.T) {
	script := history.Script{CompletionTokens: 12, Latency: 10 * time.Second, Chunks: 4, ChunkDelay: 10 * time.Second}
	for name, c := range map[string]struct {
		after    time.Duration
		more     []string
		status   int
		gone     bool
		produced int64
	}{
		"plain, waiting":      {5 * time.Second, nil, 0, true, 0},
		"plain, answered":     {15 * time.Second, nil, 200, false, 12},
		"stream, waiting":     {5 * time.Second, []string{streamed}, 0, true, 0},
		"stream, first chunk": {15 * time.Second, []string{streamed}, 200, true, 3},
		"stream, third chunk": {35 * time.Second, []string{streamed}, 200, true, 9},
		"stream, behind all":  {45 * time.Second, []string{streamed}, 200, false, 12},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.provider.Register("n1", script)
				ctx, cancel := clock.WithTimeout(context.Background(), w.clock, c.after)
				defer cancel()
				w.call(ctx, http.MethodPost, "/v1/chat/completions", chat("n1", c.more...))
				_ = w.clock.Sleep(context.Background(), time.Millisecond) // the provider learns of it
				got, inFlight := w.provider.Finished(0)
				if len(got) != 1 || inFlight != 0 {
					t.Fatalf("%d calls ended, %d in flight", len(got), inFlight)
				}
				if g := got[0]; g.Gone != c.gone || g.Status != c.status || g.Produced != c.produced || g.Cut {
					t.Errorf("ledger %+v", g)
				}
				if g := got[0]; c.gone && (g.Done < c.after || g.Done > c.after+time.Millisecond) {
					t.Errorf("over at %v, the client left at %v", g.Done, c.after)
				}
			})
		})
	}
}

// writer is a ResponseWriter that does something at every write.
type writer struct {
	http.ResponseWriter
	writes int
	at     func(n int) error
}

func (w *writer) Write(p []byte) (int, error) {
	w.writes++
	if err := w.at(w.writes); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(p)
}

// serve answers a chat request into a writer.
func (w *world) serve(body string, at func(n int, cancel func()) error) {
	ctx, cancel := w.clock.WithCancel(context.Background())
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
	w.provider.ServeHTTP(&writer{ResponseWriter: httptest.NewRecorder(), at: func(n int) error { return at(n, cancel) }}, r)
}

// TestClientLeavesWhileItIsWrittenTo has the third chunk of a stream fail. What
// nobody took was not produced.
func TestClientLeavesWhileItIsWrittenTo(t *testing.T) {
	for name, at := range map[string]func(n int, cancel func()) error{
		"the write fails": func(n int, _ func()) error {
			if n == 3 {
				return syscall.EPIPE
			}
			return nil
		},
		"the context ends": func(n int, cancel func()) error {
			if n == 3 {
				cancel()
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.provider.Register("n1", history.Script{CompletionTokens: 12, Chunks: 4})
				w.serve(chat("n1", streamed), at)
				if got := w.last(); !got.Gone || got.Produced != 6 {
					t.Errorf("ledger %+v", got)
				}
			})
		})
	}
}

// TestDoneIsBeforeTheLastWrite has writing take time: whoever has the last byte
// may come back before the handler has returned.
func TestDoneIsBeforeTheLastWrite(t *testing.T) {
	const writing = time.Second
	for name, c := range map[string]struct {
		script history.Script
		more   []string
		writes time.Duration
	}{
		"plain":   {history.Script{}, nil, 0},
		"failure": {history.Script{Status: 500}, nil, 0},
		"stream":  {history.Script{Chunks: 4}, []string{streamed}, 5}, // four chunks and the finish
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.provider.Register("n1", c.script)
				_ = w.clock.Sleep(context.Background(), time.Minute) // a time of 0 says that there is none
				w.serve(chat("n1", c.more...), func(int, func()) error { return w.clock.Sleep(context.Background(), writing) })
				if got := w.last(); got.Done-got.Received != c.writes*writing {
					t.Errorf("done %v after it came, want %v", got.Done-got.Received, c.writes*writing)
				}
			})
		})
	}
}

// TestLedgerOfParallelCalls has calls overlap: numbered as they came, listed as
// they ended, each with how many were there.
func TestLedgerOfParallelCalls(t *testing.T) {
	type line struct {
		ID, InFlight int
		Nonce        string
		Status       int
	}
	inWorld(t, func(w *world) {
		for nonce, s := range map[string]history.Script{
			"slow": {Latency: 30 * time.Second}, "quick": {Latency: 5 * time.Second}, "fails": {Latency: 10 * time.Second, Status: 503}, "late": {},
		} {
			w.provider.Register(nonce, s)
		}
		g := clock.NewGroup(w.clock)
		for i, nonce := range []string{"slow", "quick", "fails"} {
			g.Go(nonce, func() {
				_ = w.clock.Sleep(context.Background(), time.Duration(i)*time.Second)
				w.ask(chat(nonce))
			})
		}
		_ = w.clock.Sleep(context.Background(), 3*time.Second)
		if calls, inFlight := w.provider.Finished(0); len(calls) != 0 || inFlight != 3 {
			t.Errorf("%d calls ended, %d in flight", len(calls), inFlight)
		}
		_ = w.clock.Sleep(context.Background(), 17*time.Second)
		w.ask(chat("late"))
		g.Wait()
		var got []line
		for _, c := range w.ledger() {
			got = append(got, line{c.ID, c.InFlight, c.Nonce, c.Status})
			if c.Endpoint != "chat" {
				t.Errorf("endpoint %q", c.Endpoint)
			}
		}
		want := []line{{2, 2, "quick", 200}, {3, 3, "fails", 503}, {4, 2, "late", 200}, {1, 1, "slow", 200}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ledger (-want +got):\n%s", diff)
		}
	})
}

func TestFinishedFromAPosition(t *testing.T) {
	inWorld(t, func(w *world) {
		for range 3 {
			w.ask(chat("nobody"))
		}
		for from, want := range map[int]int{-1: 3, 0: 3, 1: 2, 3: 0, 4: 0, 1 << 40: 0} {
			calls, _ := w.provider.Finished(from)
			if len(calls) != want {
				t.Errorf("from %d there are %d calls, want %d", from, len(calls), want)
			}
		}
		calls, _ := w.provider.Finished(0)
		calls[0].Nonce = "mine"
		if w.ledger()[0].Nonce == "mine" {
			t.Error("a caller can write into the ledger")
		}
	})
}

// TestWithoutScript asks what nobody registered anything for.
func TestWithoutScript(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want history.Usage
	}{
		"no maximum":          {chat("nobody"), history.Usage{Prompt: 18, Completion: 16, Total: 34}},
		"a small maximum":     {chat("nobody", `"max_tokens":3`), history.Usage{Prompt: 22, Completion: 3, Total: 25}},
		"a maximum of 0":      {chat("nobody", `"max_tokens":0`), history.Usage{Prompt: 22, Completion: 0, Total: 22}},
		"a large maximum":     {chat("nobody", `"max_tokens":1000`), history.Usage{Prompt: 22, Completion: 16, Total: 38}},
		"a negative maximum":  {chat("nobody", `"max_tokens":-5`), history.Usage{Prompt: 22, Completion: 16, Total: 38}},
		"directives are text": {chat("usage=1,2 status=500 nonce=n1"), history.Usage{Prompt: 24, Completion: 16, Total: 40}},
		"no messages":         {`{"model":"m"}`, history.Usage{Prompt: 3, Completion: 16, Total: 19}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				s := w.must(w.ask(c.body))
				if got := w.last(); got.Usage != c.want || got.Nonce != "" || s.usage == nil || s.usage.Total != c.want.Total {
					t.Errorf("ledger %+v, told %+v; want %+v", got, s.usage, c.want)
				}
			})
		})
	}
}

func TestBrokenRequests(t *testing.T) {
	large := `{"model":"` + strings.Repeat("m", provider.MaxBody) + `"}`
	for name, c := range map[string]struct {
		method, path, body string
		want               int
	}{
		"no JSON":        {http.MethodPost, "/v1/chat/completions", "hello", 400},
		"nothing":        {http.MethodPost, "/v1/chat/completions", "", 400},
		"half an object": {http.MethodPost, "/v1/chat/completions", `{"model":`, 400},
		"an array":       {http.MethodPost, "/v1/chat/completions", `[]`, 400},
		"a wrong type":   {http.MethodPost, "/v1/chat/completions", `{"stream":"yes"}`, 400},
		"too large":      {http.MethodPost, "/v1/chat/completions", large, 413},
		"another method": {http.MethodGet, "/v1/chat/completions", "", 405},
		"another path":   {http.MethodPost, "/v1/others", "{}", 404},
		"health":         {http.MethodGet, "/health", "", 200},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				a := w.call(context.Background(), c.method, c.path, c.body)
				if a.status != c.want || a.err != nil {
					t.Errorf("status %d, %v: %s", a.status, a.err, a.body)
				}
				if (c.want == 400 || c.want == 413) && !strings.Contains(a.body, `"message":"mock provider: `) {
					t.Errorf("the body is %s", a.body)
				}
				if len(w.ledger()) != 0 {
					t.Errorf("the ledger has %+v", w.ledger())
				}
			})
		})
	}
}
