package reference_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
	"github.com/ratecheck/ratecheck/sim/provider"
)

// The window of the tests is neither the default nor a whole number of seconds:
// a proxy that uses another one, or counts in seconds, must be told apart.
const testWindow = 7500 * time.Millisecond

// testKey is the key of tests that need only one.
const testKey = "sk-test"

// keyring is the keys that a proxy knows.
type keyring map[string]reference.Policy

func (k keyring) Lookup(bearer string) (reference.Policy, bool) {
	p, known := k[bearer]
	return p, known
}

// limited is a policy; a negative number is no limit of that kind.
func limited(requests, tokens, slots int64) reference.Policy {
	limit := func(n int64) *int64 {
		if n < 0 {
			return nil
		}
		return &n
	}
	return reference.NewPolicy(limit(requests), limit(tokens), limit(slots))
}

// oneKey is a keyring of testKey alone.
func oneKey(requests, tokens, slots int64) keyring {
	return keyring{testKey: limited(requests, tokens, slots)}
}

// stage is a proxy on virtual time between a test and an upstream.
type stage struct {
	*testing.T
	clock    *clock.Virtual
	network  *sim.Network
	provider *provider.Provider
	store    *ledgerStore
	waits    *countingClock
}

// setting is what a stage is built of. The zero upstream is our provider.
type setting struct {
	keys     keyring
	window   time.Duration
	seed     uint64
	upstream http.Handler
	// transport replaces the network between proxy and upstream.
	transport http.RoundTripper
	// nowhere has the upstream at an address where nobody listens.
	nowhere bool
	// configure changes the proxy's configuration; nil changes nothing.
	configure func(*reference.ProxyConfig)
	// zone is where the clock is; nil is UTC.
	zone *time.Location
}

// play runs a test's story. When it is over the proxy must hold nothing any
// more: no task, no timer, no context, no slot, no reservation.
func play(t *testing.T, c setting, story func(*stage)) {
	t.Helper()
	if c.window == 0 {
		c.window = testWindow
	}
	epoch := time.Date(2026, 3, 4, 5, 6, 7, 654_321_987, time.UTC)
	if c.zone != nil {
		epoch = epoch.In(c.zone)
	}
	v := clock.NewVirtual(c.seed+1, epoch)
	s := &stage{
		T: t, clock: v, network: sim.NewNetwork(v, c.seed+1), provider: provider.New(v, epoch),
		store: newLedgerStore(t), waits: &countingClock{Clock: v},
	}
	upstream := &url.URL{Scheme: "http", Host: "provider.internal", Path: "/v1"}
	if c.nowhere {
		upstream.Host = "nobody.internal"
	}
	if c.upstream == nil {
		c.upstream = s.provider
	}
	if c.transport == nil {
		c.transport = s.network
	}
	s.network.Handle("provider.internal", c.upstream)
	config := reference.ProxyConfig{
		Clock: s.waits, Store: s.store, Keys: c.keys, Window: c.window,
		Upstream: upstream, Transport: c.transport, Models: []string{"m"},
	}
	if c.configure != nil {
		c.configure(&config)
	}
	s.network.Handle("proxy.internal", reference.NewProxy(config))
	if err := v.Run(context.Background(), func() {
		story(s)
		s.sleep(time.Second) // for those whose client left first
		s.waits.wantIdle(t)
		s.store.wantClosed()
	}); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) sleep(d time.Duration) { _ = s.clock.Sleep(context.Background(), d) }

// together runs f n times side by side and waits for all.
func (s *stage) together(n int, f func(i int)) {
	g := clock.NewGroup(s.clock)
	for i := range n {
		g.Go("client "+strconv.Itoa(i), func() { f(i) })
	}
	g.Wait()
}

// answer is what a client has of an answer.
type answer struct {
	status int
	header http.Header
	body   string
	// err is why the answer is missing or not whole; nil for a whole one.
	err error
	// at is when the client had it all.
	at time.Time
}

