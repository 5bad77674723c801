package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/scenarios"
	"github.com/ratecheck/ratecheck/target"
)

// Names of the files in a run's folder.
const (
	historyFile = "history.ndjson"
	reportFile  = "report.json"
)

// runFlags are the flags of run.
type runFlags struct {
	only, skip     []string
	endpoints      []string
	seed           uint64
	window         time.Duration
	windows        int
	model          string
	keyTemplate    string
	providerListen string
	providerURL    string
	tokenClass     string
	fault          string
	out            string
	quiet          bool
	dryRun, yes    bool
	// identify prints how the target counts, and not what it keeps.
	identify bool
	manyKeys bool
	simulateFlags
	reportFlags
}

func (a *app) runCommand(f *runFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [URL]",
		Short: "Run the whole check against a proxy, or against the embedded reference",
		Long: `run sends the scenarios to a proxy, records everything, and judges.

Without a URL it runs against the embedded reference limiter on virtual time, in
about a second. With a URL it needs a way to get fresh keys with given limits
(--key-template), and our provider behind the proxy to know what was really used
(--provider-listen or --provider).`,
		Example: `  ratecheck run
  ratecheck run http://127.0.0.1:4000 --key-template 'sk-lab-{nonce}[-rpm{rpm}][-tpm{tpm}][-mpr{max_parallel}]' \
      --provider-listen 127.0.0.1:4001 --window 60s`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.run(cmd.Context(), *f, "")
			}
			return a.run(cmd.Context(), *f, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.only, "only", nil, "test only the requirements that match `GLOB` (* is any text; may be repeated)")
	flags.StringSliceVar(&f.skip, "skip", nil, "leave out the requirements that match `GLOB`")
	flags.StringSliceVar(&f.endpoints, "endpoints", nil, "test these endpoints, which must answer: chat, completions, embeddings, responses, messages (default those that answer)")
	flags.Uint64Var(&f.seed, "seed", 1, "seed of the run; the embedded world repeats itself exactly")
	flags.DurationVar(&f.window, "window", time.Minute, "length of the target's windows")
	flags.IntVar(&f.windows, "windows", scenarios.SteadyWindows, "for how many windows drift/steady-state goes on")
	flags.StringVar(&f.model, "model", "m", "model to ask for")
	flags.StringVar(&f.keyTemplate, "key-template", "", "make keys as `TEMPLATE` says, e.g. 'sk-{nonce}[-rpm{rpm}][-tpm{tpm}][-mpr{max_parallel}]'")
	flags.StringVar(&f.providerListen, "provider-listen", "", "start our provider at `ADDR`, where the target's upstream points")
	flags.StringVar(&f.providerURL, "provider", "", "our provider runs at `URL` already")
	flags.StringVar(&f.tokenClass, "token-class", "", "how the target is declared to count tokens: check-then-charge")
	flags.StringVar(&f.fault, "fault", "", "break the embedded reference in the way `NAME` says (see ratecheck list --faults)")
	flags.StringVar(&f.simulate, "simulate", "", "run against the model of the LiteLLM release `VERSION`, on virtual time")
	flags.BoolVar(&f.redis, "redis", false, "the simulated release counts in Redis instead of in memory")
	flags.StringToStringVar(&f.env, "env", nil, "set `NAME=VALUE` in the environment of the simulated release")
	f.addTo(flags)
	flags.StringVar(&f.out, "out", "", "write history.ndjson and report.json into the folder `DIR`, and junit.xml or report.md where that format is asked for")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what would be sent, and send nothing")
	flags.BoolVar(&f.yes, "yes", false, "send requests although our provider is not behind the target, and they may cost money")
	flags.BoolVar(&f.manyKeys, "many-keys", false, fmt.Sprintf("at the end also ask isolation/many-keys: %d more keys, a request each (beyond this machine with --yes only)", scenarios.ManyKeys))
	cmd.MarkFlagsMutuallyExclusive("provider-listen", "provider")
	return cmd
}

// world is a target with the clock that its run goes by.
type world struct {
	runner scenarios.Runner
	// play runs f in the world: at once on a real target, as the first task on
	// virtual time.
	play func(ctx context.Context, f func(context.Context) error) error
	// name is what the report calls the target.
	name string
	// close ends what was started for the run.
	close func()
	// ledgerSkew is known only when the run begins.
	ledgerSkew time.Duration
}

func (a *app) run(ctx context.Context, f runFlags, url string) error {
	known, err := a.readReportFlags(f.reportFlags)
	if err != nil {
		return err
	}
	if err := f.check(url); err != nil {
		return err
	}
	chosen, err := selectScenarios(f)
	if err != nil {
		return err
	}
	if f.dryRun {
		return a.printPlan(a.stdout, chosen, f, url)
	}
	w, err := a.openWorld(ctx, f, url, chosen)
	if err != nil {
		return err
	}
	defer w.close()

	recorded, err := openRecording(f.out)
	if err != nil {
		return exitWith(exitUsage, err)
	}
	w.runner.History = history.NewWriter(recorded)
	w.runner.RequiredEndpoints = f.endpoints
	stopProgress := a.progress(w, chosen, f)
	runErr := w.play(ctx, func(ctx context.Context) error {
		return w.runner.Run(ctx, chosen, history.Run{LedgerSkew: w.ledgerSkew})
	})
	stopProgress()
	h, err := recorded.read()
	if err != nil {
		return exitWith(reports.ExitError, errors.Join(runErr, err))
	}
	if fatal := fatalError(runErr, ctx); fatal != nil {
		return fatal
	}
	report := known.Apply(reports.New(h, w.name, f.command(url)))
	if f.out != "" {
		if err := writeReports(f.out, report, h, f.format); err != nil {
			return exitWith(reports.ExitError, err)
		}
	}
	if f.identify {
		return a.renderIdentity(report, f.format)
	}
	return a.render(report, h, f.reportFlags)
}

