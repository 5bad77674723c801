package repro

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/scenarios"
	"github.com/ratecheck/ratecheck/sim"
	"github.com/ratecheck/ratecheck/sim/litellm"
	"github.com/ratecheck/ratecheck/sim/provider"
	"github.com/ratecheck/ratecheck/target"
)

// World is a place where stories are played.
type World struct {
	Name   string
	Runner scenarios.Runner
	// Run runs f on the world's time.
	Run func(ctx context.Context, f func(context.Context) error) error
	// Decisions are those of a model, when the story is over; nil elsewhere.
	Decisions func() []litellm.Decision
}

// KeyTemplate is how the keys of stories are made: the form that the lab's
// LiteLLM reads.
const KeyTemplate = "sk-lab-{nonce}[-rpm{rpm}][-tpm{tpm}][-mpr{max_parallel}]"

// Model is the model's name in all stories.
const Model = "m"

// ModelOf is the world of a model of a release. It fails on releases and
// variables that are not modelled.
func ModelOf(s Setup, window time.Duration, seed uint64) (*World, error) {
	release, err := litellm.Find(s.Version)
	if err != nil {
		return nil, err
	}
	settings, err := litellm.Settings{Release: release, Redis: s.Redis, Window: window}.WithEnvironment(s.Env)
	if err != nil {
		return nil, err
	}
	var decisions []litellm.Decision
	w, err := embedded(window, seed, settings.Apply(func(d litellm.Decision) { decisions = append(decisions, d) }))
	if err != nil {
		return nil, err
	}
	w.Name = "LiteLLM " + s.Version + " (model, " + s.Store() + ")"
	w.Decisions = func() []litellm.Decision { return decisions }
	return w, nil
}

// Reference is the world of the reference limiter.
func Reference(window time.Duration, seed uint64) (*World, error) {
	w, err := embedded(window, seed, nil)
	if err != nil {
		return nil, err
	}
	w.Name = "the reference"
	return w, nil
}

func embedded(window time.Duration, seed uint64, change func(*sim.Parts)) (*World, error) {
	template, err := target.ParseTemplate(KeyTemplate)
	if err != nil {
		return nil, err
	}
	w, err := sim.NewWorld(seed, window, templateKeys{template}, Model, change)
	if err != nil {
		return nil, err
	}
	return &World{
		Runner: scenarios.Runner{
			Clock: w.Clock, Epoch: w.Epoch, Seed: seed, RunID: runID(seed),
			Target: target.Target{
				URL: w.URL, Transport: w.Network, Model: Model, Window: window, Keys: template, Provider: Ledger{w.Provider},
			},
		},
		Run: func(ctx context.Context, f func(context.Context) error) error {
			var played error
			broken := w.Clock.Run(ctx, func() { played = f(ctx) })
			return errors.Join(broken, played)
		},
	}, nil
}

// runID is four letters of the seed.
func runID(seed uint64) string {
	const stream = 0x726570726f // keeps the id apart from other draws of the same seed
	r := rand.New(rand.NewPCG(seed, stream))
	var id [4]byte
	for i := range id {
		id[i] = byte('a' + r.IntN('z'-'a'+1))
	}
	return string(id[:])
}

type templateKeys struct{ template *target.Template }

func (k templateKeys) Lookup(bearer string) (reference.Policy, bool) {
	limits, ok := k.template.Match(bearer)
	return reference.NewPolicy(limits.Requests, limits.Tokens, limits.Parallel), ok
}

// Ledger is our provider, in this process.
type Ledger struct{ *provider.Provider }

// Register sets what calls with this nonce are answered.
func (l Ledger) Register(_ context.Context, nonce string, s history.Script) error {
	l.Provider.Register(nonce, s)
	return nil
}

// Calls returns the calls that have ended, and how many are in flight.
func (l Ledger) Calls(_ context.Context, from int) ([]history.Call, int, error) {
	calls, inFlight := l.Finished(from)
	return calls, inFlight, nil
}

// Played is a story that was played.
type Played struct {
	Window   time.Duration
	Limits   history.Limits
	Steps    []Step
	Attempts map[string][]history.Attempt
	// Calls and decisions are by nonce.
	Calls     map[string]history.Call
	decisions map[string]litellm.Decision
	epoch     time.Time
	// OpenAgain is when a poll was admitted, PolledTo when the last was sent.
	OpenAgain, PolledTo time.Duration
}

// pollName is the step of the polls behind a story.
const pollName = "poll"

// pollMost is how long is polled: what is locked for ten minutes is open again
// by then.
const pollMost = 12 * time.Minute

