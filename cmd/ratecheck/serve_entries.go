package main

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/goccy/go-yaml/ast"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
)

// fields reads a mapping of fields.
func (c *config) fields(node ast.Node) (map[string]configValue, error) {
	members, err := c.members(node)
	if err != nil {
		return nil, err
	}
	fields := map[string]configValue{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value, err := c.value(members[name])
		if err != nil {
			return nil, err
		}
		fields[name] = configValue{members[name], value}
	}
	return fields, nil
}

// readEntries reads the limits, the policies and the lists.
func (c *config) readEntries(members map[string]ast.Node) error {
	// A registry of its own finds what is wrong with policies that no key has.
	probe, err := reference.NewRegistry(reference.RegistryConfig{Clock: clock.System{}})
	if err != nil {
		return err
	}
	general := map[string]configValue{}
	if node := members["limits"]; present(node) {
		if general, err = c.fields(node); err != nil {
			return err
		}
		if err := c.try(probe.Check, configEntry{reference.KeyEntry, node, general}); err != nil {
			return err
		}
	}
	policies := map[string]map[string]configValue{}
	if node := members["policies"]; present(node) {
		named, err := c.members(node)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(named)) {
			if policies[name], err = c.fields(named[name]); err != nil {
				return err
			}
			if err := c.try(probe.Check, configEntry{reference.KeyEntry, named[name], policies[name]}); err != nil {
				return err
			}
		}
	}
	for _, list := range entryLists() {
		node := members[list.name]
		if !present(node) {
			continue
		}
		sequence, ok := node.(*ast.SequenceNode)
		if !ok {
			return c.wrong(node, "%s is to be a list, each entry behind a dash", list.name)
		}
		for _, item := range sequence.Values {
			entry := configEntry{kind: list.kind, node: item}
			if entry.fields, err = c.fields(item); err != nil {
				return err
			}
			if list.kind == reference.KeyEntry {
				if err := c.complete(&entry, policies, general); err != nil {
					return err
				}
			}
			c.entries = append(c.entries, entry)
		}
	}
	return nil
}

func present(node ast.Node) bool { return node != nil && node.Type() != ast.NullType }

// complete gives a key what its policy and the general limits say and it does not.
func (c *config) complete(key *configEntry, policies map[string]map[string]configValue, general map[string]configValue) error {
	_, hasKey := key.fields["key"]
	if _, inEnvironment := key.fields["key_env"]; hasKey == inEnvironment {
		return c.wrong(key.node, "a key has either key or key_env, the name of the environment variable in which it stands")
	}
	sources := []map[string]configValue{general}
	if named, ok := key.fields["policy"]; ok {
		name, _ := named.value.(string)
		policy, known := policies[name]
		if !known {
			return c.wrong(named.node, "there is no policy %q below policies", name)
		}
		delete(key.fields, "policy")
		sources = []map[string]configValue{policy, general}
	}
	for _, source := range sources {
		for name, value := range source {
			if _, own := key.fields[name]; !own {
				key.fields[name] = value
			}
		}
	}
	return nil
}

// try hands an entry to a registry, and finds where it is wrong.
func (c *config) try(add func(string, map[string]json.RawMessage) error, e configEntry) error {
	fields := map[string]json.RawMessage{}
	for name, v := range e.fields {
		encoded, err := json.Marshal(v.value)
		if err != nil {
			return c.wrong(v.node, "%s: this has no place in JSON: %v", name, err)
		}
		fields[name] = encoded
	}
	err := add(e.kind, fields)
	var mistake *reference.EntryError
	if !errors.As(err, &mistake) {
		return err
	}
	node := e.node
	for i, name := range mistake.Path {
		if i == 0 {
			if field, ok := e.fields[name]; ok {
				node = field.node
			}
		} else if inner, err := c.members(node); err == nil && inner[name] != nil {
			node = inner[name]
		}
	}
	return c.wrong(node, "%v", mistake)
}

// fill adds the entries to a registry.
func (c *config) fill(r *reference.Registry, getenv func(string) string) error {
	for _, e := range c.entries {
		if at, ok := e.fields["key_env"]; ok {
			name, _ := at.value.(string)
			bearer := getenv(name)
			if bearer == "" {
				return c.wrong(at.node, "the environment variable %q is empty", name)
			}
			e.fields = maps.Clone(e.fields)
			delete(e.fields, "key_env")
			e.fields["key"] = configValue{at.node, bearer}
		}
		if e.kind == "user" {
			if _, given := e.fields["auto_create_key"]; !given {
				e.fields = maps.Clone(e.fields)
				e.fields["auto_create_key"] = configValue{e.node, false} // nobody would be told the key
			}
		}
		if err := c.try(r.Add, e); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) hasKeys() bool {
	return slices.ContainsFunc(c.entries, func(e configEntry) bool { return e.kind == reference.KeyEntry })
}
