package main

import (
	crand "crypto/rand"
	"fmt"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim/provider"
	"github.com/ratecheck/ratecheck/target"
)

func (a *app) serveCommand() *cobra.Command {
	var listen, providerListen, keyTemplate, model string
	var window time.Duration
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the reference proxy, and our provider behind it",
		Long: `serve runs the reference limiter as a proxy, with our mock provider behind it,
until it is interrupted. Keys carry their limits: whatever fits the template is
a key.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if window <= 0 {
				return usageError("--window %s: a window must be longer than nothing", window)
			}
			template, err := target.ParseTemplate(keyTemplate)
			if err != nil {
				return exitWith(exitUsage, err)
			}
			c := clock.System{}
			p := provider.New(c, c.Now())
			p.AllowDirectives()
			stopProvider, providerAt, err := listenAndServe(providerListen, p)
			if err != nil {
				return exitWith(exitUsage, err)
			}
			defer stopProvider()
			proxy := reference.NewProxy(reference.ProxyConfig{
				Clock: c, Store: reference.NewMemory(), Keys: templateKeys{template}, Window: window,
				Upstream:  &url.URL{Scheme: "http", Host: providerAt.String(), Path: "/v1"},
				Transport: driver.NewTransport(), Models: []string{model}, Version: buildVersion(), NewID: crand.Text,
			})
			stopProxy, proxyAt, err := listenAndServe(listen, proxy)
			if err != nil {
				return exitWith(exitUsage, err)
			}
			defer stopProxy()
			f := runFlags{model: model, keyTemplate: keyTemplate, providerURL: "http://" + providerAt.String(), window: window}
			if _, err := fmt.Fprintf(a.stdout, "reference proxy at http://%s, mock provider at http://%s, window %s\nkeys look like %s\ncheck it with\n  %s\n",
				proxyAt, providerAt, window, keyTemplate, f.command("http://"+proxyAt.String())); err != nil {
				return err
			}
			<-cmd.Context().Done()
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:4000", "serve the proxy at `ADDR`")
	flags.StringVar(&providerListen, "provider-listen", "127.0.0.1:4001", "serve our provider at `ADDR`")
	flags.StringVar(&keyTemplate, "key-template", defaultTemplate, "accept keys that fit `TEMPLATE`, with the limits that stand in them")
	flags.StringVar(&model, "model", "m", "model that /v1/models lists")
	flags.DurationVar(&window, "window", time.Minute, "length of the windows")
	return cmd
}

// buildVersion is the version of the module that this program was built of, and
// 0.0.0 where the build does not tell.
func buildVersion() string {
	info, known := debug.ReadBuildInfo()
	if !known || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "0.0.0"
	}
	return strings.TrimPrefix(info.Main.Version, "v")
}

func (a *app) providerCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "provider",
		Short: "Serve our mock provider alone",
		Long: `provider serves a mock LLM provider with a ledger, until it is interrupted.
Point a proxy's upstream to it and run with --provider. Its answers can also be
told in a message's text: [[usage=10,20 latency=50ms status=500 fail_first=1
chunks=5 chunk_delay=10ms cut_after=2 cached=4 no_usage rl]].`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c := clock.System{}
			p := provider.New(c, c.Now())
			p.AllowDirectives()
			stop, at, err := listenAndServe(listen, p)
			if err != nil {
				return exitWith(exitUsage, err)
			}
			defer stop()
			if _, err := fmt.Fprintf(a.stdout, "mock provider at http://%s (OpenAI API below /v1)\n", at); err != nil {
				return err
			}
			<-cmd.Context().Done()
			return nil
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:4001", "serve at `ADDR`")
	return cmd
}
