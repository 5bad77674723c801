package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	// goccy/go-yaml is kept, its parser gives the line and the column of every
	// node, and its errors have them too; gopkg.in/yaml.v3 is archived.
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/ratecheck/ratecheck/reference"
)

const configExample = `  listen: 127.0.0.1:4000
  provider_listen: 127.0.0.1:4001   # our mock provider; or, of your own:
  # upstream: http://127.0.0.1:8000/v1
  # upstream_key_env: OPENAI_API_KEY
  window: 60s
  models: [m, small]
  key_template: ''                  # none; the default is that of the flag
  limits: {rpm_limit: 600}          # of keys that say nothing else
  policies:
    trial: {rpm_limit: 10, tpm_limit: 1000, max_parallel_requests: 2}
  teams:                            # also budgets, organizations, users,
    - {team_id: red, rpm_limit: 50} # customers, projects and agents
  keys:                             # the fields of POST /key/generate
    - key_env: RED_KEY              # the key stands in the environment
      policy: trial
      team_id: red
      model_rpm_limit: {small: 3}
  token_rate_limit_type: total      # or input, output
  deny: 'BEGIN PRIVATE KEY'         # a guard: no text may fit it
  cap_output: false
  retries: 1
  fallbacks: {m: [small]}
  deployments:                      # where models are served, beside the upstream
    - model: small
      upstream: http://127.0.0.1:4001/v1
      upstream_model: small-2026
      input_cost_per_token: 0.0000002
      output_cost_per_token: 0.0000008`

// config is a file of what to serve, which was found right as far as the file
// alone can tell.
type config struct {
	name string
	// own are the settings that the file has.
	own map[string]configValue
	// entries are what is to be added, in this order: who is referred to comes
	// first.
	entries []configEntry
	models  []string
	// proxy is what the file says of the proxy, and deploymentKeys are the names
	// of its deployments' keys.
	proxy          reference.ProxyConfig
	deploymentKeys []configValue
}

// configValue is a value with where it stands.
type configValue struct {
	node  ast.Node
	value any
}

// configEntry is a key or an owner.
type configEntry struct {
	kind string
	node ast.Node
	// fields are those of the entry, of its policy and of the general limits,
	// each with where it stands.
	fields map[string]configValue
}

// wrong is a mistake at a place of the file.
func (c *config) wrong(node ast.Node, format string, args ...any) error {
	at := node.GetToken().Position
	return fmt.Errorf("%s:%d:%d: %s", c.name, at.Line, at.Column, fmt.Sprintf(format, args...))
}

// entryLists are the lists of the file with their kinds of entries, in the order
// in which they are added.
func entryLists() []struct{ name, kind string } {
	return []struct{ name, kind string }{
		{"budgets", "budget"}, {"organizations", "organization"}, {"teams", "team"}, {"users", "user"},
		{"customers", "customer"}, {"projects", "project"}, {"agents", "agent"}, {"keys", reference.KeyEntry},
	}
}

// textSettings are the settings that are texts; the first is the flag's name.
func textSettings() map[string]string {
	return map[string]string{
		"listen": "listen", "provider_listen": "provider-listen", "upstream": "upstream", "upstream_key_env": "", "key_template": "key-template", "window": "window",
	}
}

// readConfig reads a file. Errors say the line and the column.
func readConfig(name string, text []byte) (*config, error) {
	c := &config{name: name, own: map[string]configValue{}}
	tokens, err := c.tokens(string(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	if err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, c.yamlError(err)
	}
	var root ast.Node
	for _, d := range file.Docs {
		if d.Body != nil && root != nil {
			return nil, c.wrong(d.Body, "a second document; write all into one")
		}
		root = cmp.Or(root, d.Body)
	}
	if root == nil {
		return c, nil
	}
	members, err := c.members(root)
	if err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		if err := c.readSetting(key, members[key]); err != nil {
			return nil, err
		}
	}
	return c, c.readEntries(members)
}

// yamlError is an error of the library without its excerpt of the file, in which
// keys may stand.
func (c *config) yamlError(err error) error {
	var wrong yaml.Error
	if errors.As(err, &wrong) && wrong.GetToken() != nil {
		at := wrong.GetToken().Position
		return fmt.Errorf("%s:%d:%d: %s", c.name, at.Line, at.Column, wrong.GetMessage())
	}
	return fmt.Errorf("%s: this is no YAML: %s", c.name, yaml.FormatError(err, false, false))
}

