package lab

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// KeyTemplate is the form of the keys that a lab instance knows. A fresh nonce
// (letters, digits, '_' and '.') is a fresh key. A key may also carry its
// scopes: "-team=T-trpm5-ttpm100", "-user=U-urpm5-utpm100", "-eu=E-erpm5-etpm100",
// "-org=O-orpm5-otpm100", "-tmrpm5-tmtpm100" for the user as a member of the
// team, and "-m_rpm5-m_tpm100" or "-tm_rpm5-tm_tpm100" for each model of the key
// or of the team. Everything else is answered 401.
const KeyTemplate = "sk-lab-{nonce}[-rpm{rpm}][-tpm{tpm}][-mpr{max_parallel}]"

// OwnersTemplate is the form of the keys that a lab instance knows, with the
// owners among those of KeyTemplate that have limits.
const OwnersTemplate = KeyTemplate + "[-m_rpm{model_rpm}][-m_tpm{model_tpm}]" +
	"[-team={team}][-trpm{team_rpm}][-ttpm{team_tpm}][-tm_rpm{team_model_rpm}][-tm_tpm{team_model_tpm}]" +
	"[-user={user}][-urpm{user_rpm}][-utpm{user_tpm}][-tmrpm{team_member_rpm}][-tmtpm{team_member_tpm}]" +
	"[-eu={end_user}][-erpm{end_user_rpm}][-etpm{end_user_tpm}][-org={organization}][-orpm{organization_rpm}][-otpm{organization_tpm}]"

// DefaultWindow is the length of LiteLLM's windows where none is asked for.
const DefaultWindow = time.Minute

// DefaultModel is served where no models are named.
const DefaultModel = "m"

// upstreamTimeout is how long the upstream may take. A check holds requests
// open across several windows, so LiteLLM must not give up on them first.
const upstreamTimeout = 10 * time.Minute

//go:embed assets/custom_auth.py
var customAuth string

// Options say how an instance is to run. Only Dir and Upstream are required.
type Options struct {
	// Dir is the working folder: configuration and logs. It is created; one
	// instance at a time may use it.
	Dir string
	// Port is where LiteLLM listens on 127.0.0.1; 0 picks a free one.
	Port int
	// Upstream is the base URL of an OpenAI-compatible provider on this
	// machine, such as http://127.0.0.1:7101/v1.
	Upstream string
	// Models are the names served; the upstream is asked for the same names.
	// Empty is DefaultModel.
	Models []string
	// Redis puts a Redis of its own beside LiteLLM, so that limits are counted
	// there; else they are counted in LiteLLM's memory.
	Redis bool
	// Window is the length of the rate limit's windows, in whole seconds; 0 is
	// DefaultWindow.
	Window time.Duration
	// Workers is how many processes LiteLLM starts that share its port; 0 is one.
	// In memory each counts for itself.
	Workers int
	// Replicas is how many LiteLLMs are started; 0 is one. From two on URL is of a
	// balancer that asks them in turn. They share the Redis; in memory each counts
	// for itself.
	Replicas int
	// Env is added to LiteLLM's environment, which otherwise holds nothing that
	// LiteLLM reads but what the lab sets.
	Env map[string]string
	// General is added to general_settings. A value that is JSON (true, 5,
	// {"a":1}) is taken as such, any other as a string.
	General map[string]string
}

// maxProcesses bounds workers and replicas: more than a machine that tests
// limits has memory for.
const maxProcesses = 8

