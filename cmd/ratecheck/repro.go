package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/lab"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/repro"
	"github.com/ratecheck/ratecheck/scenarios"
	"github.com/ratecheck/ratecheck/sim/provider"
	"github.com/ratecheck/ratecheck/target"
)

// The exit codes of repro beside 0, which is reproduced.
const (
	exitNotShown = 1
	exitUntold   = 2
)

// reproFlags are the flags of repro.
type reproFlags struct {
	simulate  string
	real      string
	redis     bool
	env       map[string]string
	window    time.Duration
	seed      uint64
	untilOpen bool
	format    string
}

func reproFormats() []string { return []string{formatText, formatJSON, formatMarkdown} }

func (a *app) reproCommand() *cobra.Command {
	var f reproFlags
	cmd := &cobra.Command{
		Use:   "repro [ID|TEXT]",
		Short: "Replay a known bug of LiteLLM beside the correct behaviour",
		Long: `repro plays the story of a known bug on the model of a release, or on a real one,
and beside it on the reference: what is sent when, what the limiter counts, what
was really used. Without an ID it lists the bugs; the number of an issue plays the
bug that it is about; a TEXT, such as an error message or the title of an issue,
finds those that it belongs to.

Exit codes: 0 reproduced, 1 the target does not show it, 2 it could not be told;
otherwise those of ratecheck run.`,
		Example: `  ratecheck repro
  ratecheck repro litellm-24677
  ratecheck repro litellm-24677 --real 1.82.3 --redis
  ratecheck repro Incorrect TPM limiting for virtual keys --format markdown`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.repro(cmd.Context(), f, strings.Join(args, " "))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.simulate, "simulate", "", "play it on the model of the LiteLLM release `VERSION` (default one that shows it)")
	flags.StringVar(&f.real, "real", "", "install and start the LiteLLM release `VERSION` on this machine, and play it there")
	flags.BoolVar(&f.redis, "redis", false, "let the release count in Redis instead of in memory")
	flags.StringToStringVar(&f.env, "env", nil, "set `NAME=VALUE` in the environment of the release")
	flags.DurationVar(&f.window, "window", repro.DefaultWindow, "length of the release's windows, whole seconds")
	flags.Uint64Var(&f.seed, "seed", 1, "seed of the model's world")
	flags.BoolVar(&f.untilOpen, "until-open", false, "go on until the key is admitted again, up to twelve minutes")
	flags.StringVar(&f.format, "format", formatText, "what is printed: "+strings.Join(reproFormats(), ", "))
	cmd.MarkFlagsMutuallyExclusive("simulate", "real")
	return cmd
}

func (a *app) repro(ctx context.Context, f reproFlags, text string) error {
	const leastWindow = 4 * time.Second // a window on whole seconds is up to one shorter, and the stories need three
	switch {
	case !slices.Contains(reproFormats(), f.format):
		return usageError("--format %q is not known; there are %s", f.format, strings.Join(reproFormats(), ", "))
	case f.window < leastWindow || f.window%time.Second != 0:
		return usageError("--window %s: give whole seconds, from %s up", f.window, leastWindow)
	case f.env["LITELLM_RATE_LIMIT_WINDOW_SIZE"] != "":
		return usageError("--env LITELLM_RATE_LIMIT_WINDOW_SIZE: the stories keep to the window; use --window")
	case text == "":
		return a.listRepros(repro.Catalogue())
	}
	found := repro.Find(text)
	_, issue := repro.IssueIn(text)
	switch {
	case len(found) == 0:
		return usageError("no known bug is called %q, and no error message of one is like it; `ratecheck repro` lists them", shortened(text))
	case len(found) > 1 && issue:
		var others []string
		for _, r := range found[1:] {
			others = append(others, r.ID)
		}
		_, _ = fmt.Fprintf(a.stderr, "%s is %s; it has also to do with %s\n", text, found[0].ID, strings.Join(others, ", "))
	case len(found) > 1:
		if err := a.listRepros(found); err != nil {
			return err
		}
		return usageError("%q belongs to %d known bugs; name one of them", shortened(text), len(found))
	}
	r := found[0]
	setup := repro.Setup{Version: r.Setup.Version, Redis: r.Setup.Redis || f.redis, Env: map[string]string{}}
	for _, env := range []map[string]string{r.Setup.Env, f.env} {
		for name, value := range env {
			setup.Env[name] = value
		}
	}
	options := repro.Options{Window: f.window, Seed: f.seed, UntilOpen: f.untilOpen}
	var w *repro.World
	var err error
	if f.real != "" {
		if setup.Version, err = lab.Resolve(f.real); err != nil {
			return exitWith(exitUsage, err)
		}
		real, stop, startErr := a.realRelease(ctx, setup, f.window)
		if startErr != nil {
			return startErr
		}
		defer stop()
		w = real
	} else {
		if f.simulate != "" {
			if setup.Version, err = modelledVersion(f.simulate); err != nil {
				return err
			}
		}
		if w, err = repro.ModelOf(setup, f.window, f.seed); err != nil {
			return exitWith(exitUsage, err)
		}
	}
	story, err := r.Tell(ctx, w, setup, options)
	if err != nil {
		return a.reproError(ctx, err)
	}
	if err := a.tell(story, f.format); err != nil {
		return exitWith(reports.ExitError, err)
	}
	switch story.Finding.Outcome {
	case repro.Reproduced:
		return nil
	case repro.NotReproduced:
		return exitWith(exitNotShown, nil)
	default:
		return exitWith(exitUntold, nil)
	}
}

