package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/reports"
)

// identifyCommand is run with the scenarios that tell how a target counts.
func (a *app) identifyCommand() *cobra.Command {
	f := &runFlags{identify: true}
	cmd := a.runCommand(f)
	cmd.Use = "identify [URL]"
	cmd.Short = "Find out how a limiter counts: its class, its windows, their phase"
	cmd.Long = `identify sends the scenarios that tell how a proxy counts requests and tokens,
and says which classes of limiter explain all that was admitted and refused, how
long fixed windows are as measured, where they begin, and whether tokens are
reserved or charged after the answer. It takes about five windows.

It exits with 0 when a class explains the requests, and with 2 when none does or
nothing could be told.`
	cmd.Example = `  ratecheck identify
  ratecheck identify http://127.0.0.1:4000 --key-template 'sk-lab-{nonce}[-rpm{rpm}][-tpm{tpm}]' \
      --provider-listen 127.0.0.1:4001`
	f.only = checker.AsksForIdentity()
	for _, name := range []string{"only", "skip"} {
		cmd.Flags().Lookup(name).Hidden = true
	}
	return cmd
}

// renderIdentity prints how a target counts.
func (a *app) renderIdentity(r reports.Report, format string) error {
	var err error
	if format == formatJSON {
		e := json.NewEncoder(a.stdout)
		e.SetIndent("", "  ")
		err = e.Encode(r.Target)
	} else {
		_, err = fmt.Fprintf(a.stdout, "%s\n%s\n", r.Target.URL, strings.Join(reports.Identity(r.Target.Identity), "\n"))
	}
	switch {
	case err != nil:
		return exitWith(reports.ExitError, fmt.Errorf("writing what was identified: %w", err))
	case r.Exit == reports.ExitInterrupted || r.Exit == reports.ExitError:
		return exitWith(r.Exit, nil)
	case len(r.Target.Identity.Requests.Classes) == 0:
		return exitWith(reports.ExitInconclusive, nil)
	}
	return nil
}