var (
	modelName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]*$`)
	settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Check reports what is wrong with o, but for what is known only when it is
// used: whether the folder can be made and the port is free. It is a
// *SetupError.
func (o Options) Check() error {
	if _, err := o.complete(); err != nil {
		return &SetupError{err}
	}
	return nil
}

// complete checks o and fills in what was left out.
func (o Options) complete() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("lab: no working folder was given: set Options.Dir")
	}
	if o.Port < 0 || o.Port > 65535 {
		return o, fmt.Errorf("lab: port %d: give one from 1 to 65535, or 0 for a free one", o.Port)
	}
	if err := checkUpstream(o.Upstream); err != nil {
		return o, err
	}
	o.Upstream = strings.TrimRight(o.Upstream, "/")
	if len(o.Models) == 0 {
		o.Models = []string{DefaultModel}
	}
	for i, m := range o.Models {
		if !modelName.MatchString(m) {
			return o, fmt.Errorf("lab: model %q: a name is made of letters, digits and . _ : / -", m)
		}
		if slices.Contains(o.Models[:i], m) {
			return o, fmt.Errorf("lab: model %q is named twice: LiteLLM would balance between the two", m)
		}
	}
	if o.Window == 0 {
		o.Window = DefaultWindow
	}
	if o.Window < time.Second || o.Window%time.Second != 0 {
		return o, fmt.Errorf("lab: window %v: LiteLLM's windows are whole seconds, from 1s up", o.Window)
	}
	o.Workers, o.Replicas = max(o.Workers, 1), max(o.Replicas, 1)
	if o.Workers > maxProcesses || o.Replicas > maxProcesses {
		return o, fmt.Errorf("lab: %d workers of %d replicas: at most %d of each, one takes about 400 MB", o.Workers, o.Replicas, maxProcesses)
	}
	for name, value := range o.Env {
		if !settingName.MatchString(name) || strings.ContainsRune(value, 0) {
			return o, fmt.Errorf("lab: environment variable %q: not a name and value that a process can be given", name)
		}
		if slices.Contains(reservedEnv(), name) {
			return o, fmt.Errorf("lab: environment variable %s is set by the lab itself: use Options instead", name)
		}
	}
	for name := range o.General {
		if !settingName.MatchString(name) {
			return o, fmt.Errorf("lab: general setting %q: not a name", name)
		}
		if name == "custom_auth" {
			return o, errors.New("lab: general setting custom_auth is the lab's own: its keys come from there")
		}
	}
	return o, nil
}

// checkUpstream holds the upstream to this machine: what is sent through a lab
// must never reach a provider that bills for it.
func checkUpstream(base string) error {
	u, err := url.Parse(base)
	if err != nil {
		return fmt.Errorf("lab: reading the upstream's URL: %w; give the base URL of a provider, such as http://127.0.0.1:7101/v1", err)
	}
	if u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("lab: upstream %q: give the base URL of a provider, such as http://127.0.0.1:7101/v1", base)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("lab: upstream %q is not on this machine: give one on 127.0.0.1", base)
	}
	return nil
}

// renderConfig is LiteLLM's config.yaml. Nothing is tried twice, no model is set
// aside after failures and no answer comes from a cache, so that each request of
// a client is one request to the upstream. redisPort 0 is without Redis.
func renderConfig(o Options, redisPort int) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Written by ratecheck lab at every start.")
	line("model_list:")
	for _, m := range o.Models {
		line("  - model_name: %s", quote(m))
		line("    litellm_params:")
		line("      model: %s", quote("openai/"+m))
		line("      api_base: %s", quote(o.Upstream))
		line("      api_key: sk-upstream")
		line("      max_retries: 0")
	}
	line("general_settings:")
	line("  custom_auth: custom_auth.user_api_key_auth")
	for _, name := range sortedKeys(o.General) {
		line("  %s: %s", name, scalar(o.General[name]))
	}
	line("litellm_settings:")
	line("  num_retries: 0")
	line("  request_timeout: %d", int(upstreamTimeout/time.Second))
	line("  telemetry: false")
	if redisPort != 0 {
		line("  cache: true")
		line("  cache_params:")
		line("    type: redis")
		line("    host: %s", loopback)
		line("    port: %d", redisPort)
		// The limiter counts in the cache's Redis; answers are cached only where
		// a request asks for it.
		line("    mode: default_off")
	}
	line("router_settings:")
	line("  num_retries: 0")
	line("  disable_cooldowns: true")
	return b.String()
}

// scalar writes a value that is JSON as it is, on one line, and any other as a
// string.
func scalar(value string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(value)) != nil {
		return quote(value)
	}
	return b.String()
}

// quote writes s as a JSON string, which YAML reads the same.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil { // strings always have a JSON form
		return strconv.Quote(s)
	}
	return string(b)
}
