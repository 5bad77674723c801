package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/scenarios"
)

// command is the run without what it selected, for the lines that reproduce a
// result.
func (f *runFlags) command(url string) string {
	parts := []string{"ratecheck run"}
	usualWindow := time.Minute
	if url != "" {
		parts = append(parts, url)
	}
	if f.litellm != "" {
		parts = append(append(parts, "--litellm "+f.litellm), f.lab.given()...)
		usualWindow = labWindow
	}
	if f.simulate != "" {
		parts = append(append(parts, "--simulate "+quote(f.simulate)), f.lab.given()...)
	}
	for _, flag := range []struct{ name, value string }{
		{"--model", unless(f.model, "m")}, {"--key-template", f.keyTemplate},
		{"--rpm", number(f.rpm)}, {"--tpm", number(f.tpm)}, {"--max-parallel", number(f.maxParallel)},
		{"--provider-listen", f.providerListen}, {"--provider", f.providerURL},
		{"--token-class", f.tokenClass}, {"--fault", f.fault}, {"--window", unless(f.window.String(), usualWindow.String())},
		{"--windows", unless(strconv.Itoa(max(f.windows, scenarios.SteadyWindows)), strconv.Itoa(scenarios.SteadyWindows))},
	} {
		if flag.value != "" {
			parts = append(parts, flag.name+" "+quote(flag.value))
		}
	}
	if f.adminKey != "" {
		parts = append(parts, `--admin-key "$`+adminKeyVariable+`"`)
	}
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
