package reference

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// EntryError is what is wrong with one member of an entry.
type EntryError struct {
	// Path leads to the member from the entry; empty is the whole of it.
	Path []string
	// Text says what is wrong and what to do.
	Text string
}

func (e *EntryError) Error() string {
	if len(e.Path) == 0 {
		return e.Text
	}
	return strings.Join(e.Path, ".") + ": " + e.Text
}

// KeyEntry is the kind of an entry that is a key. The other kinds are user, team,
// organization, customer, budget, project and agent.
const KeyEntry = "key"

// Add adds an entry with the fields that the management API takes for a new one
// of its kind. The error is an *EntryError, and nothing was added. Other than
// the API it refuses fields that are not known.
func (r *Registry) Add(kind string, fields map[string]json.RawMessage) error {
	return r.enter(kind, fields, true)
}

// Check says whether Add would take an entry for what its fields are. It does not
// look at what they refer to.
func (r *Registry) Check(kind string, fields map[string]json.RawMessage) error {
	return r.enter(kind, fields, false)
}

func (r *Registry) enter(kind string, fields map[string]json.RawMessage, add bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := form{members: fields, at: []string{"body"}, wrong: &[]fieldError{}, known: map[string]bool{}}
	c := &adminCall{Registry: r, now: r.clock.Now(), body: f}
	keep, known := c.readEntry(kind)
	if !known {
		return &EntryError{Text: fmt.Sprintf("there is no kind of entry %q", kind)}
	}
	f.refuseUnknown()
	err := f.err()
	if err == nil && add {
		_, err = keep(c)
	}
	if err != nil {
		return entryError(err)
	}
	r.changed()
	return nil
}

// readEntry reads all fields of an entry, so that it is known which there are,
// and returns what keeps it.
func (c *adminCall) readEntry(kind string) (keep func(*adminCall) (any, error), known bool) {
	if kind == KeyEntry {
		c.body.has("key")
		c.fill(&keyRecord{})
		return (*adminCall).generateKey, true
	}
	for k := range ownerKinds {
		if k.names().name == kind {
			for _, name := range []string{k.names().id, "auto_create_key", "agent_card_params"} {
				c.body.has(name)
			}
			c.fillOwner(k, &owner{})
			return func(c *adminCall) (any, error) { return c.createOwner(k) }, true
		}
	}
	return nil, false
}

// entryError is the first of what is wrong.
func entryError(err error) error {
	var invalid *invalidError
	var refused *statusError
	switch {
	case errors.As(err, &invalid):
		return &EntryError{Path: invalid.fields[0].Loc[1:], Text: invalid.fields[0].Message}
	case errors.As(err, &refused) && refused.param != "":
		return &EntryError{Path: []string{refused.param}, Text: refused.message}
	}
	return &EntryError{Text: err.Error()}
}
