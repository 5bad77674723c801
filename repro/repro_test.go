package repro

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/sim/litellm"
	"github.com/ratecheck/ratecheck/sim/provider"
)

const testWindow = 5 * time.Second

// found is what a repro finds on a world.
func found(t *testing.T, r Repro, w *World, err error) Finding {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Play(t.Context(), w, r.Limits, false)
	if err != nil {
		t.Fatal(err)
	}
	return r.Conclude(p)
}

// TestEachReproShowsOnItsReleases and on no others, in memory and with Redis,
// wherever in a second the story begins.
func TestEachReproShowsOnItsReleases(t *testing.T) {
	for _, r := range Catalogue() {
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			for _, version := range litellm.Releases() {
				for _, redis := range []bool{false, true} {
					for seed := range uint64(3) {
						setup := Setup{Version: version, Redis: redis, Env: r.Setup.Env}
						w, err := ModelOf(setup, testWindow, seed+1)
						got := found(t, r, w, err)
						if want := wantOf(r, setup); got.Outcome != want {
							t.Errorf("%s with %s, seed %d: %s, want %s: %s", version, setup.Store(), seed+1, got.Outcome, want, got.What)
						}
					}
				}
			}
		})
	}
}

// wantOf is what a bug does on a release that is started as usual.
func wantOf(r Repro, s Setup) Outcome {
	span := litellm.Trait{From: r.From, Before: r.Before}
	elsewhere := s.Redis && r.MemoryOnly || !s.Redis && r.RedisOnly
	if span.In(s.Version) && !elsewhere {
		return Reproduced
	}
	return NotReproduced
}

// TestNoReproShowsOnTheReference in any window.
func TestNoReproShowsOnTheReference(t *testing.T) {
	for _, r := range Catalogue() {
		for _, window := range []time.Duration{testWindow, time.Minute} {
			for seed := range uint64(5) {
				w, err := Reference(window, seed+1)
				if got := found(t, r, w, err); got.Outcome != NotReproduced {
					t.Errorf("%s, window %s, seed %d: %s: %s", r.ID, window, seed+1, got.Outcome, got.What)
				}
			}
		}
	}
}

// TestControlsHold: what a repro names as not showing it does not, and what it
// names as showing it does.
func TestControlsHold(t *testing.T) {
	for _, r := range Catalogue() {
		for _, c := range r.Controls {
			w, err := ModelOf(c.Setup, testWindow, 1)
			if err != nil {
				t.Fatal(err)
			}
			limits := r.Limits
			if c.Limits != nil {
				limits = *c.Limits
			}
			p, err := r.Play(t.Context(), w, limits, false)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Conclude(p); (got.Outcome == Reproduced) != c.Shows {
				t.Errorf("%s, %s: %s, want shown %t: %s", r.ID, c.Name, got.Outcome, c.Shows, got.What)
			}
		}
	}
}

// TestWhatWasNotPlayedIsNotTold: without answers, with others than 200 and 429,
// or too late, nothing is said of a target.
func TestWhatWasNotPlayedIsNotTold(t *testing.T) {
	for _, r := range Catalogue() {
		w, err := ModelOf(r.Setup, testWindow, 1)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := r.Play(t.Context(), w, r.Limits, false)
		if err != nil {
			t.Fatal(err)
		}
		last := whole.Steps[len(whole.Steps)-1].Name
		for name, spoil := range map[string]func(p *Played){
			"nothing was sent":     func(p *Played) { p.Attempts = nil },
			"a step is missing":    func(p *Played) { delete(p.Attempts, last) },
			"an upstream failed":   func(p *Played) { p.Attempts[last][0].Status = 502 },
			"nobody answered":      func(p *Played) { p.Attempts[last][0].Status = 0 },
			"an answer was cut":    func(p *Played) { p.Attempts[last][0].Error = history.Cut },
			"the machine was busy": func(p *Played) { late(p.Attempts[last]) },
		} {
			p := *whole
			p.Attempts = map[string][]history.Attempt{}
			for step, list := range whole.Attempts {
				p.Attempts[step] = slices.Clone(list)
			}
			if len(p.Steps) == 1 && name == "the machine was busy" {
				continue // nothing tells when it was to begin
			}
			spoil(&p)
			if got := r.Conclude(&p); got.Outcome != Untold {
				t.Errorf("%s, %s: %s: %s", r.ID, name, got.Outcome, got.What)
			}
		}
	}
}

func late(attempts []history.Attempt) {
	for i := range attempts {
		attempts[i].Sent += time.Second
		attempts[i].Done += time.Second
	}
}

// TestTheCommandsOfAStoryTellTheProvider what it is to answer, by the text of
// the requests alone.
func TestTheCommandsOfAStoryTellTheProvider(t *testing.T) {
	for _, r := range Catalogue() {
		for _, step := range r.Steps(testWindow) {
			c := clock.NewVirtual(1, time.Unix(0, 0))
			p := provider.New(c, c.Now())
			p.AllowDirectives()
			endpoint := cmp.Or(step.Shot.Endpoint, history.Chat)
			if err := c.Run(t.Context(), func() {
				body := strings.NewReader(stepBody(step.Shot))
				req := httptest.NewRequest(http.MethodPost, history.EndpointPath(endpoint), body)
				p.ServeHTTP(httptest.NewRecorder(), req)
			}); err != nil {
				t.Fatal(err)
			}
			calls, _ := p.Finished(0)
			want := step.Shot.Script
			if len(calls) != 1 || calls[0].Status != 200 || calls[0].Stream != step.Shot.Stream ||
				calls[0].Usage.Prompt != want.PromptTokens || calls[0].Usage.Completion != want.CompletionTokens ||
				calls[0].FirstByte != want.Latency {
				t.Errorf("%s, %s: %s was answered as %+v", r.ID, step.Name, stepBody(step.Shot), calls)
			}
		}
	}
}

// TestFindByWhatPeopleSearchFor: an id, an issue, a signature within a longer
// text, or a part of one.
func TestFindByWhatPeopleSearchFor(t *testing.T) {
	for text, want := range map[string][]string{
		"litellm-24677": {"litellm-24677"}, "24677": {"litellm-24677", "litellm-memory-lockout"}, "#28805": {"litellm-28805"},
		"18953":                     {"litellm-24677", "litellm-memory-lockout", "litellm-17664"},
		"BerriAI/litellm#39309":     {"litellm-39309"},
		"litellm-24677 and others?": nil,
		"https://github.com/BerriAI/litellm/pull/27001":                                                                                                                       {"litellm-18730"},
		"Incorrect TPM limiting for virtual keys — rate limit not enforced correctly":                                                                                         {"litellm-24677"},
		"LiteLLM Drops x-ratelimit-* Headers on Streaming Responses — v3 parallel_request_limiter Bug":                                                                        {"litellm-27748"},
		"LiteLLM Incorrect TPM Rate Limiting for Virtual Keys":                                                                                                                {"litellm-24677"},
		"why are rate limits wrong: incorrect tpm limiting for virtual keys (1.82.3)?":                                                                                        {"litellm-24677"},
		"x-ratelimit-remaining / x-ratelimit-limit headers missing on streaming responses":                                                                                    {"litellm-27748"},
		"What this error means: Incorrect TPM limiting for virtual keys is a failure pattern. Enforcement is inconsistent, allowing overuse or blocking legitimate requests.": {"litellm-24677"},
		"": nil, "!!": nil, "the moon": nil,
	} {
		var got []string
		for _, r := range Find(text) {
			got = append(got, r.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q finds %v, want %v", text, got, want)
		}
	}
}
