package history

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// recorder takes the lines of a history in turn and holds each to the rules that
// Read names. Lines are decoded by go-json-experiment/json, the published form
// of the standard library's coming encoding/json/v2: it takes half the time of
// encoding/json, which one core does not bring to the rate at which histories
// are to be read, and it refuses names that stand twice and broken UTF-8.
type recorder struct {
	h     *History
	begun bool
	keys  map[string]struct{}
	// attempts has the line on which each ID stands.
	attempts map[int]int
	// nanoseconds makes durations plain integers.
	nanoseconds json.Options
}

func newRecorder() *recorder {
	return &recorder{
		h:           &History{},
		keys:        map[string]struct{}{},
		attempts:    map[int]int{},
		nanoseconds: jsonv1.FormatDurationAsNano(true),
	}
}

func (rec *recorder) take(line []byte, n int) *SyntaxError {
	kind, serr := rec.kind(line, n)
	if serr != nil {
		return serr
	}
	if rec.begun == (kind == kindRun) {
		reason := fmt.Sprintf("the first record is of kind %q, not a run record", kind)
		if rec.begun {
			reason = "a second run record"
		}
		return &SyntaxError{Line: n, Reason: reason, advice: adviseBegin}
	}
	switch kind {
	case kindRun:
		return rec.run(line, n)
	case kindKey:
		return rec.key(line, n)
	case kindAttempt:
		return rec.attempt(line, n)
	case kindCall:
		_, serr := add(rec, &rec.h.Calls, line, n, kind)
		return serr
	default:
		_, serr := add(rec, &rec.h.Ends, line, n, kind)
		return serr
	}
}

// kind finds the kind of a line. Lines as a Writer writes them are told by their
// first bytes; in a line that went through another tool the kind may stand
// anywhere.
func (rec *recorder) kind(line []byte, n int) (string, *SyntaxError) {
	if rest, ours := bytes.CutPrefix(line, []byte(`{"kind":"`)); ours {
		if name, _, closed := bytes.Cut(rest, []byte{'"'}); closed {
			for _, kind := range kinds() {
				if string(name) == kind {
					return kind, nil
				}
			}
		}
	}
	var head kindOnly
	if err := json.Unmarshal(line, &head); err != nil {
		return "", &SyntaxError{Line: n, Reason: "the line is no JSON object that names its kind", Err: err, advice: adviseOn(line)}
	}
	if head.Kind == nil {
		return "", &SyntaxError{Line: n, Reason: "the record names no kind", advice: adviseNotOurs}
	}
	for _, kind := range kinds() {
		if *head.Kind == kind {
			return kind, nil
		}
	}
	known := kinds()
	return "", &SyntaxError{
		Line:   n,
		Reason: fmt.Sprintf("unknown kind %q; known are %s", *head.Kind, strings.Join(known[:], ", ")),
		advice: adviseRelease,
	}
}

// The types have names because they stand in messages.
type (
	kindOnly struct {
		Kind *string `json:"kind"`
	}
	schemaOnly struct {
		Schema string `json:"schema"`
	}
)

// kinds begins with the kinds that are most frequent.
func kinds() [5]string { return [...]string{kindAttempt, kindCall, kindEnd, kindKey, kindRun} }

func (rec *recorder) run(line []byte, n int) *SyntaxError {
	// The schema is looked at alone first: the rest of a record of another
	// version need not even have the same types.
	var head schemaOnly
	if serr := rec.decode(line, n, kindRun, &head); serr != nil {
		return serr
	}
	if head.Schema != Schema {
		return &SyntaxError{Line: n, Reason: fmt.Sprintf("unknown schema %q; known is %q", head.Schema, Schema), advice: adviseRelease}
	}
	if serr := rec.decode(line, n, kindRun, &rec.h.Run); serr != nil {
		return serr
	}
	for i := range rec.h.Run.Planned {
		p := &rec.h.Run.Planned[i]
		p.Asks = nilIfEmpty(p.Asks)
	}
	rec.h.Run.Planned = nilIfEmpty(rec.h.Run.Planned)
	rec.begun = true
	return nil
}

func (rec *recorder) key(line []byte, n int) *SyntaxError {
	k, serr := add(rec, &rec.h.Keys, line, n, kindKey)
	if serr != nil {
		return serr
	}
	k.Owners = nilIfEmpty(k.Owners)
	rec.keys[k.Alias] = struct{}{}
	return nil
}

func (rec *recorder) attempt(line []byte, n int) *SyntaxError {
	a, serr := add(rec, &rec.h.Attempts, line, n, kindAttempt)
	if serr != nil {
		return serr
	}
	a.Asks = nilIfEmpty(a.Asks)
	if len(a.Header) == 0 {
		a.Header = nil
	}
	reason := ""
	if _, known := rec.keys[a.Key]; !known {
		reason = fmt.Sprintf("attempt %d has key %q, which no record before it tells of", a.ID, a.Key)
	}
	if a.Done < a.Sent {
		reason = fmt.Sprintf("attempt %d was done at %d ns, before it was sent at %d ns", a.ID, a.Done, a.Sent)
	}
	if before, taken := rec.attempts[a.ID]; taken {
		reason = fmt.Sprintf("attempt %d stands on line %d already", a.ID, before)
	}
	if a.ID < 1 {
		reason = fmt.Sprintf("attempt ID %d, and IDs count from 1", a.ID)
	}
	if reason != "" {
		return &SyntaxError{Line: n, Reason: reason, advice: adviseMend}
	}
	rec.attempts[a.ID] = n
	return nil
}

// add decodes a line to the end of a list, where it need not be copied again.
func add[T any](rec *recorder, list *[]T, line []byte, n int, kind string) (*T, *SyntaxError) {
	var zero T
	*list = append(*list, zero)
	record := &(*list)[len(*list)-1]
	return record, rec.decode(line, n, kind, record)
}

func (rec *recorder) decode(line []byte, n int, kind string, into any) *SyntaxError {
	if err := json.Unmarshal(line, into, rec.nanoseconds); err != nil {
		return &SyntaxError{Line: n, Reason: fmt.Sprintf("the line cannot be read as a record of kind %q", kind), Err: err, advice: adviseOn(line)}
	}
	return nil
}

// adviseOn tells a line that was cut or overwritten from one that was badly made.
func adviseOn(line []byte) string {
	if whole(line) {
		return adviseMend
	}
	return adviseRestore
}

func nilIfEmpty[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}
