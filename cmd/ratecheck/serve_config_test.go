package main

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
)

// loaded reads a file and fills a registry from it.
func loaded(text string, getenv func(string) string) (*config, *reference.Registry, error) {
	r, err := reference.NewRegistry(reference.RegistryConfig{Clock: clock.System{}, Random: strings.NewReader(strings.Repeat("x", 1000))})
	if err != nil {
		return nil, nil, err
	}
	c, err := readConfig("f.yaml", []byte(text))
	if err != nil {
		return nil, nil, err
	}
	return c, r, c.fill(r, getenv)
}

func noEnvironment(string) string { return "" }

// TestWrongConfigurations are refused with the line and the column, and no word
// of a key.
func TestWrongConfigurations(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"a tab":                  {"a:\n\tb: 1\n", "f.yaml:2:"},
		"an open list":           {"models: [m\n", "f.yaml:1:9: "},
		"a member twice":         {"window: 1s\nwindow: 2s\n", `f.yaml:2:1: mapping key "window" already defined`},
		"a list":                 {"- a\n", "f.yaml:1:1: this is sequence; write a mapping"},
		"a text":                 {"hello\n", "f.yaml:1:1: this is string"},
		"two documents":          {"window: 1s\n---\nwindow: 2s\n", "f.yaml:3:7: a second document"},
		"no such setting":        {"window: 1s\nwindows: 2s\n", "f.yaml:2:10: windows is not known; there are key_template, "},
		"an alias":               {"limits: &a {rpm_limit: 1}\npolicies: {x: *a}\n", "f.yaml:1:9: "},
		"a merge":                {"<<: {window: 1s}\n", "f.yaml:1:1: the name of a member"},
		"a number for a window":  {"window: 60\n", "f.yaml:1:9: window is to be a text"},
		"no window":              {"window: 0s\n", `f.yaml:1:9: window "0s"`},
		"a window of words":      {"window: a minute\n", `f.yaml:1:9: window "a minute": write a duration`},
		"a model's name":         {"models: m\n", "f.yaml:1:9: models is to be a list"},
		"no models":              {"models: []\n", "f.yaml:1:9: models is to be a list"},
		"upstream and provider":  {"provider_listen: a:1\nupstream: http://x\n", "f.yaml:2:11: upstream and provider_listen"},
		"a list of limits":       {"limits: [1]\n", "f.yaml:1:9: this is sequence"},
		"a negative limit":       {"limits:\n  rpm_limit: -1\n", "f.yaml:2:14: rpm_limit: -1 is no limit"},
		"a fraction":             {"limits: {tpm_limit: 1.5}\n", "f.yaml:1:21: tpm_limit: 1.5 is no limit"},
		"an endless limit":       {"limits: {tpm_limit: .inf}\n", "f.yaml:1:21: infinity is not known here"},
		"a misspelled limit":     {"policies:\n  a:\n    rmp_limit: 1\n", "f.yaml:3:16: rmp_limit: it is not known"},
		"a limit inside":         {"policies:\n  a:\n    model_rpm_limit:\n      m: 1\n      n: x\n", "f.yaml:5:10: model_rpm_limit.n: "},
		"money":                  {"keys:\n- key: sk-1\n  max_budget: 5\n", "f.yaml:3:15: max_budget: this proxy does not enforce it"},
		"no such policy":         {"policies: {a: {rpm_limit: 1}}\nkeys:\n- {key: sk-1, policy: b}\n", `f.yaml:3:23: there is no policy "b"`},
		"a policy by number":     {"keys:\n- {key: sk-1, policy: 3}\n", "f.yaml:2:23: there is no policy"},
		"no key":                 {"keys:\n- {rpm_limit: 3}\n", "f.yaml:2:3: a key has either key or key_env"},
		"two keys in one":        {"keys:\n- {key: sk-1, key_env: X}\n", "f.yaml:2:3: a key has either key or key_env"},
		"an empty variable":      {"keys:\n- {key_env: NOWHERE}\n", `f.yaml:2:13: the environment variable "NOWHERE" is empty`},
		"an empty upstream key":  {"upstream_key_env: NOWHERE\n", `f.yaml:1:19: the environment variable "NOWHERE" is empty`},
		"a key of another shape": {"keys:\n- key: secret-1\n", "f.yaml:2:8: key: a key begins with sk-"},
		"a key twice":            {"keys:\n- key: sk-1\n- key: sk-1\n", "f.yaml:3:8: key: this key exists already"},
		"an alias twice":         {"keys:\n- {key: sk-1, key_alias: a}\n- {key: sk-2, key_alias: a}\n", `f.yaml:3:26: key_alias: a key with the alias "a" exists`},
		"no such team":           {"keys:\n- {key: sk-1, team_id: red}\n", `f.yaml:2:24: team_id: no team has the id "red"`},
		"a key's text":           {"keys: sk-1\n", "f.yaml:1:7: keys is to be a list"},
		"a list of texts":        {"keys: [sk-1]\n", "f.yaml:1:8: this is string"},
		"a team twice":           {"teams: [{team_id: a}, {team_id: a}]\n", `f.yaml:1:33: team_id: a team with the id "a" exists`},
		"a misspelled team":      {"teams: [{team: a}]\n", "f.yaml:1:16: team: it is not known"},
		"a customer's budget":    {"customers: [{user_id: a, budget_id: b}]\n", `f.yaml:1:37: budget_id: no budget has the id "b"`},
		"a token type":           {"token_rate_limit_type: all\n", `f.yaml:1:24: token_rate_limit_type is "all"`},
		"a token type of 3":      {"token_rate_limit_type: 3\n", "f.yaml:1:24: token_rate_limit_type is to be a text"},
		"a pattern":              {"deny: '('\n", "f.yaml:1:7: deny: error parsing regexp"},
		"an empty pattern":       {"deny: ''\n", "f.yaml:1:7: deny is to be a regular expression"},
		"a cap of yes":           {"cap_output: maybe\n", "f.yaml:1:13: cap_output is to be true or false"},
		"negative retries":       {"retries: -1\n", "f.yaml:1:10: retries is to be an integer from 0 to 10"},
		"too many retries":       {"retries: 11\n", "f.yaml:1:10: retries is to be an integer from 0 to 10"},
		"a fallback to itself":   {"fallbacks: {m: [n, m]}\n", `f.yaml:1:16: the fallbacks of "m"`},
		"no fallbacks":           {"fallbacks: {m: []}\n", `f.yaml:1:16: the fallbacks of "m"`},
		"a deployment":           {"deployments: {m: 1}\n", "f.yaml:1:14: deployments is to be a list"},
		"no upstream":            {"deployments: [{model: m}]\n", "f.yaml:1:15: a deployment has a model and an upstream"},
		"a wrong upstream":       {"deployments: [{model: m, upstream: 'ftp://x'}]\n", `f.yaml:1:36: the upstream "ftp://x" is no base URL`},
		"a deployment's word":    {"deployments: [{model: m, up: x}]\n", "f.yaml:1:30: up is not known; there are id, key_env, model, "},
		"a negative price":       {"deployments: [{model: m, upstream: 'http://x', input_cost_per_token: -1}]\n", "f.yaml:1:70: input_cost_per_token: -1 is not right"},
		"an id twice":            {"deployments: [{id: a, model: m, upstream: 'http://x'}, {id: a, model: n, upstream: 'http://x'}]\n", `: a deployment with the id "a"`},
		"a deployment's key":     {"deployments: [{key_env: NOWHERE, model: m, upstream: 'http://x'}]\n", `f.yaml:1:25: the environment variable "NOWHERE" is empty`},
		"a project's limit":      {"projects: [{project_id: a, rpm_limit: 1}]\n", "f.yaml:1:39: rpm_limit: it limits nothing for a project"},
	} {
		t.Run(name, func(t *testing.T) {
			c2, _, err := loaded(c.text, noEnvironment)
			if err == nil {
				err = c2.settle(&settings{}, func(string) bool { return false }, noEnvironment)
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got  %v\nwant %s", err, c.says)
			}
			if strings.Contains(err.Error(), "sk-1") || strings.Contains(err.Error(), "secret-1") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error tells too much: %v", err)
			}
		})
	}
}

