package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reports"
)

// The exit codes beside those of a judgement.
const (
	exitUsage       = 3
	exitUnreachable = 4
)

// app is the program with all that it touches of the system.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	// isTerminal says whether a stream is one.
	isTerminal func(any) bool
	// clock says which day it is.
	clock clock.Clock
}

func newApp() *app {
	return &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv,
		isTerminal: func(stream any) bool {
			f, ok := stream.(*os.File)
			return ok && term.IsTerminal(int(f.Fd()))
		},
		clock: clock.System{},
	}
}

// exitError is an error with the code that the program ends with. With a nil
// error nothing is printed: the report has said it.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exitWith(code int, err error) error { return &exitError{code: code, err: err} }

func usageError(format string, args ...any) error {
	return exitWith(exitUsage, fmt.Errorf(format, args...))
}

// main runs the program and returns its exit code.
func (a *app) main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// What ends in good order takes a while; a second Ctrl-C ends it at once.
	context.AfterFunc(ctx, stop)
	root := a.rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return reports.ExitKept
	}
	var coded *exitError
	var unwritten *fs.PathError
	switch {
	case errors.As(err, &coded):
	case errors.As(err, &unwritten):
		// Standard output, as on a full disk: how it was called is not what is wrong.
		coded = &exitError{code: reports.ExitError, err: err}
	default:
		// What cobra itself finds wrong is wrong usage.
		coded = &exitError{code: exitUsage, err: fmt.Errorf("%w (see ratecheck --help)", err)}
	}
	if coded.err != nil {
		_, _ = fmt.Fprintln(a.stderr, "ratecheck: "+reports.Printable(coded.err.Error()))
	}
	return coded.code
}

// refuseEmpty refuses a flag with nothing behind it, as a script gives it whose
// variable is not set: to leave a --known-failing or an --only out in silence
// would be to do something else than what was asked for.
func refuseEmpty(flags *pflag.FlagSet) error {
	var err error
	flags.Visit(func(f *pflag.Flag) {
		mayBe := f.Name == "key-template" && f.DefValue != "" // empty is another than its default
		if text := f.Value.String(); err == nil && !mayBe && (text == "" || text == "[]") {
			err = usageError("--%s is empty; give it a value, or leave it out", f.Name)
		}
	})
	return err
}

const longHelp = `ratecheck load-tests LLM proxies and checks whether their rate limits do what
they promise.

Exit codes: 0 all kept, 1 a requirement failed or one that is listed as known to
fail passed (--known-failing), 2 inconclusive or nothing judged, 3 usage or
configuration (or the target does not accept the key), 4 the target cannot be
reached, 5 a fault of ratecheck's own, 130 interrupted.
Where several apply the order is 5, 4, 3, 1, 2, 0.`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "ratecheck", Short: "Check whether the rate limits of an LLM proxy are true", Long: longHelp,
		SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return refuseEmpty(cmd.Flags()) },
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.AddCommand(
		a.runCommand(&runFlags{}), a.identifyCommand(), a.checkCommand(), a.reportCommand(), a.listCommand(), a.explainCommand(),
		a.serveCommand(), a.providerCommand(), a.labCommand(), a.matrixCommand(), a.reproCommand(),
	)
	return root
}
