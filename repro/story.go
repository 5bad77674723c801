package repro

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/sim/litellm"
)

// Schema is the version of a story's JSON.
const Schema = "ratecheck.repro/v1"

// Story is what came of a repro, for who reads it.
type Story struct {
	Schema     string         `json:"schema"`
	ID         string         `json:"id"`
	Issues     []string       `json:"issues"`
	Title      string         `json:"title"`
	Target     string         `json:"target"`
	Setup      Setup          `json:"setup"`
	Limits     history.Limits `json:"limits"`
	Window     float64        `json:"window_seconds"`
	Counted    Quantity       `json:"counted"`
	Finding    Finding        `json:"finding"`
	Reference  Finding        `json:"reference"`
	Expected   string         `json:"expected"`
	Mechanism  string         `json:"mechanism"`
	Releases   string         `json:"releases"`
	Workaround string         `json:"workaround"`
	Timeline   []Row          `json:"timeline"`
	Controls   []Variation    `json:"controls"`
	ShownBy    []Shown        `json:"shown_by_models"`
	// Real is the command that plays it on a real release.
	Real string `json:"real"`

	repro Repro
	steps []Step
}

// Row is a step of the story. Times are in seconds from its first request on.
type Row struct {
	At     float64 `json:"at"`
	Done   float64 `json:"done"`
	Step   string  `json:"step"`
	Sent   string  `json:"sent"`
	Answer string  `json:"answer"`
	// Used is what the key had really used when the step was sent: in the last
	// window, or in flight.
	Used int64 `json:"used"`
	// Counter is what the limiter counts behind its decision, Expires when that
	// is gone, Opened when its window began; nil where it is not known.
	Counter *int64   `json:"counter,omitempty"`
	Expires *float64 `json:"counter_expires,omitempty"`
	Opened  *float64 `json:"window_opened,omitempty"`
	// Reference is what the reference answers to the same.
	Reference string `json:"reference"`
}

// Variation is a control that was played on a model.
type Variation struct {
	Name    string         `json:"name"`
	Setup   Setup          `json:"setup"`
	Limits  history.Limits `json:"limits"`
	Finding Finding        `json:"finding"`
	// Wanted says that it came out as it was to.
	Wanted bool `json:"as_wanted"`
}

// Shown says which of the models of a release show it.
type Shown struct {
	Version string  `json:"version"`
	Memory  Outcome `json:"memory"`
	Redis   Outcome `json:"redis"`
}

// Options are how a story is told.
type Options struct {
	Window time.Duration
	Seed   uint64
	// UntilOpen goes on until the key is admitted again.
	UntilOpen bool
}

// Tell plays a repro on a world, beside it on the reference, and its controls on
// models. Setup is what the world is.
func (r Repro) Tell(ctx context.Context, w *World, setup Setup, o Options) (*Story, error) {
	played, err := r.Play(ctx, w, r.Limits, o.UntilOpen)
	if err != nil {
		return nil, err
	}
	right, err := Reference(o.Window, o.Seed)
	if err != nil {
		return nil, err
	}
	beside, err := r.Play(ctx, right, r.Limits, false)
	if err != nil {
		return nil, err
	}
	s := &Story{
		Schema: Schema, ID: r.ID, Issues: append([]string{}, r.Issues...), Title: r.Title, Target: w.Name, Setup: setup, Limits: r.Limits,
		Window: o.Window.Seconds(), Counted: r.About, Finding: r.Conclude(played), Reference: r.Conclude(beside), Expected: r.Expected,
		Mechanism: r.Mechanism, Releases: r.Releases(), Workaround: r.Workaround, Timeline: timeline(r.About, played, beside),
		Controls: []Variation{}, Real: r.realCommand(setup, o), repro: r, steps: played.Steps,
	}
	for _, c := range r.Controls {
		v := Variation{Name: c.Name, Setup: c.Setup, Limits: r.Limits}
		if c.Limits != nil {
			v.Limits = *c.Limits
		}
		if v.Finding, err = r.onModel(ctx, c.Setup, v.Limits, o); err != nil {
			return nil, err
		}
		v.Wanted = (v.Finding.Outcome == Reproduced) == c.Shows && v.Finding.Outcome != Untold
		s.Controls = append(s.Controls, v)
	}
	for _, version := range litellm.Releases() {
		shown := Shown{Version: version}
		for _, redis := range []bool{false, true} {
			f, err := r.onModel(ctx, Setup{Version: version, Redis: redis, Env: r.Setup.Env}, r.Limits, o)
			if err != nil {
				return nil, err
			}
			if redis {
				shown.Redis = f.Outcome
			} else {
				shown.Memory = f.Outcome
			}
		}
		s.ShownBy = append(s.ShownBy, shown)
	}
	return s, nil
}

