package reference_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

// breaking is a store that does as it is told and then fails.
type breaking struct {
	reference.Store
	settle, renew, release bool
}

func (s breaking) Settle(now time.Time, items []reference.Item, used int64) {
	s.Store.Settle(now, items, used)
	if s.settle {
		panic("no connection")
	}
}

func (s breaking) Renew(now time.Time, items []reference.Item) {
	s.Store.Renew(now, items)
	if s.renew {
		panic("no connection")
	}
}

func (s breaking) Release(now time.Time, items []reference.Item) {
	s.Store.Release(now, items)
	if s.release {
		panic("no connection")
	}
}

// brokenFailures fails to count.
type brokenFailures struct{ reference.FailureLog }

func (brokenFailures) Failed(string, time.Time) { panic("no connection") }

// TestRule22FaultsAfterAdmissionBreakNoAnswer: whatever fails in the limiter
// once a request was admitted, the client gets the answer that it would have got,
// and the fault is told.
func TestRule22FaultsAfterAdmissionBreakNoAnswer(t *testing.T) {
	const long = 2 * reference.SlotLease
	answers := map[string]struct {
		fields string
		script history.Script
	}{
		"plain":          {`"max_tokens":90`, history.Script{PromptTokens: askInput, CompletionTokens: 5, Latency: long}},
		"stream":         {`"max_tokens":90,"stream":true`, history.Script{PromptTokens: askInput, CompletionTokens: 12, Chunks: 3, ChunkDelay: long}},
		"failed":         {`"max_tokens":90`, history.Script{Status: 500, Latency: long}},
		"broken off":     {`"max_tokens":90,"stream":true`, history.Script{CompletionTokens: 12, Chunks: 3, ChunkDelay: long, CutAfter: 2}},
		"of no usage":    {`"max_tokens":90`, history.Script{WithoutUsage: true, Latency: long}},
		"failed at once": {`"max_tokens":90,"stream":true`, history.Script{Status: 503}},
	}
	faults := map[string]struct {
		apply func(*reference.ProxyConfig)
		// says is what the fault is told as; by the names of answers that do not
		// come to it, nothing.
		says    string
		without string
	}{
		"settling": {func(c *reference.ProxyConfig) { c.Store = breaking{Store: c.Store, settle: true} },
			"settling what a request used: no connection; the answer is not touched, and its reservation stands", "of no usage"},
		"renewing": {func(c *reference.ProxyConfig) { c.Store = breaking{Store: c.Store, renew: true} },
			"renewing the lease of a slot: no connection", "failed at once"},
		"freeing": {func(c *reference.ProxyConfig) { c.Store = breaking{Store: c.Store, release: true} },
			"freeing a slot: no connection", ""},
		"counting failures": {func(c *reference.ProxyConfig) { c.Failures = brokenFailures{} },
			"counting a failure of a deployment: no connection", "plain, stream, of no usage"},
		"spending": {func(c *reference.ProxyConfig) {
			c.Deployments = []reference.Deployment{{ID: "m-1", Model: "m", Upstream: c.Upstream, Price: &reference.Price{Input: 1, Output: 1}}}
			c.Spent = func(string, float64) { panic("no connection") }
		}, "noting what a key spent: no connection", "failed, broken off, of no usage, failed at once"},
	}
	for fault, broken := range faults {
		for name, a := range answers {
			t.Run(fault+", "+name, func(t *testing.T) {
				run := func(apply func(*reference.ProxyConfig)) (got answer, told []string) {
					var mu sync.Mutex
					of := 0 // so many of the faults are this answer's
					c := setting{keys: oneKey(10, 10_000, 3), window: time.Minute, configure: func(c *reference.ProxyConfig) {
						apply(c)
						c.OnFault = func(err error) {
							var f *reference.LimiterFault
							if !errors.As(err, &f) {
								t.Errorf("told %v, which is no fault of the limiter", err)
							}
							mu.Lock()
							defer mu.Unlock()
							told = append(told, err.Error())
						}
					}}
					play(t, c, func(s *stage) {
						s.script("n", a.script)
						got = s.chat(ask("n", a.fields))
						s.sleep(time.Second) // what comes behind the answer
						mu.Lock()
						of = len(told)
						mu.Unlock()
						s.script("m", history.Script{})
						s.wantStatus("the next request", s.chat(ask("m", "")), 200)
					})
					return got, told[:of]
				}
				sound, none := run(func(*reference.ProxyConfig) {})
				got, told := run(broken.apply)
				if got.status != sound.status || (got.err == nil) != (sound.err == nil) {
					t.Errorf("answered %d (%v), and %d (%v) without the fault", got.status, got.err, sound.status, sound.err)
				}
				if diff := cmp.Diff(sound.body, got.body); diff != "" {
					t.Errorf("the answer differs (-sound +got):\n%s", diff)
				}
				said := strings.Contains(strings.Join(told, "\n"), broken.says)
				if want := !strings.Contains(broken.without+",", name+","); said != want || len(none) > 0 {
					t.Errorf("told %q, and %q without the fault", told, none)
				}
			})
		}
	}
}

// TestRule22NobodyNeedsToListen: without anybody to tell it is the same.
func TestRule22NobodyNeedsToListen(t *testing.T) {
	play(t, setting{keys: oneKey(10, 1000, 1), configure: func(c *reference.ProxyConfig) {
		c.Store = breaking{Store: c.Store, settle: true, release: true}
	}}, func(s *stage) {
		s.script("n", history.Script{PromptTokens: 10, CompletionTokens: 5})
		for range 3 {
			s.wantStatus("a request", s.chat(ask("n", `"max_tokens":5`)), 200)
		}
		s.wantLeft("after three", left{"7", "955", "1"})
	})
}
