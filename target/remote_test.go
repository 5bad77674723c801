package target_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/sim"
	"github.com/ratecheck/ratecheck/sim/provider"
	"github.com/ratecheck/ratecheck/target"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// ask sends the provider a chat request with a nonce.
func ask(transport http.RoundTripper, base *url.URL, nonce string) error {
	req, err := http.NewRequest(http.MethodPost, base.JoinPath("/v1/chat/completions").String(), strings.NewReader(`{"messages":[{"content":"[[`+nonce+`]]"}]}`))
	if err != nil {
		return err
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

func nonces(calls []history.Call) string {
	var list []string
	for _, c := range calls {
		list = append(list, c.Nonce)
	}
	return strings.Join(list, " ")
}

// TestRemoteProviderOverSockets runs a provider with times of its own, which had
// calls before.
func TestRemoteProviderOverSockets(t *testing.T) {
	c := clock.System{}
	began := c.Now().Add(-time.Hour)
	local := provider.New(c, began)
	server := httptest.NewServer(local)
	defer server.Close()
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := server.Client().Transport
	for _, nonce := range []string{"old1", "old2"} {
		if err := ask(transport, base, nonce); err != nil {
			t.Fatal(err)
		}
	}

	runEpoch := c.Now()
	remote := target.NewRemoteProvider(base, transport, c, runEpoch)
	skew, err := remote.Sync(t.Context())
	if err != nil || skew <= 0 || skew > time.Second {
		t.Fatalf("skew %v, %v", skew, err)
	}
	t.Logf("the clocks agree to %v", skew)
	if calls, inFlight, err := remote.Calls(t.Context(), 0); err != nil || len(calls) != 0 || inFlight != 0 {
		t.Fatalf("%d calls, %d in flight, %v", len(calls), inFlight, err)
	}

	script := history.Script{PromptTokens: 7, CompletionTokens: 8}
	var before, after []time.Duration
	for _, nonce := range []string{"new1", "new2", "new3"} {
		if err := remote.Register(t.Context(), nonce, script); err != nil {
			t.Fatal(err)
		}
		before = append(before, c.Now().Sub(runEpoch))
		if err := ask(transport, base, nonce); err != nil {
			t.Fatal(err)
		}
		after = append(after, c.Now().Sub(runEpoch))
	}
	calls, _, err := remote.Calls(t.Context(), 0)
	if err != nil || nonces(calls) != "new1 new2 new3" {
		t.Fatalf("calls %q, %v", nonces(calls), err)
	}
	for i, got := range calls {
		if got.Received < before[i]-skew || got.Done > after[i]+skew || got.FirstByte < got.Received || got.Done < got.FirstByte {
			t.Errorf("call %d: received %v, first byte %v, done %v; sent at %v, answered at %v, skew %v", i, got.Received, got.FirstByte, got.Done, before[i], after[i], skew)
		}
		if want := (history.Usage{Prompt: 7, Completion: 8, Total: 15}); got.Usage != want || got.Status != http.StatusOK {
			t.Errorf("call %d: %+v", i, got)
		}
	}
	if calls, _, err := remote.Calls(t.Context(), 2); err != nil || nonces(calls) != "new3" {
		t.Errorf("from 2 on: %q, %v", nonces(calls), err)
	}
	if calls, _, err := remote.Calls(t.Context(), 9); err != nil || len(calls) != 0 {
		t.Errorf("from 9 on: %q, %v", nonces(calls), err)
	}
	if err := remote.Register(t.Context(), "n", history.Script{Status: 42}); err == nil || !strings.Contains(err.Error(), "status is 42") {
		t.Errorf("a script that cannot be answered: %v", err)
	}
}

// TestSyncIsWithinItsSkew knows the true offset: both sides have one clock, and
// different epochs.
func TestSyncIsWithinItsSkew(t *testing.T) {
	for seed := range uint64(100) {
		draw := rand.New(rand.NewPCG(seed, 1))
		ahead := time.Duration(draw.Int64N(int64(48*time.Hour))) - 24*time.Hour
		v := clock.NewVirtual(seed, epoch.Add(time.Hour))
		n := sim.NewNetwork(v, seed)
		local := provider.New(v, epoch.Add(-ahead))
		n.Handle("provider", local)
		base := &url.URL{Scheme: "http", Host: "provider"}
		err := v.Run(context.Background(), func() {
			remote := target.NewRemoteProvider(base, n, v, epoch)
			skew, err := remote.Sync(context.Background())
			if err != nil || skew > 500*time.Microsecond { // half of the longest round trip
				t.Errorf("seed %d: skew %v, %v", seed, skew, err)
			}
			if err := ask(n, base, "n1"); err != nil {
				t.Error(err)
			}
			calls, _, err := remote.Calls(context.Background(), 0)
			truth, _ := local.Finished(0)
			if err != nil || len(calls) != 1 || len(truth) != 1 {
				t.Errorf("seed %d: %d calls of %d, %v", seed, len(calls), len(truth), err)
				return
			}
			off := calls[0].Received - (truth[0].Received - ahead)
			if off < -skew || off > skew {
				t.Errorf("seed %d: a call is told %v off, and the skew is %v", seed, off, skew)
			}
			if calls[0].Done-calls[0].Received != truth[0].Done-truth[0].Received || calls[0].FirstByte-calls[0].Received != truth[0].FirstByte-truth[0].Received {
				t.Errorf("seed %d: told %+v, in truth %+v", seed, calls[0], truth[0])
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestSyncLeavesOutWhatEndsMeanwhile has somebody else's call end between two
// round trips of the synchronisation.
func TestSyncLeavesOutWhatEndsMeanwhile(t *testing.T) {
	v := clock.NewVirtual(1, epoch)
	n := sim.NewNetwork(v, 1)
	local := provider.New(v, epoch)
	asked := 0
	n.Handle("provider", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			if asked++; asked > 1 {
				_ = v.Sleep(context.Background(), time.Second) // so the first round is the best
			}
			if asked == 4 {
				rec := httptest.NewRecorder()
				local.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader("{}")))
			}
		}
		local.ServeHTTP(w, r)
	}))
	err := v.Run(context.Background(), func() {
		remote := target.NewRemoteProvider(&url.URL{Scheme: "http", Host: "provider"}, n, v, epoch)
		if skew, err := remote.Sync(context.Background()); err != nil || skew > 500*time.Microsecond {
			t.Errorf("skew %v, %v", skew, err)
		}
		if calls, _, err := remote.Calls(context.Background(), 0); err != nil || len(calls) != 0 {
			t.Errorf("calls %+v, %v", calls, err)
		}
	})
	if err != nil || asked < 5 {
		t.Errorf("%d rounds, %v", asked, err)
	}
}

// TestRegisterRoundTrip sends a script with every field set, and reads it at the
// other end.
func TestRegisterRoundTrip(t *testing.T) {
	script := history.Script{
		PromptTokens: 1, CompletionTokens: 2, CachedTokens: 3, Latency: 4, Status: 500, FailFirst: 6, Chunks: 7, ChunkDelay: 8,
		CutAfter: 9, WithoutUsage: true, RateHeaders: map[string]string{"X": "y"}, Handshake: true,
	}
	var got provider.Registration
	v := clock.NewVirtual(1, epoch)
	n := sim.NewNetwork(v, 1)
	n.Handle("provider", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != provider.ControlRegister || r.Method != http.MethodPost {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		body, err := io.ReadAll(r.Body)
		if err := errors.Join(err, json.Unmarshal(body, &got)); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	err := v.Run(context.Background(), func() {
		remote := target.NewRemoteProvider(&url.URL{Scheme: "http", Host: "provider"}, n, v, epoch)
		if err := remote.Register(context.Background(), "n1", script); err != nil {
			t.Error(err)
		}
	})
	if diff := cmp.Diff(provider.Registration{Nonce: "n1", Script: script}, got); err != nil || diff != "" {
		t.Errorf("%v, (-sent +got):\n%s", err, diff)
	}
}
