package main

import (
	"context"
	"errors"
	"fmt"
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
	// Those are written where their formats are asked for.
	junitFile    = "junit.xml"
	markdownFile = "report.md"
)

// runFlags are the flags of run.
type runFlags struct {
	only, skip  []string
	endpoints   []string
	seed        uint64
	window      time.Duration
	windows     int
	model       string
	keyTemplate string
	adminKey    string
	// rpm, tpm and maxParallel are the limits of every key; 0 is none.
	rpm, tpm, maxParallel int64
	providerListen        string
	providerURL           string
	tokenClass            string
	fault                 string
	out                   string
	quiet                 bool
	dryRun, yes           bool
	// identify prints how the target counts, and not what it keeps.
	identify bool
	manyKeys bool
	// litellm is the real release to run against; empty is none.
	litellm string
	lab     labFlags
	// simulate is the release whose model to run against; empty is none.
	simulate string
	reportFlags
}

func (a *app) runCommand(f *runFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [URL]",
		Short: "Run the whole check against a proxy, or against the embedded reference",
		Long: `run sends the scenarios to a proxy, records everything, and judges.

Without a URL it runs against the embedded reference limiter on virtual time, in
about a second. With a URL it needs a way to get fresh keys with given limits
(--admin-key or --key-template; where every key has the same limits, beside --rpm,
--tpm and --max-parallel), and our provider behind the proxy to know what was
really used (--provider-listen or --provider). With --litellm it installs and
starts that release first, as lab does, and ends it afterwards.

Keys that belong to users, teams and other owners (scopes/*) are made by
--admin-key, or by a template with placeholders for them: {team}, {team_rpm},
{team_tpm}, {user}, {user_rpm} and so on. With --litellm they are asked in a run
of their own, --only 'scopes/*'.`,
		Example: `  ratecheck run
  ratecheck run http://127.0.0.1:4000 --key-template 'sk-lab-{nonce}[-rpm{rpm}][-tpm{tpm}][-mpr{max_parallel}]' \
      --provider-listen 127.0.0.1:4001 --window 60s
  ratecheck run http://127.0.0.1:8080 --key-template 'sk-{nonce}' --rpm 10 --provider-listen 127.0.0.1:4001
  ratecheck run --litellm 1.82.3 --redis`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.litellm != "" {
				if err := f.forLab(cmd.Flags().Changed("window")); err != nil {
					return err
				}
			}
			var err error
			if f.simulate, err = modelledVersion(f.simulate); err != nil {
				return err
			}
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
	flags.Int64Var(&f.rpm, "rpm", 0, "every key has `N` requests per window (for a template without limits)")
	flags.Int64Var(&f.tpm, "tpm", 0, "every key has `N` tokens per window (for a template without limits)")
	flags.Int64Var(&f.maxParallel, "max-parallel", 0, "every key has `N` requests in flight (for a template without limits)")
	flags.StringVar(&f.adminKey, "admin-key", "", "make keys by the target's management API, which is LiteLLM's, with `KEY`, and delete them at the end (default $RATECHECK_ADMIN_KEY)")
	flags.StringVar(&f.providerListen, "provider-listen", "", "start our provider at `ADDR`, where the target's upstream points")
	flags.StringVar(&f.providerURL, "provider", "", "our provider runs at `URL` already")
	flags.StringVar(&f.tokenClass, "token-class", "", "how the target is declared to count tokens: check-then-charge")
	flags.StringVar(&f.fault, "fault", "", "break the embedded reference in the way `NAME` says (see ratecheck list --faults)")
	flags.StringVar(&f.simulate, "simulate", "", "run against the model of the LiteLLM release `VERSION`, on virtual time")
	f.addTo(flags)
	flags.StringVar(&f.out, "out", "", "write history.ndjson and report.json into the folder `DIR`, and junit.xml or report.md where that format is asked for")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "no progress")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what would be sent, and send nothing")
	flags.BoolVar(&f.yes, "yes", false, "send requests although our provider is not behind the target, and they may cost money")
	flags.BoolVar(&f.manyKeys, "many-keys", false, fmt.Sprintf("at the end also ask isolation/many-keys: %d more keys, a request each (beyond this machine with --yes only)", scenarios.ManyKeys))
	flags.StringVar(&f.litellm, "litellm", "", "start LiteLLM `VERSION` and run against it (newest is the newest reviewed one; --window is 5s then)")
	f.lab.addTo(flags)
	cmd.MarkFlagsMutuallyExclusive("provider-listen", "provider")
	cmd.MarkFlagsMutuallyExclusive("admin-key", "key-template")
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
	// deleteKeys deletes the keys that the run made; nil where nothing is to be
	// deleted.
	deleteKeys func(context.Context) error
	// close ends what was started for the run.
	close func()
	// broken says why what was started ended by itself while the run went on; nil
	// where it did not.
	broken func() error
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
	if url != "" && f.adminKey == "" && f.keyTemplate == "" {
		f.adminKey = a.getenv(adminKeyVariable)
	}
	chosen, err := selectScenarios(f)
	if err != nil {
		return err
	}
	if granted, fixed := f.granted(); fixed {
		for i := range chosen {
			chosen[i] = chosen[i].On(granted)
		}
	}
	chosen = f.owned(url, chosen)
	if f.dryRun {
		return a.printPlan(a.stdout, chosen, f, url)
	}
	report, h, err := a.play(ctx, f, url, chosen)
	if err != nil && h == nil {
		return err
	}
	report = known.Apply(report)
	if f.out != "" {
		// A report that cannot be kept is printed all the same: the run was long.
		if unwritten := writeReports(f.out, report, h, f.format); unwritten != nil {
			err = errors.Join(exitWith(reports.ExitError, unwritten), err)
		}
	}
	if f.identify {
		return errors.Join(err, a.renderIdentity(report, f.format))
	}
	return errors.Join(err, a.render(report, h, f.reportFlags))
}