func (r Repro) onModel(ctx context.Context, setup Setup, limits history.Limits, o Options) (Finding, error) {
	w, err := ModelOf(setup, o.Window, o.Seed)
	if err != nil {
		return Finding{}, err
	}
	p, err := r.Play(ctx, w, limits, false)
	if err != nil {
		return Finding{}, err
	}
	return r.Conclude(p), nil
}

func (r Repro) realCommand(s Setup, o Options) string {
	command := "ratecheck repro " + r.ID + " --real " + s.Version
	if s.Redis {
		command += " --redis"
	}
	for name, value := range s.Env {
		if r.Setup.Env[name] != value {
			command += " --env " + name + "=" + value
		}
	}
	if o.Window != DefaultWindow {
		command += " --window " + o.Window.String()
	}
	return command
}

// DefaultWindow is the window of stories: long enough for what comes within it,
// and short enough to wait for on a real release.
const DefaultWindow = 5 * time.Second

func timeline(about Quantity, p, beside *Played) []Row {
	steps := p.sortedSteps()
	if len(p.Attempts[pollName]) > 0 {
		steps = append(steps, Step{Name: pollName, What: "the same again, until it is admitted"})
	}
	start := time.Duration(-1)
	var rows []Row
	for _, step := range steps {
		attempts := p.Attempts[step.Name]
		if len(attempts) == 0 {
			continue
		}
		first := slices.MinFunc(attempts, func(a, b history.Attempt) int { return int(a.Sent - b.Sent) })
		last := slices.MaxFunc(attempts, func(a, b history.Attempt) int { return int(a.Done - b.Done) })
		if start < 0 {
			start = first.Sent
		}
		row := Row{
			At: seconds(first.Sent - start), Done: seconds(last.Done - start), Step: step.Name, Sent: step.What,
			Answer: answersOf(attempts), Used: p.usedBefore(about, first.Sent), Reference: answersOf(beside.Attempts[step.Name]),
		}
		p.addState(&row, about, attempts, start)
		rows = append(rows, row)
	}
	return rows
}

func seconds(d time.Duration) float64 {
	const millis = 1000
	return float64(d.Round(time.Millisecond).Milliseconds()) / millis
}

// addState writes what a model counted when it had decided on the last of some
// attempts.
func (p *Played) addState(row *Row, about Quantity, attempts []history.Attempt, start time.Duration) {
	var latest *litellm.Decision
	for _, a := range attempts {
		if d, there := p.decisions[a.Nonce]; there && (latest == nil || d.At.After(latest.At)) {
			latest = &d
		}
	}
	if latest == nil {
		return
	}
	counter := map[Quantity]litellm.Counter{
		Tokens: latest.State.Tokens, Requests: latest.State.Requests, InFlight: latest.State.Parallel,
	}[about]
	since := func(t time.Time) *float64 {
		at := seconds(t.Sub(p.epoch) - start)
		return &at
	}
	row.Counter = &counter.Value
	if !counter.Expires.IsZero() {
		row.Expires = since(counter.Expires)
	}
	if !latest.State.Opened.IsZero() {
		row.Opened = since(latest.State.Opened)
	}
}

// Counted is the row's counter in words: what it is, and until when.
func (r Row) Counted() string {
	if r.Counter == nil {
		return ""
	}
	text := strconv.FormatInt(*r.Counter, 10)
	if r.Expires != nil {
		text += fmt.Sprintf(" until %.1f", *r.Expires)
	}
	return text
}

// Window is when the row's window began, in words.
func (r Row) Window() string {
	if r.Opened == nil {
		return ""
	}
	return fmt.Sprintf("%.1f", *r.Opened)
}