func (s *stage) send(ctx context.Context, method, path, key, body string) answer {
	req, err := http.NewRequestWithContext(ctx, method, "http://proxy.internal"+path, strings.NewReader(body))
	if err != nil {
		s.Error(err)
		return answer{err: err}
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	return s.do(req)
}

func (s *stage) do(req *http.Request) answer {
	res, err := s.network.RoundTrip(req)
	if err != nil {
		return answer{err: err, at: s.clock.Now()}
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return answer{status: res.StatusCode, header: res.Header, body: string(body), err: err, at: s.clock.Now()}
}

// chat sends a chat completion with testKey.
func (s *stage) chat(body string) answer {
	return s.send(context.Background(), http.MethodPost, "/v1/chat/completions", testKey, body)
}

// chatFor is chat by a client that leaves after d.
func (s *stage) chatFor(d time.Duration, body string) answer {
	ctx, cancel := s.clock.WithCancel(context.Background())
	stop := s.clock.AfterFunc(d, cancel)
	defer stop()
	return s.send(ctx, http.MethodPost, "/v1/chat/completions", testKey, body)
}

// script has our provider answer a body made by ask(nonce, ...) in this way.
func (s *stage) script(nonce string, script history.Script) { s.provider.Register(nonce, script) }

// askInput is the input of every ask by rule 11: 40 code points.
const askInput = 10

// ask is a chat body with an input of askInput tokens and these further fields,
// as `"max_tokens":5,"stream":true`.
func ask(nonce, fields string) string {
	text := fmt.Sprintf("%-40s", "[["+nonce+"]]")
	if fields != "" {
		fields = "," + fields
	}
	return `{"model":"m","messages":[{"role":"user","content":"` + text + `"}]` + fields + `}`
}

// left is what a key has left of requests, tokens and slots, as /v1/models tells
// it; "" where it has no limit.
type left struct{ requests, tokens, slots string }

func (s *stage) left(key string) left {
	a := s.send(context.Background(), http.MethodGet, "/v1/models", key, "")
	if a.status != http.StatusOK {
		s.Errorf("/v1/models answered %d %s (%v)", a.status, a.body, a.err)
	}
	get := func(kind string) string { return a.header.Get("x-ratelimit-api_key-remaining-" + kind) }
	return left{get("requests"), get("tokens"), get("max_parallel_requests")}
}

func (s *stage) wantLeft(when string, want left) {
	s.Helper()
	if got := s.left(testKey); got != want {
		s.Errorf("%s: left %+v, want %+v", when, got, want)
	}
}

func (s *stage) wantStatus(what string, a answer, status int) {
	s.Helper()
	if a.status != status {
		s.Errorf("%s: got %d %s (%v), want %d", what, a.status, a.body, a.err, status)
	}
}

// countingClock counts what was begun on a clock and has not ended.
type countingClock struct {
	clock.Clock

	mu                      sync.Mutex
	tasks, timers, contexts int
}

func (c *countingClock) add(n *int, by int) {
	c.mu.Lock()
	*n += by
	c.mu.Unlock()
}

func (c *countingClock) Go(name string, f func()) {
	c.add(&c.tasks, 1)
	c.Clock.Go(name, func() {
		defer c.add(&c.tasks, -1)
		f()
	})
}

func (c *countingClock) AfterFunc(d time.Duration, f func()) func() bool {
	c.add(&c.timers, 1)
	stop := c.Clock.AfterFunc(d, func() {
		c.add(&c.timers, -1)
		f()
	})
	return func() bool {
		inTime := stop()
		if inTime {
			c.add(&c.timers, -1)
		}
		return inTime
	}
}

func (c *countingClock) WithCancel(parent context.Context) (context.Context, context.CancelFunc) {
	c.add(&c.contexts, 1)
	ctx, cancel := c.Clock.WithCancel(parent)
	var once sync.Once
	return ctx, func() {
		once.Do(func() { c.add(&c.contexts, -1) })
		cancel()
	}
}

func (c *countingClock) wantIdle(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tasks != 0 || c.timers != 0 || c.contexts != 0 {
		t.Errorf("the proxy left %d tasks, %d timers and %d contexts behind", c.tasks, c.timers, c.contexts)
	}
}