// members are those of a mapping.
func (c *config) members(node ast.Node) (map[string]ast.Node, error) {
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		return nil, c.wrong(node, "this is %s; write a mapping, as name: value", strings.ToLower(node.Type().String()))
	}
	members := map[string]ast.Node{}
	for _, v := range mapping.Values {
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			return nil, c.wrong(v.Key, "the name of a member is to be a plain text; anchors and merge keys are not known here, policies are")
		}
		members[key.Value] = v.Value
	}
	return members, nil
}

// value is what a node holds, in the types of JSON. The library's own decoder
// panics on some of what its parser takes.
func (c *config) value(node ast.Node) (any, error) {
	switch n := node.(type) {
	case *ast.NullNode:
		return nil, nil
	case *ast.BoolNode:
		return n.Value, nil
	case *ast.IntegerNode:
		return n.Value, nil
	case *ast.FloatNode:
		return n.Value, nil
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.SequenceNode:
		list := []any{}
		for _, item := range n.Values {
			v, err := c.value(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case *ast.MappingNode:
		members, err := c.members(n)
		if err != nil {
			return nil, err
		}
		object := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if object[name], err = c.value(members[name]); err != nil {
				return nil, err
			}
		}
		return object, nil
	}
	return nil, c.wrong(node, "%s is not known here; write a text, a number, true, false, null, a list or a mapping", strings.ToLower(node.Type().String()))
}

// texts are those of a list of texts; false where it is none.
func (c *config) texts(node ast.Node) ([]string, bool) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok || len(sequence.Values) == 0 {
		return nil, false
	}
	var list []string
	for _, item := range sequence.Values {
		text, ok := item.(*ast.StringNode)
		if !ok || text.Value == "" {
			return nil, false
		}
		list = append(list, text.Value)
	}
	return list, true
}

// readSetting reads what is no list of entries.
func (c *config) readSetting(name string, node ast.Node) error {
	if read := proxySettings()[name]; read != nil {
		return read(c, name, node)
	}
	_, isText := textSettings()[name]
	isList := slices.ContainsFunc(entryLists(), func(l struct{ name, kind string }) bool { return l.name == name })
	switch {
	case isText:
		text, ok := node.(*ast.StringNode)
		if !ok {
			return c.wrong(node, "%s is to be a text", name)
		}
		var value any = text.Value
		if name == "window" {
			d, err := time.ParseDuration(text.Value)
			if err != nil || d <= 0 {
				return c.wrong(node, "window %q: write a duration above 0, as 60s", text.Value)
			}
			value = d
		}
		c.own[name] = configValue{node, value}
	case name == "models":
		var ok bool
		if c.models, ok = c.texts(node); !ok {
			return c.wrong(node, "models is to be a list of names, as [m]")
		}
	case name == "limits" || name == "policies" || isList:
	default:
		return c.wrong(node, "%s is not known; there are %s, models, limits, policies, %s, %s", name, strings.Join(slices.Sorted(maps.Keys(textSettings())), ", "),
			strings.Join(slices.Sorted(maps.Keys(proxySettings())), ", "), strings.Join(listNames(), ", "))
	}
	if name == "upstream" && c.own["provider_listen"].node != nil {
		return c.wrong(node, "upstream and provider_listen: the one is instead of the other")
	}
	return nil
}

func listNames() []string {
	var names []string
	for _, l := range entryLists() {
		names = append(names, l.name)
	}
	return names
}

// settle puts the file's settings where no flag was given.
func (c *config) settle(s *settings, given func(flag string) bool, getenv func(string) string) error {
	text := func(name string, into *string) {
		if v, ok := c.own[name]; ok && !given(textSettings()[name]) {
			*into, _ = v.value.(string)
		}
	}
	text("listen", &s.Listen)
	text("provider_listen", &s.ProviderListen)
	text("key_template", &s.KeyTemplate)
	if !given("provider-listen") {
		text("upstream", &s.Upstream)
	}
	if v, ok := c.own["window"]; ok && !given("window") {
		s.Window, _ = v.value.(time.Duration)
	}
	if v, ok := c.own["upstream_key_env"]; ok {
		name, _ := v.value.(string)
		if s.upstreamKey = getenv(name); s.upstreamKey == "" {
			return c.wrong(v.node, "the environment variable %q is empty", name)
		}
	}
	if c.models != nil && !given("model") {
		s.models = c.models
	}
	if err := c.deploy(getenv); err != nil {
		return err
	}
	s.proxy = c.proxy
	return nil
}
