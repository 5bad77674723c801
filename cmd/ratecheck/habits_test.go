package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
	"github.com/ratecheck/ratecheck/sim/sound"
	"github.com/ratecheck/ratecheck/target"
)

// TestHabitsChangeNothing: however a target speaks HTTP, everything passes as it
// does with the reference.
func TestHabitsChangeNothing(t *testing.T) {
	for _, habit := range sound.Habits() {
		t.Run(habit.Name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= uint64(seedsOf(5)); seed++ {
				for _, window := range []time.Duration{time.Minute, 5 * time.Second} {
					r := judgedWith(t, seed, window, habit)
					// A date is too coarse for who comes back a little early.
					wrong := slices.DeleteFunc(notPassed(r), func(text string) bool {
						return strings.HasPrefix(text, "refusal/retry-after-tight: SKIP: ")
					})
					if len(r.Results) < len(checker.Catalogue())-1 || len(wrong) > 0 {
						t.Errorf("seed %d, window %s: %+v: %v", seed, window, r.Summary, wrong)
					}
				}
			}
		})
	}
}

// serveReference serves the reference over a socket, with parts of it changed,
// and returns its URL and where it looks for the provider.
func serveReference(t *testing.T, window time.Duration, configure func(*httptest.Server), change func(*sim.Parts)) (base, providerAt string) {
	t.Helper()
	template, err := target.ParseTemplate(defaultTemplate)
	if err != nil {
		t.Fatal(err)
	}
	providerAt = freeAddress(t)
	transport := driver.NewTransport()
	p := sim.Parts{Clock: clock.System{}, Store: reference.NewMemory(), Keys: templateKeys{template}, Window: window, Transport: transport}
	if change != nil {
		change(&p)
	}
	var proxy http.Handler = reference.NewProxy(reference.ProxyConfig{
		Clock: p.Clock, Store: p.Store, Keys: p.Keys, Window: p.Window, Transport: p.Transport, Models: []string{"m"},
		Upstream: &url.URL{Scheme: "http", Host: providerAt, Path: "/v1"},
	})
	if p.Wrap != nil {
		proxy = p.Wrap(proxy)
	}
	server := httptest.NewUnstartedServer(proxy)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if configure != nil {
		configure(server)
	}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.URL, providerAt
}

// protocols serves these and no others.
func protocols(set func(*http.Protocols)) func(*httptest.Server) {
	return func(s *httptest.Server) {
		s.Config.Protocols = &http.Protocols{}
		set(s.Config.Protocols)
	}
}

// TestHabitsOverSockets runs what streams, what is refused and what comes back
// over real connections, in every habit and in cleartext HTTP/2.
func TestHabitsOverSockets(t *testing.T) {
	const window = 3 * time.Second
	only := []string{
		"refusal/retry-after-sufficient", "refusal/quick", "headers/on-*", "tokens/streams-counted", "tokens/streams-without-usage-counted", "parallel/limit-kept",
	}
	type play struct {
		name      string
		configure func(*httptest.Server)
		change    func(*sim.Parts)
	}
	plays := []play{
		{"h2c beside HTTP/1", protocols(func(p *http.Protocols) { p.SetHTTP1(true); p.SetUnencryptedHTTP2(true) }), nil},
		{"h2c alone", protocols(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }), nil},
	}
	for _, habit := range append(sound.Habits(), sound.EarlyRefusals()) {
		plays = append(plays, play{habit.Name, nil, habit.Apply})
	}
	for _, p := range plays {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			base, providerAt := serveReference(t, window, p.configure, p.change)
			args := []string{base, "--key-template", defaultTemplate, "--provider-listen", providerAt, "--window", window.String()}
			for _, id := range only {
				args = append(args, "--only", id)
			}
			r := judged(t, args...)
			if r.Summary.Pass <= len(only) || r.Summary.Pass != len(r.Results) {
				t.Errorf("%+v: %v", r.Summary, notPassed(r))
			}
			t.Logf("%+v", r.Summary)
		})
	}
}
