package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/scenarios"
)

// formatHTML is a format of matrices alone.
const formatHTML = "html"

func matrixFormats() []string { return []string{formatText, formatMarkdown, formatHTML, formatJSON} }

// matrixFlags are the flags of matrix. run holds those that each column is run
// with.
type matrixFlags struct {
	litellm       []string
	real          bool
	memory, redis bool
	targets       []string
	providers     []string
	recorded      []string
	format, out   string
	windowGiven   bool
	run           runFlags
}

func (a *app) matrixCommand() *cobra.Command {
	f := &matrixFlags{}
	cmd := &cobra.Command{
		Use:   "matrix",
		Short: "Lay the verdicts on several releases or targets side by side",
		Long: `matrix runs the check against several targets and lays the verdicts side by side:
requirements down, targets across, each with the number behind it. The targets are
LiteLLM releases (--litellm), as models on virtual time or, with --real, as
releases that it installs and starts one after another; proxies that run
(--target); and folders that run --out or matrix --out wrote (--recorded).
Where all requirements are tested it also measures how many tokens are admitted in
each window: in turn, at once, by streams, with and without a request limit.

It exits with 0 when it is complete, whatever the verdicts are: a target that
could not be run is a column that says so. When no target could be run it exits
with 4.`,
		Example: `  ratecheck matrix --litellm 1.80.0,1.82.3,newest --memory --redis
  ratecheck matrix --litellm 1.80.0,1.82.3,newest --real --memory --redis --out runs
  ratecheck matrix --target old=http://127.0.0.1:4000 --target new=http://127.0.0.1:5000 \
      --provider old=http://127.0.0.1:4001 --provider new=http://127.0.0.1:5001 --key-template 'sk-{nonce}[-rpm{rpm}][-tpm{tpm}]'
  ratecheck matrix --recorded 1.80.0=runs/1.80.0-memory --recorded 1.82.3=runs/1.82.3-memory --format markdown`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.windowGiven = cmd.Flags().Changed("window")
			return a.matrix(cmd.Context(), *f)
		},
	}
	flags, run := cmd.Flags(), &f.run
	flags.StringSliceVar(&f.litellm, "litellm", nil, "LiteLLM `VERSIONS`, such as 1.80.0,1.82.3,newest")
	flags.BoolVar(&f.real, "real", false, "install and start the releases themselves, instead of their models")
	flags.BoolVar(&f.memory, "memory", false, "with limits counted in LiteLLM's memory (the default)")
	flags.BoolVar(&f.redis, "redis", false, "with limits counted in a Redis")
	flags.IntVar(&run.lab.workers, "workers", 1, "processes of LiteLLM that share its port")
	flags.IntVar(&run.lab.replicas, "replicas", 1, "LiteLLMs behind a balancer")
	flags.StringArrayVar(&run.lab.env, "env", nil, "add `NAME=VALUE` to LiteLLM's environment (may be repeated)")
	flags.StringArrayVar(&run.lab.general, "general", nil, "add `NAME=VALUE` to LiteLLM's general_settings (may be repeated)")
	flags.StringArrayVar(&f.targets, "target", nil, "a proxy that runs, as `NAME=URL` (may be repeated)")
	flags.StringVar(&run.keyTemplate, "key-template", "", "make keys of the targets as `TEMPLATE` says")
	flags.StringVar(&run.providerListen, "provider-listen", "", "start our provider at `ADDR`, where the upstreams of the targets point")
	flags.StringArrayVar(&f.providers, "provider", nil, "our provider behind a target runs at a URL already, as `NAME=URL`, or as URL for all")
	flags.StringArrayVar(&f.recorded, "recorded", nil, "a run that was recorded, as `NAME=RUN` (may be repeated)")
	flags.StringSliceVar(&run.only, "only", nil, "test only the requirements that match `GLOB` (* is any text; may be repeated)")
	flags.StringSliceVar(&run.skip, "skip", nil, "leave out the requirements that match `GLOB`")
	flags.StringSliceVar(&run.endpoints, "endpoints", nil, "test these endpoints, which must answer (default those that answer)")
	flags.Uint64Var(&run.seed, "seed", 1, "seed of the runs")
	flags.DurationVar(&run.window, "window", time.Minute, "length of the windows (with --real 5s where none is given)")
	flags.StringVar(&run.model, "model", "m", "model to ask for")
	flags.StringVar(&run.tokenClass, "token-class", "", "how the targets are declared to count tokens: check-then-charge")
	flags.BoolVar(&run.yes, "yes", false, "send requests although our provider is not behind a target, and they may cost money")
	flags.StringVar(&f.format, "format", formatText, "what is printed: "+strings.Join(matrixFormats(), ", "))
	flags.StringVar(&f.out, "out", "", "write each run into a folder below `DIR`")
	flags.BoolVarP(&run.quiet, "quiet", "q", false, "no progress")
	cmd.MarkFlagsMutuallyExclusive("provider-listen", "provider")
	return cmd
}

