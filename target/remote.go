package target

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
)

// RemoteProvider is a mock provider that runs in another process. Its times are
// set to those of the run, as well as a round trip can tell them.
type RemoteProvider struct {
	base      *url.URL
	transport http.RoundTripper
	clock     clock.Clock
	epoch     time.Time

	mu     sync.Mutex
	offset time.Duration
	start  int
}

const (
	remoteScripts = "/ratecheck/scripts"
	remoteCalls   = "/ratecheck/calls"
	// remoteTimeout is how long the provider may take to answer: it runs on
	// this machine or next to it.
	remoteTimeout = 5 * time.Second
	// syncRounds is how many round trips are tried to find one that says well
	// how the two clocks stand to each other.
	syncRounds = 8
	// maxLedger is the most of an answer that is read, in bytes. The ledger is
	// read every second; this is that of some 300,000 calls.
	maxLedger = 64 << 20
	// refusalExcerpt is how much of a refusal is told, in bytes.
	refusalExcerpt = 300
)

// NewRemoteProvider returns the provider at base, whose ledger's times are to
// count from epoch.
func NewRemoteProvider(base *url.URL, transport http.RoundTripper, c clock.Clock, epoch time.Time) *RemoteProvider {
	return &RemoteProvider{base: base, transport: transport, clock: c, epoch: epoch}
}

type remoteLedger struct {
	Now      *time.Duration `json:"now_ns"` // nil where it is no ledger
	InFlight int            `json:"in_flight"`
	Finished int            `json:"finished"`
	Calls    []history.Call `json:"calls"`
}

// Sync finds how the provider's clock stands to ours, and leaves out of the
// ledger what is in it already. It returns the bound of the error.
func (p *RemoteProvider) Sync(ctx context.Context) (time.Duration, error) {
	best := time.Duration(-1)
	for range syncRounds {
		before := p.clock.Now()
		l, err := p.ledger(ctx, math.MaxInt32)
		if err != nil {
			return 0, err
		}
		after := p.clock.Now()
		trip := after.Sub(before)
		p.mu.Lock()
		p.start = l.Finished
		if best < 0 || trip < best {
			best = trip
			p.offset = before.Add(trip/2).Sub(p.epoch) - *l.Now
		}
		p.mu.Unlock()
	}
	return (best + 1) / 2, nil
}

// Register sets what the calls with this nonce are answered.
func (p *RemoteProvider) Register(ctx context.Context, nonce string, s history.Script) error {
	body, err := json.Marshal(map[string]any{"nonce": nonce, "script": s})
	if err != nil {
		return fmt.Errorf("encoding a script for the provider: %w", err)
	}
	_, err = p.do(ctx, http.MethodPost, remoteScripts, body)
	return err
}

// Calls returns the ledger's calls of this run.
func (p *RemoteProvider) Calls(ctx context.Context, from int) ([]history.Call, int, error) {
	p.mu.Lock()
	offset, start := p.offset, p.start
	p.mu.Unlock()
	l, err := p.ledger(ctx, start+from)
	if err != nil {
		return nil, 0, err
	}
	for i := range l.Calls {
		c := &l.Calls[i]
		c.Received += offset
		c.Done += offset
		if c.FirstByte != 0 {
			c.FirstByte += offset
		}
	}
	return l.Calls, l.InFlight, nil
}

func (p *RemoteProvider) ledger(ctx context.Context, from int) (remoteLedger, error) {
	var l remoteLedger
	answer, err := p.do(ctx, http.MethodGet, remoteCalls+"?from="+strconv.Itoa(from), nil)
	if err != nil {
		return l, err
	}
	err = json.Unmarshal(answer, &l)
	if err == nil && l.Now == nil {
		err = errors.New("it has no now_ns")
	}
	if err != nil {
		return l, fmt.Errorf("reading the ledger of the provider at %s: %w; is it a `ratecheck provider` of this version?", p.base.Redacted(), err)
	}
	return l, nil
}

func (p *RemoteProvider) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := clock.WithTimeout(ctx, p.clock, remoteTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.base.Scheme+"://"+p.base.Host+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the provider's URL %s: %w", p.base.Redacted(), err)
	}
	res, err := p.transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("asking the provider at %s: %w; start one with `ratecheck provider`", p.base.Redacted(), err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxLedger+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of the provider at %s: %w", p.base.Redacted(), err)
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("the provider at %s answered %s to %s %s: %q; is it a `ratecheck provider`?",
			p.base.Redacted(), res.Status, method, path, answer[:min(len(answer), refusalExcerpt)])
	}
	if len(answer) > maxLedger {
		return nil, fmt.Errorf("the provider at %s answered more than %d bytes to %s %s; is it a `ratecheck provider`?", p.base.Redacted(), maxLedger, method, path)
	}
	return answer, nil
}
