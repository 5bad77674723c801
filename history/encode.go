package history

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// The kinds of records, as the first member of each line names them.
const (
	kindRun     = "run"
	kindKey     = "key"
	kindAttempt = "attempt"
	kindCall    = "call"
	kindEnd     = "end"
)

// encoder writes records as lines. It keeps its buffer between them, and makes
// equal records equal bytes.
type encoder struct {
	line bytes.Buffer
	json *json.Encoder
}

// The lines of a history: a record with its kind in front.
type (
	runLine struct {
		Kind string `json:"kind"`
		*Run
	}
	keyLine struct {
		Kind string `json:"kind"`
		*Key
	}
	attemptLine struct {
		Kind string `json:"kind"`
		*Attempt
	}
	callLine struct {
		Kind string `json:"kind"`
		*Call
	}
	endLine struct {
		Kind string `json:"kind"`
		*End
	}
)

// encode returns the record's line with its newline. It is valid until the next
// call.
func (e *encoder) encode(record any) ([]byte, error) {
	if e.json == nil {
		e.json = json.NewEncoder(&e.line)
		e.json.SetEscapeHTML(false)
	}
	e.line.Reset()
	if err := e.json.Encode(record); err != nil {
		return nil, fmt.Errorf("encoding it: %w", err)
	}
	return e.line.Bytes(), nil
}

// told makes lists that are always told lists, so that readers need not reckon
// with null.
func (r Run) told() Run {
	planned := make([]Plan, len(r.Planned))
	for i, p := range r.Planned {
		planned[i] = Plan{Scenario: p.Scenario, Endpoint: p.Endpoint, Asks: append([]string{}, p.Asks...)}
	}
	r.Planned = planned
	return r
}