// Play plays the story on a key with these limits.
func (r Repro) Play(ctx context.Context, w *World, limits history.Limits, untilOpen bool) (*Played, error) {
	var recorded bytes.Buffer
	w.Runner.History = history.NewWriter(&recorded)
	window := w.Runner.Target.Window
	steps := r.Steps(window)
	scenario := scenarios.Scenario{
		Name: r.ID, Sentence: r.Title, Asks: []string{}, NeedsProvider: true,
		Play: func(ctx context.Context, s *scenarios.Stage) error {
			key, err := s.Key(ctx, limits)
			if err != nil {
				return err
			}
			if err := playSteps(ctx, w.Runner.Clock, s, key, steps); err != nil || !untilOpen || r.Poll == nil {
				return err
			}
			return poll(ctx, s, key, *r.Poll)
		},
	}
	if err := w.Run(ctx, func(ctx context.Context) error {
		return w.Runner.Run(ctx, []scenarios.Scenario{scenario}, history.Run{})
	}); err != nil {
		return nil, fmt.Errorf("playing %s on %s: %w", r.ID, w.Name, err)
	}
	h, err := history.Read(&recorded)
	if err != nil {
		return nil, fmt.Errorf("reading what was played: %w", err)
	}
	for _, end := range h.Ends {
		if end.Error != "" {
			return nil, fmt.Errorf("playing %s on %s: %s", r.ID, w.Name, end.Error)
		}
	}
	return r.played(w, limits, steps, h), nil
}

func playSteps(ctx context.Context, c clock.Clock, s *scenarios.Stage, key *scenarios.Key, steps []Step) error {
	// What stands before a story is over by a whole second of the wall clock, as
	// far as the world knows one, so that windows on whole seconds are whole.
	begun := s.Now()
	over := map[string]clock.Event{}
	for _, step := range steps {
		over[step.Name] = c.NewEvent()
	}
	errs := make([]error, len(steps))
	g := clock.NewGroup(c)
	for i, step := range steps {
		g.Go("step "+step.Name, func() {
			defer over[step.Name].Set()
			from := begun
			if before := over[step.After]; before != nil {
				if errs[i] = before.Wait(ctx); errs[i] != nil {
					return
				}
				from = s.Now()
			}
			if errs[i] = s.Until(ctx, from+step.Wait); errs[i] != nil {
				return
			}
			errs[i] = send(ctx, c, s, key, step)
		})
	}
	g.Wait()
	return errors.Join(errs...)
}

// send sends the requests of a step at once.
func send(ctx context.Context, c clock.Clock, s *scenarios.Stage, key *scenarios.Key, step Step) error {
	shot := step.Shot
	shot.Step = step.Name
	times := max(1, step.Times)
	errs := make([]error, times)
	g := clock.NewGroup(c)
	for i := range times {
		g.Go("attempt", func() { _, errs[i] = s.Send(ctx, key, shot) })
	}
	g.Wait()
	return errors.Join(errs...)
}

// poll sends a step again and again until it is admitted.
func poll(ctx context.Context, s *scenarios.Stage, key *scenarios.Key, step Step) error {
	shot := step.Shot
	shot.Step = pollName
	for end := s.Now() + pollMost; s.Now() < end; {
		a, err := s.Send(ctx, key, shot)
		if err != nil || admitted(a) {
			return err
		}
		if err := s.Wait(ctx, step.Wait); err != nil {
			return err
		}
	}
	return nil
}

func (r Repro) played(w *World, limits history.Limits, steps []Step, h *history.History) *Played {
	p := &Played{
		Window: w.Runner.Target.Window, Limits: limits, Steps: steps, Attempts: map[string][]history.Attempt{},
		Calls: map[string]history.Call{}, decisions: map[string]litellm.Decision{}, epoch: w.Runner.Epoch,
	}
	for _, a := range h.Attempts {
		if a.Scenario != r.ID {
			continue
		}
		p.Attempts[a.Step] = append(p.Attempts[a.Step], a)
		if a.Step == pollName {
			p.PolledTo = a.Sent
			if admitted(a) && p.OpenAgain == 0 {
				p.OpenAgain = a.Sent
			}
		}
	}
	for _, c := range h.Calls {
		p.Calls[c.Nonce] = c
	}
	if w.Decisions != nil {
		for _, d := range w.Decisions() {
			_, rest, _ := strings.Cut(string(d.Body), "[[")
			if nonce, _, found := strings.Cut(rest, "]]"); found {
				p.decisions[nonce] = d
			}
		}
	}
	return p
}