// check refuses flags that do not fit together before anything is sent.
func (f *runFlags) check(url string) error {
	if f.tokenClass != "" && f.tokenClass != history.CheckThenCharge {
		return usageError("--token-class %q is not known; %q is the one that can be declared", f.tokenClass, history.CheckThenCharge)
	}
	if f.window < minWindow {
		return usageError("--window %s is too short: charges after an answer take up to 0.5 s, so nothing can be told below %s", f.window, minWindow)
	}
	if f.windows < 2 {
		return usageError("--windows %d: a drift shows in two windows at the least", f.windows)
	}
	if err := f.simulateFlags.check(url, f.fault); err != nil {
		return err
	}
	if url == "" {
		for name, value := range map[string]string{"--key-template": f.keyTemplate, "--provider-listen": f.providerListen, "--provider": f.providerURL} {
			if value != "" {
				return usageError("%s is for a target with a URL, and none was given", name)
			}
		}
		return nil
	}
	if f.manyKeys && !f.yes && !isLoopback(url) {
		return usageError("--many-keys makes %d keys active at once on %s, which is not this machine; add --yes if that is meant", scenarios.ManyKeys, url)
	}
	if f.fault != "" {
		return usageError("--fault breaks the embedded reference; leave out the URL")
	}
	if f.keyTemplate != "" {
		if _, err := target.ParseTemplate(f.keyTemplate); err != nil {
			return exitWith(exitUsage, err)
		}
	}
	return nil
}

// minWindow is the shortest window that can be judged: the recipes need room
// for settling times of 0.6 s and upstreams of 1 s.
const minWindow = 3 * time.Second

// fatalError turns what ended a run early into an exit code. A run that was
// interrupted has its report.
func fatalError(err error, ctx context.Context) error {
	var unreachable *scenarios.UnreachableError
	var rejected *scenarios.RejectedError
	var silent *scenarios.EndpointsError
	var deadlock *clock.DeadlockError
	switch {
	case err == nil, ctx.Err() != nil:
		return nil
	case errors.As(err, &unreachable):
		return exitWith(exitUnreachable, err)
	case errors.As(err, &rejected), errors.As(err, &silent):
		return exitWith(exitUsage, err)
	case errors.As(err, &deadlock):
		return exitWith(reports.ExitError, err)
	default:
		return exitWith(reports.ExitError, fmt.Errorf("the run could not go on: %w", err))
	}
}

// command is the run without what it selected, for the lines that reproduce a
// result.
func (f *runFlags) command(url string) string {
	parts := []string{"ratecheck run"}
	if url != "" {
		parts = append(parts, url)
	}
	for _, flag := range []struct{ name, value string }{
		{"--model", unless(f.model, "m")}, {"--key-template", f.keyTemplate},
		{"--provider-listen", f.providerListen}, {"--provider", f.providerURL},
		{"--token-class", f.tokenClass}, {"--fault", f.fault}, {"--window", unless(f.window.String(), time.Minute.String())},
		{"--windows", unless(strconv.Itoa(max(f.windows, scenarios.SteadyWindows)), strconv.Itoa(scenarios.SteadyWindows))},
	} {
		if flag.value != "" {
			parts = append(parts, flag.name+" "+quote(flag.value))
		}
	}
	parts = append(parts, f.arguments()...)
	for _, flag := range []struct {
		name  string
		given bool
	}{{"--many-keys", f.manyKeys}, {"--yes", f.manyKeys && url != "" && !isLoopback(url)}} {
		if flag.given {
			parts = append(parts, flag.name)
		}
	}
	return strings.Join(parts, " ")
}

func unless(value, usual string) string {
	if value == usual {
		return ""
	}
	return value
}

// quote makes a value safe to paste into a shell.
func quote(value string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,"
	if value != "" && strings.Trim(value, plain) == "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// recording is where a history goes: a file, or memory.
type recording struct {
	io.Writer
	file   *os.File
	memory *bytes.Buffer
}

func openRecording(dir string) (*recording, error) {
	if dir == "" {
		b := &bytes.Buffer{}
		return &recording{Writer: b, memory: b}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the run's folder: %w", err)
	}
	file, err := os.Create(filepath.Join(dir, historyFile))
	if err != nil {
		return nil, fmt.Errorf("writing the history: %w", err)
	}
	return &recording{Writer: file, file: file}, nil
}

// read ends the recording and reads it back: what is judged is what was
// written.
func (r *recording) read() (*history.History, error) {
	if r.memory != nil {
		return history.Read(r.memory)
	}
	if err := r.file.Close(); err != nil {
		return nil, fmt.Errorf("writing the history: %w", err)
	}
	return readHistoryFile(r.file.Name())
}

func readHistoryFile(path string) (*history.History, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	defer func() { _ = file.Close() }()
	h, err := history.Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}
