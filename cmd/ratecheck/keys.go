package main

import (
	"slices"
	"strconv"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/scenarios"
	"github.com/ratecheck/ratecheck/target"
)

// keys is how the keys of a target with a URL come to exist.
func (f *runFlags) keys() (target.KeyMaker, error) {
	template, err := target.ParseTemplate(f.keyTemplate)
	if err != nil {
		return nil, exitWith(exitUsage, err)
	}
	var limits history.Limits
	declared := false
	for _, l := range []struct {
		flag  string
		value int64
		of    **int64
	}{{"--rpm", f.rpm, &limits.Requests}, {"--tpm", f.tpm, &limits.Tokens}, {"--max-parallel", f.maxParallel, &limits.Parallel}} {
		switch {
		case l.value < 0:
			return nil, usageError("%s %d: a limit is 1 or more; leave the flag out where there is none", l.flag, l.value)
		case l.value > 0:
			*l.of, declared = &l.value, true
		}
	}
	switch {
	case template.NamesLimits() && declared:
		return nil, usageError("--key-template %q writes limits into its keys, so --rpm, --tpm and --max-parallel say them twice; leave either out", f.keyTemplate)
	case !template.NamesLimits() && !declared:
		return nil, usageError("--key-template %q names no limits, so say which every key has (--rpm, --tpm, --max-parallel), or write them into the template, for example '%s'", f.keyTemplate, defaultTemplate)
	case declared:
		return target.Fixed{Template: template, Limits: limits}, nil
	}
	return template, nil
}

// granted are the limits that every key has, and whether they all are alike.
func (f *runFlags) granted() (history.Limits, bool) {
	if f.keyTemplate == "" {
		return history.Limits{}, false
	}
	keys, err := f.keys()
	if err != nil {
		return history.Limits{}, false // told by check
	}
	fixed, ok := keys.(target.Granter)
	if !ok {
		return history.Limits{}, false
	}
	return fixed.Granted(), true
}

// ownsKeys says whether the keys of a run can belong to somebody.
func (f *runFlags) ownsKeys(url string, chosen []scenarios.Scenario) bool {
	switch {
	case f.simulate != "", f.litellm != "":
		return onlyOwned(chosen)
	case url == "", f.adminKey != "":
		return true
	}
	template, err := target.ParseTemplate(f.keyTemplate)
	return err == nil && template.NamesOwners() // a mistake is told by check
}

// owned are the scenarios as they are planned on a target whose keys can belong to
// somebody, or not.
func (f *runFlags) owned(url string, chosen []scenarios.Scenario) []scenarios.Scenario {
	if f.ownsKeys(url, chosen) {
		return chosen
	}
	planned := slices.Clone(chosen)
	for i := range planned {
		planned[i] = planned[i].WithoutOwners()
	}
	return planned
}

// number is the text of a flag that was given, and empty for one that was not.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
