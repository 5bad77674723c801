package reference_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim/provider"
)

// realProxy serves a proxy on a socket, before an upstream on another.
func realProxy(t *testing.T, keys keyring, upstream http.Handler) (base string, store *ledgerStore) {
	t.Helper()
	up := httptest.NewServer(upstream)
	t.Cleanup(up.Close)
	at, err := url.Parse(up.URL + "/v1")
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	store = newLedgerStore(t)
	proxy := httptest.NewServer(reference.NewProxy(reference.ProxyConfig{
		Clock: clock.System{}, Store: store, Keys: keys, Window: time.Hour, Upstream: at, Transport: transport,
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL, store
}

// post sends a chat completion over a socket; its body is the caller's to read
// and close.
func post(t *testing.T, ctx context.Context, base, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return nil
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return nil
	}
	return res
}

func TestRule01ExactlyTheLimitOverSockets(t *testing.T) {
	const limit, clients = 50, 200
	p := provider.New(clock.System{}, clock.System{}.Now())
	base, store := realProxy(t, oneKey(limit, -1, -1), p)
	var mu sync.Mutex
	got := map[int]int{}
	var wg sync.WaitGroup
	for i := range clients {
		fields := `"max_tokens":5`
		if i%2 == 0 {
			fields += `,"stream":true`
		}
		wg.Go(func() {
			res := post(t, context.Background(), base, ask("n", fields))
			if res == nil {
				return
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil || (res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Content-Type") != "application/json") {
				t.Errorf("got %d %q %s (%v)", res.StatusCode, res.Header.Get("Content-Type"), body, err)
			}
			mu.Lock()
			got[res.StatusCode]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if got[200] != limit || got[429] != clients-limit {
		t.Errorf("statuses %v of %d requests under a limit of %d", got, clients, limit)
	}
	if calls, _ := p.Finished(0); len(calls) != limit {
		t.Errorf("%d calls reached the provider, want %d", len(calls), limit)
	}
	if len(store.deals) != limit {
		t.Errorf("%d reservations, want %d", len(store.deals), limit)
	}
}

func TestRule05InFlightIsExactOverSockets(t *testing.T) {
	const slots, clients = 5, 60
	gate, arrived := make(chan struct{}), make(chan struct{}, clients)
	var mu sync.Mutex
	inFlight, peak := 0, 0
	base, _ := realProxy(t, oneKey(-1, -1, slots), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		inFlight++
		peak = max(peak, inFlight)
		mu.Unlock()
		arrived <- struct{}{}
		<-gate
		mu.Lock()
		inFlight--
		mu.Unlock()
		status(200, `{"usage":{"total_tokens":3}}`).ServeHTTP(w, r)
	}))
	statuses := make(chan int, clients)
	for range clients {
		go func() {
			res := post(t, context.Background(), base, ask("n", ""))
			if res == nil {
				statuses <- 0
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			statuses <- res.StatusCode
		}()
	}
	for i := range clients - slots {
		if got := <-statuses; got != 429 {
			t.Errorf("answer %d while the slots are held: %d", i+1, got)
		}
	}
	for range slots {
		<-arrived
	}
	close(gate)
	for range slots {
		if got := <-statuses; got != 200 {
			t.Errorf("a holder of a slot got %d", got)
		}
	}
	if peak != slots {
		t.Errorf("%d in flight at most, want %d", peak, slots)
	}
	res := post(t, context.Background(), base, ask("n", ""))
	if res == nil || res.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %v", res)
		return
	}
	_ = res.Body.Close()
}

func TestRule15BrokenStreamOverSockets(t *testing.T) {
	base, store := realProxy(t, oneKey(-1, 1000, 1), says("text/event-stream", true, nil, piece, piece))
	released := make(chan struct{}, 1)
	store.released = released
	res := post(t, context.Background(), base, ask("n", `"max_tokens":90,"stream":true`))
	if res == nil {
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil || string(body) != piece+piece {
		t.Errorf("got %q (%v), want two pieces and a broken connection", body, err)
	}
	<-released
	if d := store.last(); d.settled == nil || *d.settled != askInput+20 {
		t.Errorf("charged %v, want %d", d.settled, askInput+20)
	}
}

func TestRule15ClientThatLeavesOverSockets(t *testing.T) {
	stopped := make(chan struct{})
	base, store := realProxy(t, oneKey(-1, 1000, 1), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, piece)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(stopped)
	}))
	released := make(chan struct{}, 1)
	store.released = released
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	res := post(t, ctx, base, ask("n", `"max_tokens":90,"stream":true`))
	if res == nil {
		return
	}
	defer res.Body.Close()
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if err != nil || line+"\n" != piece {
		t.Errorf("the first piece came as %q (%v)", line, err)
	}
	cancel()
	<-stopped
	<-released
	if d := store.last(); d.settled == nil || *d.settled != askInput+10 {
		t.Errorf("charged %v, want %d", d.settled, askInput+10)
	}
}

// What net/http adds on its own must not reach the other side either.
func TestNothingLeaksOverSockets(t *testing.T) {
	var got http.Header
	base, _ := realProxy(t, oneKey(-1, -1, -1), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		status(200, `{"x":1}`, "Keep-Alive", "timeout=9", "Connection", "close").ServeHTTP(w, r)
	}))
	res := post(t, context.Background(), base, ask("n", ""))
	if res == nil {
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != `{"x":1}` {
		t.Errorf("got %s (%v)", body, err)
	}
	if got.Get("Authorization") != "" || got.Get("Accept-Encoding") != "identity" {
		t.Errorf("the upstream saw %v", got)
	}
	if res.Close || res.Header.Get("Keep-Alive") != "" {
		t.Errorf("the upstream's connection headers came through: %v", res.Header)
	}
}
