package main

import (
	"context"
	"strings"

	"github.com/ratecheck/ratecheck/lab"
	"github.com/ratecheck/ratecheck/reports"
	"github.com/ratecheck/ratecheck/scenarios"
)

// column is one target of a matrix.
type column struct {
	name string
	// virtual says that it is a model, which goes by a time of its own.
	virtual bool
	// report runs the check against it. A run that broke off in the middle has
	// both a report and an error.
	report func(ctx context.Context, chosen []scenarios.Scenario) (*reports.Report, error)
}

// columns are the targets that the flags name, in the order releases, targets,
// recorded runs. Nothing is started yet.
func (a *app) columns(f *matrixFlags) ([]column, error) {
	var all []column
	for _, some := range []func(*matrixFlags) ([]column, error){a.releaseColumns, a.targetColumns, a.recordedColumns} {
		columns, err := some(f)
		if err != nil {
			return nil, err
		}
		all = append(all, columns...)
	}
	if len(all) == 0 {
		return nil, usageError("nothing to compare: give --litellm VERSIONS, --target NAME=URL or --recorded NAME=RUN")
	}
	seen := map[string]bool{}
	for _, c := range all {
		if seen[fileName(c.name)] {
			return nil, usageError("two columns are called %s: give each a name of its own", c.name)
		}
		seen[fileName(c.name)] = true
	}
	return all, nil
}

// stores are where limits are counted, in the order of the columns.
func (f *matrixFlags) stores() []string {
	var stores []string
	if f.memory || !f.redis {
		stores = append(stores, "memory")
	}
	if f.redis {
		stores = append(stores, "redis")
	}
	return stores
}

// releaseColumns are the releases of LiteLLM, each with each store.
func (a *app) releaseColumns(f *matrixFlags) ([]column, error) {
	lab := f.run.lab
	if len(f.litellm) == 0 {
		if f.real || f.memory || f.redis || len(lab.given()) > 0 {
			return nil, usageError("--real, --memory, --redis, --workers, --replicas, --env and --general are for releases: add --litellm VERSIONS")
		}
		return nil, nil
	}
	if !f.real {
		return a.modelColumns(f)
	}
	return a.realColumns(f)
}

// realColumns are releases that are installed and started, each for its run
// alone: in memory they go unlimited when they have seen some 100 keys.
func (a *app) realColumns(f *matrixFlags) ([]column, error) {
	var columns []column
	for i, name := range f.litellm {
		version, err := lab.Resolve(name)
		if err != nil {
			return nil, exitWith(exitUsage, err)
		}
		f.litellm[i] = version
		for _, store := range f.stores() {
			run := f.run
			run.litellm, run.lab.redis = version, store == "redis"
			run.keyTemplate, run.providerURL = "", "" // those of --target
			if err := run.forLab(f.windowGiven); err != nil {
				return nil, err
			}
			if err := run.check(""); err != nil {
				return nil, err
			}
			name := version + " " + store
			run.out = f.outFor(name)
			columns = append(columns, column{name: name, report: a.reporter(run, "")})
		}
	}
	return columns, nil
}

// targetColumns are proxies that run.
func (a *app) targetColumns(f *matrixFlags) ([]column, error) {
	targets, err := named("--target", f.targets)
	if err != nil {
		return nil, err
	}
	providers := map[string]string{}
	for _, p := range f.providers {
		name, url, found := strings.Cut(p, "=")
		if !found || strings.Contains(name, "/") { // a URL may hold a =
			name, url = "", p
		}
		if _, twice := providers[name]; twice {
			return nil, usageError("--provider %q: there is another for the same target", p)
		}
		providers[name] = url
	}
	var columns []column
	used := map[string]bool{"": true}
	for _, t := range targets {
		run := f.run
		run.providerURL = providers[""]
		if own, given := providers[t.name]; given {
			run.providerURL, used[t.name] = own, true
		}
		if err := run.check(t.value); err != nil {
			return nil, err
		}
		run.out = f.outFor(t.name)
		columns = append(columns, column{name: t.name, report: a.reporter(run, t.value)})
	}
	for name := range providers {
		if !used[name] {
			return nil, usageError("--provider %s=...: no --target has that name", name)
		}
	}
	if len(targets) == 0 && len(providers) > 0 {
		return nil, usageError("--provider is for a --target")
	}
	if len(targets) > 0 && f.run.keyTemplate == "" {
		return nil, usageError("--target needs a way to get keys with known limits: --key-template, for example '%s'", defaultTemplate)
	}
	return columns, nil
}

// recordedColumns are runs that were recorded.
func (a *app) recordedColumns(f *matrixFlags) ([]column, error) {
	runs, err := named("--recorded", f.recorded)
	if err != nil {
		return nil, err
	}
	var columns []column
	for _, r := range runs {
		if err := exists(r.value); err != nil {
			return nil, err
		}
		columns = append(columns, column{name: r.name, report: func(context.Context, []scenarios.Scenario) (*reports.Report, error) {
			report, _, err := a.judgeRecorded(r.value)
			if err != nil {
				return nil, err
			}
			return &report, nil
		}})
	}
	return columns, nil
}

// reporter runs the check and judges.
func (a *app) reporter(f runFlags, url string) func(context.Context, []scenarios.Scenario) (*reports.Report, error) {
	return func(ctx context.Context, chosen []scenarios.Scenario) (*reports.Report, error) {
		report, h, err := a.play(ctx, f, url, f.owned(url, chosen))
		if h == nil {
			return nil, err
		}
		if f.out != "" {
			if err := writeReports(f.out, report, h, formatText); err != nil {
				return &report, err
			}
		}
		return &report, err
	}
}

// namedValue is a NAME=VALUE.
type namedValue struct{ name, value string }

func named(flag string, list []string) ([]namedValue, error) {
	var values []namedValue
	for _, text := range list {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" || value == "" {
			return nil, usageError("%s %q: write it as NAME=...", flag, text)
		}
		values = append(values, namedValue{name, value})
	}
	return values, nil
}
