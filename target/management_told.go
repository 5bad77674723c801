package target

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// untoldError is an answer that does not tell what was asked for.
type untoldError struct {
	name  string
	asked any
}

func (e *untoldError) Error() string { return fmt.Sprintf("%s %v was asked for", e.name, e.asked) }

// tells says whether an answer tells what was asked for, wherever in it: limits
// stand beside the id, in metadata or in a table of budgets.
func tells(answer any, asked fields) error {
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		want, err := asDecoded(asked[name])
		if err != nil {
			return err
		}
		if !holds(answer, name, want) {
			return &untoldError{name, asked[name]}
		}
	}
	return nil
}

// asDecoded is a value as it comes out of JSON.
func asDecoded(value any) (decoded any, err error) {
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &decoded)
	}
	return decoded, err
}

// holds looks for a member with a value, and for all members of it where it is
// an object.
func holds(in any, name string, want any) bool {
	switch in := in.(type) {
	case []any:
		return slices.ContainsFunc(in, func(v any) bool { return holds(v, name, want) })
	case map[string]any:
		if got, there := in[name]; there {
			object, isObject := want.(map[string]any)
			if !isObject && got == want {
				return true
			}
			some, _ := got.(map[string]any)
			if isObject && some != nil && !slices.ContainsFunc(slices.Collect(maps.Keys(object)), func(key string) bool { return some[key] != object[key] }) {
				return true
			}
		}
		for _, inner := range in {
			if holds(inner, name, want) {
				return true
			}
		}
	}
	return false
}
