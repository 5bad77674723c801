package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/scenarios"
	"github.com/ratecheck/ratecheck/sim/faults"
)

func (a *app) listCommand() *cobra.Command {
	var listFaults bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the requirements",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var rows [][]string
			if listFaults {
				for _, f := range faults.Catalogue() {
					rows = append(rows, []string{f.Name, f.Breaks, f.Sentence})
				}
				return reports.Table(a.stdout, []string{"fault", "breaks", "what it does"}, rows)
			}
			for _, r := range checker.Catalogue() {
				sentence := r.Sentence
				if flag := optInOf(r.ID); flag != "" {
					sentence += " (only with " + flag + ")"
				}
				rows = append(rows, []string{r.ID, string(r.Level), string(r.Layer), sentence})
			}
			return reports.Table(a.stdout, []string{"requirement", "level", "layer", "sentence"}, rows)
		},
	}
	cmd.Flags().BoolVar(&listFaults, "faults", false, "list the faults that run --fault knows")
	return cmd
}

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain ID",
		Short: "Explain a requirement: sentence, source, tolerances, scenarios",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			// A report names a requirement with the endpoint that it was asked on.
			id, endpoint, one := strings.Cut(args[0], "@")
			r, known := checker.Find(id)
			if !known || one && !history.IsEndpoint(endpoint) {
				return usageError("there is no requirement %q%s", args[0], similar(id))
			}
			_, err := fmt.Fprint(a.stdout, explanation(r))
			return err
		},
	}
}

// similar names the requirements that a part of an id, or a pattern, may mean.
func similar(id string) string {
	var like []string
	for _, r := range checker.Catalogue() {
		if id != "" && (checker.MatchesID(id, r.ID) || strings.Contains(r.ID, id)) {
			like = append(like, r.ID)
		}
	}
	const most = 8 // as many as can be read in a line
	if len(like) == 0 || len(like) > most {
		return "; `ratecheck list` shows them"
	}
	return "; there are " + strings.Join(like, ", ")
}

// optInOf is the flag without which no scenario asks a requirement; empty where
// every run does.
func optInOf(id string) string {
	for _, s := range scenarios.Catalogue() {
		if slices.Contains(s.Asks, id) {
			return ""
		}
	}
	for _, s := range scenarios.OptIns() {
		if slices.Contains(s.Asks, id) {
			return s.OptIn
		}
	}
	return ""
}

func explanation(r checker.Requirement) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s, %s)\n  %s\n\nsource\n  %s\n", r.ID, r.Level, r.Layer, r.Sentence, r.Source)
	if len(r.Tolerances) > 0 {
		fmt.Fprintf(&b, "\ntolerances\n")
		for _, t := range r.Tolerances {
			fmt.Fprintf(&b, "  %s,\n    because %s\n", t.Value, t.Reason)
		}
	}
	fmt.Fprintf(&b, "\nasked by\n")
	for _, s := range append(scenarios.Catalogue(), scenarios.OptIns()...) {
		if !slices.Contains(s.Asks, r.ID) {
			continue
		}
		fmt.Fprintf(&b, "  %s: %s\n", s.Name, s.Sentence)
		if s.OptIn != "" {
			fmt.Fprintf(&b, "    only with %s, alone, after all others\n", s.OptIn)
		}
	}
	fmt.Fprintf(&b, "\ncaught with it\n")
	for _, f := range faults.Catalogue() {
		if f.Breaks == r.ID {
			fmt.Fprintf(&b, "  %s: %s\n", f.Name, f.Sentence)
		}
	}
	if implied := checker.Implications()[r.ID]; len(implied) > 0 {
		fmt.Fprintf(&b, "\nwhat breaks it may also break\n  %s\n", strings.Join(implied, ", "))
	}
	return b.String()
}
