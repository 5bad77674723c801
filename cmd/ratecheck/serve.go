package main

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"net/http"
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
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the reference proxy, and our provider behind it",
		Long: `serve runs the reference limiter as a proxy, with our mock provider or an
upstream of yours behind it, until it is interrupted; then it lets open streams
end.

Whatever fits the key template is a key, with the limits that stand in it. With
an admin key there is also LiteLLM's management API: /key, /team, /user,
/organization, /customer, /budget, /project and /v1/agents.

A file given with --config may hold all this, and keys, policies and owners;
flags go before it. This one shows all there is:

` + configExample,
		Example: `  ratecheck serve
  RATECHECK_ADMIN_KEY=sk-admin ratecheck serve --config serve.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings(f, cmd.Flags().Changed)
			if err != nil {
				return exitWith(exitUsage, err)
			}
			return a.serve(cmd.Context(), s)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "read what to serve from the YAML file `FILE`")
	flags.StringVar(&f.Listen, "listen", "127.0.0.1:4000", "serve the proxy at `ADDR`")
	flags.StringVar(&f.ProviderListen, "provider-listen", "127.0.0.1:4001", "serve our provider at `ADDR`")
	flags.StringVar(&f.Upstream, "upstream", "", "forward to the OpenAI-compatible API at `URL`, as http://HOST:PORT/v1, instead of our provider")
	flags.StringVar(&f.KeyTemplate, "key-template", defaultTemplate, "accept keys that fit `TEMPLATE`, with the limits that stand in them; empty for none")
	flags.StringVar(&f.adminKey, "admin-key", "", "serve LiteLLM's management API to who has `KEY` (default $"+adminKeyVariable+")")
	flags.StringVar(&f.model, "model", "m", "model that /v1/models lists")
	flags.DurationVar(&f.Window, "window", time.Minute, "length of the windows")
	cmd.MarkFlagsMutuallyExclusive("upstream", "provider-listen")
	return cmd
}

// serveFlags are the flags of serve.
type serveFlags struct {
	settings
	config, model string
}

// settings are what is served.
type settings struct {
	Listen, ProviderListen, Upstream, KeyTemplate string
	Window                                        time.Duration
	models                                        []string
	upstreamKey, adminKey                         string
	// proxy has what the file alone can say.
	proxy    reference.ProxyConfig
	registry *reference.Registry
}

// settings joins flags, file and environment.
func (a *app) settings(f *serveFlags, given func(flag string) bool) (*settings, error) {
	s := f.settings
	s.models = []string{f.model}
	if s.adminKey == "" {
		s.adminKey = a.getenv(adminKeyVariable)
	}
	var file *config
	if f.config != "" {
		text, err := readConfigFile(f.config)
		if err != nil {
			return nil, err
		}
		if file, err = readConfig(f.config, text); err != nil {
			return nil, err
		}
		if err := file.settle(&s, given, a.getenv); err != nil {
			return nil, err
		}
	}
	if s.Window <= 0 {
		return nil, fmt.Errorf("--window %s: a window must be longer than nothing", s.Window)
	}
	return &s, s.openRegistry(file, a.getenv)
}

// openRegistry makes the store of keys: the file's, those of the management API
// and those that fit the template.
func (s *settings) openRegistry(file *config, getenv func(string) string) error {
	c := reference.RegistryConfig{Clock: clock.System{}, Random: crand.Reader, AdminKey: s.adminKey, CountsSpend: pricesSomething(s.proxy.Deployments)}
	if s.KeyTemplate != "" {
		template, err := target.ParseTemplate(s.KeyTemplate)
		if err != nil {
			return err
		}
		if template.NamesOwners() {
			return fmt.Errorf("key template %q: serve reads the limits of a key from it, and not those of owners; make owners by the management API (--admin-key) or in the file of --config", s.KeyTemplate)
		}
		c.Fallback = templateKeys{template}
	}
	var err error
	if s.registry, err = reference.NewRegistry(c); err != nil {
		return err
	}
	if file != nil {
		if err := file.fill(s.registry, getenv); err != nil {
			return err
		}
	}
	if s.KeyTemplate == "" && s.adminKey == "" && (file == nil || !file.hasKeys()) {
		return fmt.Errorf("nobody would have a key: give a --key-template, an --admin-key, or keys in the file of --config")
	}
	return nil
}

func (a *app) serve(ctx context.Context, s *settings) error {
	upstream, behind := s.Upstream, "upstream "+s.Upstream
	command := runFlags{model: s.models[0], keyTemplate: s.KeyTemplate, window: s.Window, yes: true}
	if upstream == "" {
		c := clock.System{}
		p := provider.New(c, c.Now())
		p.AllowDirectives()
		stop, at, err := listenAndServe(s.ProviderListen, p, shutdownPatience)
		if err != nil {
			return exitWith(exitUsage, err)
		}
		defer stop()
		command.providerURL = "http://" + at.String()
		upstream, behind = command.providerURL+"/v1", "mock provider at "+command.providerURL
	}
	u, err := parseUpstream(upstream)
	if err != nil {
		return exitWith(exitUsage, err)
	}
	c := s.proxy
	c.Clock, c.Store, c.Keys, c.Directory, c.Spent = clock.System{}, reference.NewMemory(), s.registry, s.registry, s.registry.Spent
	c.Window, c.Upstream, c.Models = s.Window, u, s.models
	c.Transport = withBearer(driver.NewTransport(), u, s.upstreamKey)
	c.Version, c.NewID, c.OnFault = buildVersion(), crand.Text, faultLog(a.stderr)
	proxy := reference.NewProxy(c)
	stop, at, err := listenAndServe(s.Listen, s.registry.Handler(proxy), streamPatience)
	if err != nil {
		return exitWith(exitUsage, err)
	}
	if s.adminKey != "" {
		command.keyTemplate, command.adminKey = "", s.adminKey
	}
	check := "check it with\n  " + command.command("http://"+at.String())
	if s.KeyTemplate == "" && s.adminKey == "" {
		check = "to check it with ratecheck run, give it an --admin-key or a --key-template: a run makes keys of its own"
	}
	_, err = fmt.Fprintf(a.stdout, "reference proxy at http://%s, %s, window %s\n%s%s\n", at, behind, s.Window, s.aboutKeys(), check)
	if err == nil {
		<-ctx.Done()
		_, _ = fmt.Fprintf(a.stderr, "ending; open streams have %s, and a second Ctrl-C cuts them\n", streamPatience)
	}
	stop()
	return err
}

// aboutKeys says how one comes by a key.
func (s *settings) aboutKeys() string {
	told := ""
	if s.KeyTemplate != "" {
		told += "keys look like " + s.KeyTemplate + "\n"
	}
	if s.adminKey != "" {
		told += "the admin key makes others, by POST /key/generate\n"
	}
	return told
}

// bearerTransport sends a key of its own to one host.
type bearerTransport struct {
	next http.RoundTripper
	to   *url.URL
	key  string
}

func withBearer(next http.RoundTripper, to *url.URL, key string) http.RoundTripper {
	if key == "" {
		return next
	}
	return &bearerTransport{next, to, key}
}

func (t *bearerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != t.to.Scheme || r.URL.Host != t.to.Host || r.Header.Get("Authorization") != "" {
		return t.next.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+t.key)
	return t.next.RoundTrip(r)
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
			stop, at, err := listenAndServe(listen, p, shutdownPatience)
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
