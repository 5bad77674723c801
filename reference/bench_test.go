package reference

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/ratecheck/ratecheck/clock"
)

// benchKeys is how many owners the benchmarks spread over: more than the first
// cache holds, as a busy gateway has.
const benchKeys = 4096

// benchStart has a reading of the monotonic clock, as a server's times have.
var benchStart = clock.System{}.Now()

// ample is a limit that no benchmark reaches.
const ample = int64(1) << 60

var benchScopes = []string{"api_key", "user", "team", "end_user", "model_per_key"}

// benchItems is one call's items and the owners to name in them in turn:
// benchKeys counters over all scopes.
func benchItems(scopes int, slots int64) (items []Item, values []string) {
	for _, scope := range benchScopes[:scopes] {
		item := Item{
			Descriptor: Descriptor{
				Scope:  scope,
				Limits: [kinds]int64{ample, ample, slots},
				Window: time.Minute,
			},
			Amounts: [kinds]int64{1, 100, 1},
		}
		items = append(items, item)
	}
	for i := range benchKeys / scopes {
		values = append(values, fmt.Sprintf("%064x", i))
	}
	return items, values
}

func benchReserve(b *testing.B, scopes int) {
	m := NewMemory()
	items, values := benchItems(scopes, Unlimited)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		now := benchStart.Add(time.Duration(n))
		value := values[n%len(values)]
		for i := range items {
			items[i].Value = value
		}
		if d := m.Reserve(now, items); !d.Admitted {
			b.Fatal("refused below the limit")
		}
		n++
	}
}

// BenchmarkReserveOne is one descriptor with requests and tokens; the clock is
// passed in.
func BenchmarkReserveOne(b *testing.B) { benchReserve(b, 1) }

// BenchmarkReserveFive is one decision over five descriptors.
func BenchmarkReserveFive(b *testing.B) { benchReserve(b, 5) }

// BenchmarkReserveOneParallel is BenchmarkReserveOne from every core, each with
// the keys in an order of its own; run it with -cpu 1,2.
func BenchmarkReserveOneParallel(b *testing.B) {
	m := NewMemory()
	var callers atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		items, values := benchItems(1, Unlimited)
		rand.New(rand.NewPCG(1, uint64(callers.Add(1)))).Shuffle(len(values), func(i, j int) {
			values[i], values[j] = values[j], values[i]
		})
		n := 0
		for pb.Next() {
			now := benchStart.Add(time.Duration(n))
			items[0].Value = values[n%len(values)]
			if d := m.Reserve(now, items); !d.Admitted {
				b.Error("refused below the limit")
				return
			}
			n++
		}
	})
}

// BenchmarkReserveOneApart is BenchmarkReserveOneParallel with a store for each
// caller: they share nothing, so no store that is shared can gain more from a
// second core than this does.
func BenchmarkReserveOneApart(b *testing.B) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		m := NewMemory()
		items, values := benchItems(1, Unlimited)
		n := 0
		for pb.Next() {
			items[0].Value = values[n%len(values)]
			if d := m.Reserve(benchStart.Add(time.Duration(n)), items); !d.Admitted {
				b.Error("refused below the limit")
				return
			}
			n++
		}
	})
}

// BenchmarkReserveOneHot is every core on one key.
func BenchmarkReserveOneHot(b *testing.B) {
	m := NewMemory()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		items, values := benchItems(1, Unlimited)
		items[0].Value = values[0]
		for pb.Next() {
			if d := m.Reserve(benchStart, items); !d.Admitted {
				b.Error("refused below the limit")
				return
			}
		}
	})
}

// BenchmarkRequest is a whole request's share of the limiter: a reservation
// with a slot, its settlement and its release.
func BenchmarkRequest(b *testing.B) {
	m := NewMemory()
	items, values := benchItems(1, 4)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		now := benchStart.Add(time.Duration(n))
		items[0].Value = values[n%len(values)]
		if d := m.Reserve(now, items); !d.Admitted {
			b.Fatal("refused below the limit")
		}
		m.Settle(now, items, 50)
		m.Release(now, items)
		n++
	}
}

// BenchmarkRateAllowN is a peer: one token bucket of x/time/rate with no map of
// keys before it, one kind of counter, the clock passed in.
func BenchmarkRateAllowN(b *testing.B) {
	limiter := rate.NewLimiter(rate.Limit(1<<40), 1<<40)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if !limiter.AllowN(benchStart.Add(time.Duration(n)), 1) {
			b.Fatal("refused below the limit")
		}
		n++
	}
}

// BenchmarkRateAllowNTwice is what the peer costs with as many counters as
// BenchmarkReserveOne has: one bucket for requests and one for tokens, of one
// key out of as many.
func BenchmarkRateAllowNTwice(b *testing.B) {
	type pair struct{ requests, tokens *rate.Limiter }
	limiters := make(map[string]pair, benchKeys)
	keys := make([]string, benchKeys)
	for i := range keys {
		keys[i] = fmt.Sprintf("%064x", i)
		limiters[keys[i]] = pair{rate.NewLimiter(rate.Limit(1<<40), 1<<40), rate.NewLimiter(rate.Limit(1<<40), 1<<40)}
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		now := benchStart.Add(time.Duration(n))
		p := limiters[keys[n%benchKeys]]
		if !p.requests.AllowN(now, 1) || !p.tokens.AllowN(now, 100) {
			b.Fatal("refused below the limit")
		}
		n++
	}
}

// BenchmarkEstimateChat is a chat of 20 messages and a tool, some 4 KB.
func BenchmarkEstimateChat(b *testing.B) {
	body := []byte(`{"model":"gpt-4o","stream":true,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"messages":[`)
	for i := range 20 {
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"role":"user","content":"%s"}`, strings.Repeat(`a few words, \"quoted\" `, 7))
	}
	body = append(body, `]}`...)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := chatContent.estimate(body, 10_000); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkResolve is what a request's scopes cost before they are decided on:
// for a key alone, and for one that has every owner.
func BenchmarkResolve(b *testing.B) {
	limit := ample
	all := Limits{RPM: &limit, TPM: &limit}
	models := ModelLimits{RPM: map[string]int64{"m": limit}}
	p := &Proxy{ProxyConfig: ProxyConfig{Window: time.Minute, Directory: drawnDirectory{EndUser{all}, Agent{all, all}}}}
	hash := strings.Repeat("a", 64)
	alone := caller{hash: hash, Policy: NewPolicy(&limit, &limit, nil)}
	everyone := caller{hash: hash, Policy: Policy{
		Key:  Key{Limits: all, Models: models},
		User: &User{ID: "u", Limits: all}, Team: &Team{ID: "t", Limits: all, Models: models}, TeamMember: &TeamMember{all},
		Organization: &Organization{ID: "o", Limits: all, Models: models}, Project: &Project{ID: "p", Models: models},
	}}
	healthy := func(string) bool { return false }
	for name, of := range map[string]struct {
		c *caller
		n named
	}{"key": {&alone, named{model: "m"}}, "all": {&everyone, named{model: "m", endUser: "e", agent: "a", session: "s"}}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.resolve(of.c, of.n, healthy)
			}
		})
	}
}

// BenchmarkSweepOfAMillion is a look through one of the shards that a million
// live keys fill.
func BenchmarkSweepOfAMillion(b *testing.B) {
	m := NewMemory()
	for i := range million {
		m.Reserve(ruleStart, seenOnce(i))
	}
	at, n := m.since(ruleStart), 0
	for b.Loop() {
		m.shards[n%shardCount].sweep(at)
		n++
	}
}
