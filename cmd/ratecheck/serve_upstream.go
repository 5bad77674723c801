package main

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/ratecheck/ratecheck/reference"
)

// What a file says of the proxy beside its limits.

// proxySetting reads one member into the configuration of a proxy.
type proxySetting func(c *config, name string, node ast.Node) error

func proxySettings() map[string]proxySetting {
	return map[string]proxySetting{
		"token_rate_limit_type": func(c *config, _ string, node ast.Node) error {
			text, _ := node.(*ast.StringNode)
			if text == nil {
				return c.wrong(node, "token_rate_limit_type is to be a text")
			}
			var err error
			if c.proxy.TokenBasis, err = reference.ParseTokenBasis(text.Value); err != nil {
				return c.wrong(node, "%v", err)
			}
			return nil
		},
		"deny": func(c *config, _ string, node ast.Node) error {
			text, _ := node.(*ast.StringNode)
			if text == nil || text.Value == "" {
				return c.wrong(node, "deny is to be a regular expression that is not empty")
			}
			var err error
			if c.proxy.Deny, err = regexp.Compile(text.Value); err != nil {
				return c.wrong(node, "deny: %v", err)
			}
			return nil
		},
		"cap_output": func(c *config, _ string, node ast.Node) error {
			value, ok := node.(*ast.BoolNode)
			if !ok {
				return c.wrong(node, "cap_output is to be true or false")
			}
			c.proxy.CapOutput = value.Value
			return nil
		},
		"retries":     (*config).readRetries,
		"fallbacks":   (*config).readFallbacks,
		"deployments": (*config).readDeployments,
	}
}

// mostRetries bounds how long one request can keep a client waiting.
const mostRetries = 10

func (c *config) readRetries(_ string, node ast.Node) error {
	value, err := c.value(node)
	n, ok := value.(uint64)
	if err != nil || !ok || n > mostRetries {
		return c.wrong(node, "retries is to be an integer from 0 to %d", mostRetries)
	}
	c.proxy.Retries = int(n)
	return nil
}

func (c *config) readFallbacks(_ string, node ast.Node) error {
	members, err := c.members(node)
	if err != nil {
		return err
	}
	c.proxy.Fallbacks = map[string][]string{}
	for _, model := range slices.Sorted(maps.Keys(members)) {
		list, ok := c.texts(members[model])
		if !ok || slices.Contains(list, model) {
			return c.wrong(members[model], "the fallbacks of %q are to be a list of other models", model)
		}
		c.proxy.Fallbacks[model] = list
	}
	return nil
}

// readDeployments reads the list of deployments. Their keys stand in the
// environment.
func (c *config) readDeployments(_ string, node ast.Node) error {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		return c.wrong(node, "deployments is to be a list, each behind a dash")
	}
	for _, item := range sequence.Values {
		fields, err := c.fields(item)
		if err != nil {
			return err
		}
		d, err := c.readDeployment(item, fields)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(c.proxy.Deployments, func(other reference.Deployment) bool { return other.ID == d.ID }) {
			return c.wrong(item, "a deployment with the id %q stands there already; give each an id", d.ID)
		}
		c.proxy.Deployments = append(c.proxy.Deployments, d)
		c.deploymentKeys = append(c.deploymentKeys, fields["key_env"])
	}
	return nil
}

func (c *config) readDeployment(node ast.Node, fields map[string]configValue) (reference.Deployment, error) {
	d := reference.Deployment{}
	upstream, keyName := "", ""
	texts := map[string]*string{"id": &d.ID, "model": &d.Model, "upstream": &upstream, "upstream_model": &d.UpstreamModel, "key_env": &keyName}
	price := reference.Price{}
	prices := map[string]*float64{"input_cost_per_token": &price.Input, "output_cost_per_token": &price.Output}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		v, ok := fields[name], false
		switch {
		case texts[name] != nil:
			*texts[name], ok = v.value.(string)
			ok = ok && *texts[name] != ""
		case prices[name] != nil:
			ok = readPrice(v.value, prices[name])
			d.Price = &price
		default:
			return d, c.wrong(v.node, "%s is not known; there are %s, %s", name,
				strings.Join(slices.Sorted(maps.Keys(texts)), ", "), strings.Join(slices.Sorted(maps.Keys(prices)), ", "))
		}
		if !ok {
			return d, c.wrong(v.node, "%s: %v is not right; write a text that is not empty, or a price of 0 or more", name, v.value)
		}
	}
	if d.Model == "" || upstream == "" {
		return d, c.wrong(node, "a deployment has a model and an upstream")
	}
	var err error
	if d.Upstream, err = parseUpstream(upstream); err != nil {
		return d, c.wrong(fields["upstream"].node, "%v", err)
	}
	if d.ID == "" {
		d.ID = fmt.Sprintf("%s-%d", d.Model, len(c.proxy.Deployments)+1)
	}
	return d, nil
}

func readPrice(value any, into *float64) bool {
	switch n := value.(type) {
	case float64:
		*into = n
	case uint64:
		*into = float64(n)
	default:
		return false
	}
	return *into >= 0
}

// parseUpstream reads the base URL of an OpenAI-compatible API.
func parseUpstream(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("the upstream %q is no base URL; write it as http://HOST:PORT/v1", text)
	}
	return u, nil
}

// deploy puts the keys of the deployments into them.
func (c *config) deploy(getenv func(string) string) error {
	for i, v := range c.deploymentKeys {
		name, named := v.value.(string)
		if !named {
			continue
		}
		d := &c.proxy.Deployments[i]
		if d.APIKey = getenv(name); d.APIKey == "" {
			return c.wrong(v.node, "the environment variable %q is empty", name)
		}
	}
	return nil
}

// pricesSomething says whether a deployment has a price, so that spend can be
// counted.
func pricesSomething(all []reference.Deployment) bool {
	return slices.ContainsFunc(all, func(d reference.Deployment) bool { return d.Price != nil })
}