func (a *app) matrix(ctx context.Context, f matrixFlags) error {
	if !slices.Contains(matrixFormats(), f.format) {
		return usageError("--format %q is not known; there are %s", f.format, strings.Join(matrixFormats(), ", "))
	}
	f.run.windows = scenarios.SteadyWindows
	chosen, err := selectScenarios(f.run)
	if err != nil {
		return err
	}
	if len(f.run.only)+len(f.run.skip) == 0 && (len(f.run.endpoints) == 0 || slices.Contains(f.run.endpoints, history.Chat)) {
		chosen = append(chosen, scenarios.TokensByWindow())
	}
	columns, err := a.columns(&f)
	if err != nil {
		return err
	}
	judged, runs := a.judge(ctx, f, columns, chosen)
	if err := writeMatrix(a.stdout, reports.NewMatrix(f.command(), judged), f.format); err != nil {
		return exitWith(reports.ExitError, err)
	}
	switch {
	case ctx.Err() != nil:
		return exitWith(reports.ExitInterrupted, nil)
	case runs == 0:
		return exitWith(exitUnreachable, fmt.Errorf("no target could be run; what each said stands in the matrix"))
	}
	return nil
}

func writeMatrix(w io.Writer, m reports.Matrix, format string) error {
	switch format {
	case formatJSON:
		return reports.MatrixJSON(w, m)
	case formatMarkdown:
		return reports.MatrixMarkdown(w, m)
	case formatHTML:
		return reports.MatrixHTML(w, m)
	default:
		return reports.MatrixTerminal(w, m)
	}
}

// command is the matrix without what it selected and how it was printed.
func (f *matrixFlags) command() string {
	parts := []string{"ratecheck matrix"}
	if len(f.litellm) > 0 {
		parts = append(parts, "--litellm "+strings.Join(f.litellm, ","))
		if f.real {
			parts = append(parts, "--real")
		}
		for _, s := range f.stores() {
			parts = append(parts, "--"+s)
		}
		lab := f.run.lab
		lab.redis = false // said above
		parts = append(parts, lab.given()...)
	}
	for _, list := range []struct {
		name   string
		values []string
	}{{"--target", f.targets}, {"--provider", f.providers}, {"--recorded", f.recorded}} {
		for _, v := range list.values {
			parts = append(parts, list.name+" "+quote(v))
		}
	}
	for _, flag := range []struct{ name, value string }{
		{"--key-template", f.run.keyTemplate}, {"--provider-listen", f.run.providerListen},
		{"--model", unless(f.run.model, "m")}, {"--token-class", f.run.tokenClass},
	} {
		if flag.value != "" {
			parts = append(parts, flag.name+" "+quote(flag.value))
		}
	}
	if f.windowGiven {
		parts = append(parts, "--window "+f.run.window.String())
	}
	return strings.Join(parts, " ")
}

// fileName is a column's name as that of a folder.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", r) {
			return r
		}
		return '-'
	}, name)
}

// outFor is the folder of a column's run; "" where nothing is to be written.
func (f *matrixFlags) outFor(name string) string {
	if f.out == "" {
		return ""
	}
	return filepath.Join(f.out, fileName(name))
}

// exists says whether a recorded run is there, before anything is run.
func exists(path string) error {
	if _, err := os.Stat(path); err != nil {
		return usageError("--recorded: %w", err)
	}
	return nil
}