// TestExampleOfServe: the file that serve --help shows is right, and its keys get
// what is told of it.
func TestExampleOfServe(t *testing.T) {
	example := regexp.MustCompile(`(?m)^  `).ReplaceAllString(configExample, "")
	environment := map[string]string{"RED_KEY": "sk-red", "OPENAI_API_KEY": "sk-openai"}
	getenv := func(name string) string { return environment[name] }
	if page := string(readFile(t, root+"/docs/serve.md")); !strings.Contains(page, "```yaml\n"+example+"\n```") {
		t.Error("docs/serve.md shows another file than serve --help")
	}
	c, r, err := loaded(example, getenv)
	if err != nil {
		t.Fatal(err)
	}
	p, known := r.Lookup("sk-red")
	if !known || *p.Key.RPM != 10 || *p.Key.TPM != 1000 || *p.Key.MaxParallel != 2 || p.Key.Models.RPM["small"] != 3 || *p.Team.RPM != 50 {
		t.Errorf("the key of the example: %+v", p)
	}
	s := settings{Listen: "flag", ProviderListen: "flag"}
	if err := c.settle(&s, func(flag string) bool { return flag == "listen" }, getenv); err != nil {
		t.Fatal(err)
	}
	if s.Listen != "flag" || s.ProviderListen != "127.0.0.1:4001" || s.Window != time.Minute || fmt.Sprint(s.models) != "[m small]" || s.KeyTemplate != "" || s.Upstream != "" {
		t.Errorf("the settings of the example: %+v", s)
	}
	if d := s.proxy.Deployments; len(d) != 1 || d[0].ID != "small-1" || d[0].UpstreamModel != "small-2026" || d[0].Price.Output != 0.0000008 || !pricesSomething(d) {
		t.Errorf("the deployments of the example: %+v", d)
	}
	if s.proxy.Retries != 1 || fmt.Sprint(s.proxy.Fallbacks) != "map[m:[small]]" || !s.proxy.Deny.MatchString("-----BEGIN PRIVATE KEY") || s.proxy.CapOutput {
		t.Errorf("the proxy of the example: %+v", s.proxy)
	}
	other := strings.NewReplacer("provider_listen:", "# ", "# upstream", "upstream").Replace(example)
	if c, _, err = loaded(other, getenv); err != nil {
		t.Fatal(err)
	}
	if err := c.settle(&s, func(string) bool { return false }, getenv); err != nil || s.Upstream != "http://127.0.0.1:8000/v1" || s.upstreamKey != "sk-openai" {
		t.Errorf("with an upstream: %+v, %v", s, err)
	}
}

