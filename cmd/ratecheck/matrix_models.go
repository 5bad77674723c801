package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/scenarios"
	"github.com/ratecheck/ratecheck/sim/litellm"
)

// modelColumns are models of releases. They go by virtual time.
func (a *app) modelColumns(f *matrixFlags) ([]column, error) {
	if f.run.providerListen != "" && len(f.targets) == 0 {
		return nil, usageError("--provider-listen is for a --target, or for releases that are started (--real)")
	}
	var columns []column
	for i, name := range f.litellm {
		version, err := modelledVersion(name)
		if err != nil {
			return nil, err
		}
		if _, err := litellm.Find(version); err != nil {
			return nil, usageError("--litellm: %w; --real starts releases that have no model", err)
		}
		f.litellm[i] = version
		for _, store := range f.stores() {
			run := f.run
			run.simulate, run.lab.redis = version, store == "redis"
			run.keyTemplate, run.providerURL, run.providerListen = "", "", "" // those of --target
			if err := run.check(""); err != nil {
				return nil, err
			}
			name := version + " " + store
			run.out = f.outFor(name)
			columns = append(columns, column{name: name, virtual: true, report: a.reporter(run, "")})
		}
	}
	return columns, nil
}

// judge runs the columns. Those on virtual time run side by side, since nothing
// disturbs them; the others one after another behind them, since two at once
// would disturb each other's times. What comes of it does not depend on which is
// ready first. It also returns how many gave a report.
func (a *app) judge(ctx context.Context, f matrixFlags, columns []column, chosen []scenarios.Scenario) (judged []reports.Judged, runs int) {
	judged = make([]reports.Judged, len(columns))
	one := func(i int) {
		c := columns[i]
		judged[i] = reports.Judged{Name: c.name, Problem: "not run: the matrix was interrupted"}
		if ctx.Err() == nil {
			judged[i] = c.judge(ctx, chosen)
		}
	}
	places := make(chan int)
	var models sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		models.Go(func() {
			for i := range places {
				one(i)
			}
		})
	}
	for i, c := range columns {
		if c.virtual {
			a.announce(f, columns, i)
			places <- i
		}
	}
	close(places)
	models.Wait()
	for i, c := range columns {
		if !c.virtual {
			a.announce(f, columns, i)
			one(i)
		}
	}
	for _, j := range judged {
		if j.Report != nil {
			runs++
		}
	}
	return judged, runs
}

func (a *app) announce(f matrixFlags, columns []column, i int) {
	if !f.run.quiet {
		_, _ = fmt.Fprintf(a.stderr, "%d of %d: %s\n", i+1, len(columns), columns[i].name)
	}
}

// judge runs the check against a column.
func (c column) judge(ctx context.Context, chosen []scenarios.Scenario) reports.Judged {
	j := reports.Judged{Name: c.name, Model: c.virtual}
	report, err := c.report(ctx, chosen)
	if report != nil {
		j.Report = report
		if report.Exit == reports.ExitInterrupted && err == nil {
			j.Problem = "the run was interrupted"
		}
	}
	if err != nil {
		j.Problem = err.Error()
	}
	return j
}
