package sim

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim/provider"
)

// callIDs draws the ids of calls, the same for one seed.
func callIDs(seed uint64) func() string {
	const stream = 0x63616c6c6964 // keeps them apart from other draws of the same seed
	r := rand.New(rand.NewPCG(seed, stream))
	return func() string { return fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64()) }
}

// keyBytes are what keys and ids are drawn from, the same for one seed.
func keyBytes(seed uint64) io.Reader {
	const stream = 0x6b657973 // keeps them apart from other draws of the same seed
	var of [32]byte
	binary.LittleEndian.PutUint64(of[:], seed)
	binary.LittleEndian.PutUint64(of[8:], stream)
	return rand.NewChaCha8(of)
}

// Parts are what an embedded proxy is made of. A fault replaces one of them.
type Parts struct {
	Clock clock.Clock
	Store reference.Store
	Keys  reference.Keys
	// Directory knows whom requests name beside their key.
	Directory reference.Directory
	Window    time.Duration
	// Upstream is where the provider is on the Transport, with /v1.
	Upstream *url.URL
	// Transport carries the proxy's calls to the provider.
	Transport http.RoundTripper
	// Wrap goes around the proxy, and not around its management API; nil is
	// nothing.
	Wrap func(http.Handler) http.Handler
}

// World is a proxy and a provider on a network of their own, on virtual time.
type World struct {
	Clock    *clock.Virtual
	Epoch    time.Time
	Network  *Network
	Provider *provider.Provider
	// URL is where the proxy is on the Network.
	URL *url.URL
	// AdminKey is the key of the management API that the proxy has at its URL.
	AdminKey string
}

const (
	adminKey     = "embedded-admin"
	proxyHost    = "reference.internal"
	providerHost = "provider.internal"
)

// NewWorld builds a world from a seed, with these keys and those that its
// management API makes. Model is what the proxy lists; change may replace parts,
// and may be nil. It is an error if the admin key is one of the keys.
func NewWorld(seed uint64, window time.Duration, keys reference.Keys, model string, change func(*Parts)) (*World, error) {
	// The seed also draws where in a minute the world begins: limiters with
	// windows on the clock must not always meet the same phase.
	const minute = uint64(time.Minute)
	epoch := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(seed * 2654435761 % minute))
	v := clock.NewVirtual(seed, epoch)
	network := NewNetwork(v, seed)
	registry, err := reference.NewRegistry(reference.RegistryConfig{Clock: v, Random: keyBytes(seed), AdminKey: adminKey, Fallback: keys})
	if err != nil {
		return nil, err
	}
	p := Parts{
		Clock: v, Store: reference.NewMemory(), Keys: registry, Directory: registry, Window: window, Transport: network,
		Upstream: &url.URL{Scheme: "http", Host: providerHost, Path: "/v1"},
	}
	if change != nil {
		change(&p)
	}
	w := &World{
		Clock: v, Epoch: epoch, Network: network, Provider: provider.New(v, epoch),
		URL: &url.URL{Scheme: "http", Host: proxyHost}, AdminKey: adminKey,
	}
	var proxy http.Handler = reference.NewProxy(reference.ProxyConfig{
		Clock: v, Store: p.Store, Keys: p.Keys, Directory: p.Directory, Window: p.Window, Transport: p.Transport, Models: []string{model},
		Upstream: p.Upstream, NewID: callIDs(seed),
	})
	if p.Wrap != nil {
		proxy = p.Wrap(proxy)
	}
	network.Handle(proxyHost, registry.Handler(proxy))
	network.Handle(providerHost, w.Provider)
	return w, nil
}