// play opens the world that the flags ask for, plays the scenarios in it and
// judges. A target of ours that ended by itself meanwhile is an error with the
// report and the history of what was recorded until then.
func (a *app) play(ctx context.Context, f runFlags, url string, chosen []scenarios.Scenario) (reports.Report, *history.History, error) {
	none := reports.Report{}
	recorded, err := openRecording(f.out)
	if err != nil {
		return none, nil, exitWith(exitUsage, err)
	}
	w, err := a.openWorld(ctx, f, url, chosen)
	if err != nil {
		recorded.abandon()
		return none, nil, err
	}
	defer w.close()
	if err := recorded.begin(); err != nil {
		recorded.abandon()
		return none, nil, exitWith(exitUsage, err)
	}
	w.runner.History = history.NewWriter(recorded)
	w.runner.RequiredEndpoints = f.endpoints
	stopProgress := a.progress(w, chosen, f)
	runErr := w.play(ctx, func(ctx context.Context) error {
		return w.runner.Run(ctx, chosen, history.Run{LedgerSkew: w.ledgerSkew})
	})
	stopProgress()
	a.cleanUp(ctx, w)
	h, err := recorded.read()
	if err != nil {
		return none, nil, exitWith(reports.ExitError, errors.Join(runErr, err))
	}
	broken := w.broken()
	if fatal := fatalError(ctx, runErr); fatal != nil && broken == nil {
		return none, nil, fatal
	}
	return reports.New(h, w.name, f.command(url)), h, broken
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
	if err := f.checkLab(url); err != nil {
		return err
	}
	if url == "" {
		for name, value := range map[string]string{
			"--key-template": f.keyTemplate, "--admin-key": f.adminKey, "--provider-listen": f.providerListen, "--provider": f.providerURL,
			"--rpm": number(f.rpm), "--tpm": number(f.tpm), "--max-parallel": number(f.maxParallel),
		} {
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
	if _, err := parseBase("the target's URL", url); err != nil {
		return err
	}
	if f.keyTemplate == "" {
		return nil
	}
	_, err := f.keys()
	return err
}

// minWindow is the shortest window that can be judged: the recipes need room
// for settling times of 0.6 s and upstreams of 1 s.
const minWindow = 3 * time.Second

// fatalError turns what ended a run early into an exit code. A run that was
// interrupted has its report.
func fatalError(ctx context.Context, err error) error {
	var unreachable *scenarios.UnreachableError
	var rejected *scenarios.RejectedError
	var silent *scenarios.EndpointsError
	var unmanaged *target.ManagementError
	var deadlock *clock.DeadlockError
	var place *target.PlaceholderError
	switch {
	case err == nil, ctx.Err() != nil:
		return nil
	case errors.As(err, &unreachable):
		return exitWith(exitUnreachable, err)
	case errors.As(err, &unmanaged) && unmanaged.Status == 0:
		return exitWith(exitUnreachable, err)
	case errors.As(err, &rejected), errors.As(err, &silent), errors.As(err, &unmanaged), errors.As(err, &place):
		return exitWith(exitUsage, err)
	case errors.As(err, &deadlock):
		return exitWith(reports.ExitError, err)
	default:
		return exitWith(reports.ExitError, fmt.Errorf("the run could not go on: %w", err))
	}
}