func (a *app) reproError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return exitWith(reports.ExitInterrupted, fmt.Errorf("interrupted: %w", err))
	}
	if fatal := fatalError(ctx, err); fatal != nil {
		return fatal
	}
	return exitWith(reports.ExitError, err)
}

// realRelease installs and starts a release with our provider behind it, as run
// does.
func (a *app) realRelease(ctx context.Context, setup repro.Setup, window time.Duration) (_ *repro.World, stop func(), err error) {
	o := lab.Options{Models: []string{repro.Model}, Redis: setup.Redis, Window: window, Workers: 1, Replicas: 1, Env: setup.Env}
	running, err := a.startWarm(ctx, setup.Version, o, "")
	if err != nil {
		return nil, nil, err
	}
	stop = func() {
		if err := running.stop(); err != nil {
			_, _ = fmt.Fprintln(a.stderr, "ratecheck: "+err.Error())
		}
	}
	c := clock.System{}
	epoch := c.Now()
	w, err := worldOf(running.URL(), setup, window, c, epoch, running.provider(c, epoch))
	if err != nil {
		stop()
		return nil, nil, exitWith(reports.ExitError, err)
	}
	return w, stop, nil
}

func worldOf(url string, setup repro.Setup, window time.Duration, c clock.Clock, epoch time.Time, p *provider.Provider) (*repro.World, error) {
	base, err := parseBase("the release's URL", url)
	if err != nil {
		return nil, err
	}
	template, err := target.ParseTemplate(lab.KeyTemplate)
	if err != nil {
		return nil, err
	}
	id, err := freshRunID()
	if err != nil {
		return nil, err
	}
	return &repro.World{
		Name: "LiteLLM " + setup.Version + " (" + setup.Store() + ")",
		Runner: scenarios.Runner{
			Clock: c, Epoch: epoch, Seed: 1, RunID: id,
			Target: target.Target{
				URL: base, Transport: driver.NewTransport(), Model: repro.Model, Window: window,
				Keys: template, Provider: repro.Ledger{Provider: p},
			},
		},
		Run: func(ctx context.Context, f func(context.Context) error) error { return f(ctx) },
	}, nil
}

// shortened is the beginning of a text that may be a whole page.
func shortened(text string) string {
	const most = 80
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

func (a *app) listRepros(list []repro.Repro) error {
	var rows [][]string
	for _, r := range list {
		rows = append(rows, []string{r.ID, strings.Join(r.Issues, ", "), r.Title, r.Releases()})
	}
	return reports.Table(a.stdout, []string{"repro", "issues", "what is wrong", "releases"}, rows)
}

func (a *app) tell(s *repro.Story, format string) error {
	switch format {
	case formatJSON:
		e := json.NewEncoder(a.stdout)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(s)
	case formatMarkdown:
		_, err := fmt.Fprint(a.stdout, reproMarkdown(s))
		return err
	default:
		return a.reproText(s)
	}
}