// TestLimitsOfAFile: what a key says goes before its policy, and that before the
// limits of all; null takes a limit away.
func TestLimitsOfAFile(t *testing.T) {
	_, r, err := loaded(`
limits: {rpm_limit: 1, tpm_limit: 2, max_parallel_requests: 3}
policies:
  p: {rpm_limit: 10, tpm_limit: 20}
users: [{user_id: u, rpm_limit: 7}]
keys:
  - {key: sk-1}
  - {key: sk-2, policy: p}
  - {key: sk-3, policy: p, rpm_limit: 100, tpm_limit: null, user_id: u}
`, noEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	show := func(n *int64) string {
		if n == nil {
			return "none"
		}
		return fmt.Sprint(*n)
	}
	for key, want := range map[string]string{"sk-1": "1 2 3", "sk-2": "10 20 3", "sk-3": "100 none 3"} {
		p, _ := r.Lookup(key)
		if got := show(p.Key.RPM) + " " + show(p.Key.TPM) + " " + show(p.Key.MaxParallel); got != want {
			t.Errorf("%s has %s, want %s", key, got, want)
		}
	}
	if p, _ := r.Lookup("sk-3"); p.User == nil || *p.User.RPM != 7 {
		t.Errorf("the user: %+v", p.User)
	}
	for _, empty := range []string{"", "# nothing\n", "keys:\nlimits:\npolicies:\n"} {
		if c, _, err := loaded(empty, noEnvironment); err != nil || c.hasKeys() {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

// FuzzConfig reads garbage: it is taken, or refused with the name of the file,
// and never ends the program.
func FuzzConfig(f *testing.F) {
	for _, text := range []string{regexp.MustCompile(`(?m)^  `).ReplaceAllString(configExample, ""), "a: [", "? x\n: y", "keys: [{key: sk-1}]", "&a [*a]", "models: !!float\n", "- - -", "limits: !!x {a: 1}", "\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _, err := loaded(text, func(string) string { return "sk-env" })
		if err != nil && !strings.HasPrefix(err.Error(), "f.yaml:") {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// TestDeepConfigurations are refused before the parser sees them: its memory
// grows with the square of the depth.
func TestDeepConfigurations(t *testing.T) {
	const deep = 20_000
	for name, c := range map[string]struct{ text, says string }{
		"flow lists":     {strings.Repeat("[", deep), "f.yaml:1:101: nested too deep"},
		"flow mappings":  {strings.Repeat("{a: ", deep), "nested too deep: at most 100"},
		"block lists":    {strings.Repeat("- ", deep) + "x", "f.yaml:1:1001: nested too deep"},
		"block mappings": {indented(2 * configColumn), "nested too deep: a list or a mapping begins in the first 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := readConfig("f.yaml", []byte(c.text))
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, want %q", err, c.says)
			}
			const most = 200 << 20 // the lexer's share; the parser takes twice that and more
			if took := after.TotalAlloc - before.TotalAlloc; took > most {
				t.Errorf("it took %d MB", took>>20)
			}
		})
	}
	wide := "keys:\n- {key: sk-1, metadata: {x: [" + strings.Repeat("1, ", 2000) + "1]}}\n"
	if _, _, err := loaded(wide, noEnvironment); err != nil {
		t.Errorf("a long line of a flow list is not deep: %v", err)
	}
}

// indented is a mapping in which each member is a mapping with one member.
func indented(deep int) string {
	var b strings.Builder
	for i := range deep {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}
