package reference

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// form is the body of a call to the management API. Its readers leave what is
// absent as it was, take null for nothing, and note what is wrong, so that a
// client is told of all its mistakes at once.
type form struct {
	members map[string]json.RawMessage
	// at is where the members stand in the request.
	at    []string
	wrong *[]fieldError
	// known collects the names that somebody asked for.
	known map[string]bool
}

// fieldError is a mistake in the words of FastAPI, which LiteLLM's clients read.
type fieldError struct {
	Type    string   `json:"type"`
	Loc     []string `json:"loc"`
	Message string   `json:"msg"`
}

// invalidError is a request that is answered 422.
type invalidError struct{ fields []fieldError }

func (e *invalidError) Error() string {
	var told []string
	for _, f := range e.fields {
		told = append(told, strings.Join(f.Loc[1:], ".")+": "+f.Message)
	}
	return strings.Join(told, "; ")
}

// readForm reads a body that is one JSON object; no body at all is an empty one.
func readForm(body []byte) (form, error) {
	f := form{members: map[string]json.RawMessage{}, at: []string{"body"}, wrong: &[]fieldError{}, known: map[string]bool{}}
	if len(bytes.TrimSpace(body)) == 0 {
		return f, nil
	}
	if err := json.Unmarshal(body, &f.members); err != nil || f.members == nil {
		var syntax *json.SyntaxError
		where := "it is no JSON object"
		if errors.As(err, &syntax) {
			where = fmt.Sprintf("at byte %d: %v", syntax.Offset, syntax)
		}
		return f, &invalidError{[]fieldError{{Type: "json_invalid", Loc: []string{"body"}, Message: "send one JSON object; " + where}}}
	}
	return f, nil
}

// err is what the readers found wrong, in the order of the names.
func (f form) err() error {
	if len(*f.wrong) == 0 {
		return nil
	}
	fields := slices.Clone(*f.wrong)
	slices.SortStableFunc(fields, func(a, b fieldError) int { return slices.Compare(a.Loc, b.Loc) })
	return &invalidError{fields}
}

func (f form) note(name, kind, format string, args ...any) {
	*f.wrong = append(*f.wrong, fieldError{Type: kind, Loc: append(slices.Clone(f.at), name), Message: fmt.Sprintf(format, args...)})
}

// there says whether a member is there, null or not.
func (f form) there(name string) bool {
	if f.known != nil {
		f.known[name] = true
	}
	_, there := f.members[name]
	return there
}

// has says whether a member is there and not null.
func (f form) has(name string) bool {
	return f.there(name) && string(f.members[name]) != "null"
}

// refuseUnknown notes members that nobody asked for: what people write by hand
// is misspelled at times.
func (f form) refuseUnknown() {
	for name := range f.members {
		if !f.known[name] {
			f.note(name, "extra_forbidden", "it is not known")
		}
	}
}

// read decodes a member; what says what it should have been.
func (f form) read(name, kind, what string, into any) bool {
	if err := json.Unmarshal(f.members[name], into); err != nil {
		f.note(name, kind, "send %s, or leave it out", what)
		return false
	}
	return true
}

// maxName bounds ids, aliases, keys and names of models, in bytes.
const maxName = 256

// nameMistake says why a text cannot be an id, an alias or a name.
func nameMistake(s string) string {
	switch {
	case s == "":
		return "it is empty"
	case len(s) > maxName:
		return fmt.Sprintf("it is longer than %d bytes", maxName)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }):
		return "it has characters that cannot be printed"
	}
	return ""
}

func (f form) text(name string, into *string) {
	if !f.there(name) {
		return
	}
	if !f.has(name) {
		*into = ""
		return
	}
	var s string
	if !f.read(name, "string_type", "a string", &s) {
		return
	}
	if s != "" {
		if mistake := nameMistake(s); mistake != "" {
			f.note(name, "value_error", "%s; send up to %d bytes of text", mistake, maxName)
			return
		}
	}
	*into = s
}

func (f form) flag(name string, into *bool) {
	if f.has(name) {
		f.read(name, "bool_type", "true or false", into)
	}
}

func (f form) texts(name string, into *[]string) {
	if !f.there(name) {
		return
	}
	var list []string
	if f.has(name) && !f.read(name, "list_type", "a list of strings", &list) {
		return
	}
	for _, s := range list {
		if mistake := nameMistake(s); mistake != "" {
			f.note(name, "value_error", "an entry of the list: %s", mistake)
			return
		}
	}
	*into = list
}

// metadata reads what is of the client's own and hands the rest to read: LiteLLM
// takes some fields both at top level and in the metadata.
func (f form) metadata(into *map[string]json.RawMessage, read func(form)) {
	if !f.there("metadata") {
		return
	}
	inner := form{members: map[string]json.RawMessage{}, at: append(slices.Clone(f.at), "metadata"), wrong: f.wrong}
	if f.has("metadata") && !f.read("metadata", "dict_type", "an object", &inner.members) {
		return
	}
	read(inner)
	own := map[string]json.RawMessage{}
	for name, value := range inner.members {
		if !slices.Contains([]string{"model_rpm_limit", "model_tpm_limit", "rpm_limit_type", "tpm_limit_type"}, name) {
			own[name] = value
		}
	}
	*into = own
}

// duration reads how long a key lives: 30s, 30m, 30h, 30d or 2w. Null and "-1"
// are for ever.
func (f form) duration(now time.Time, expires *time.Time) {
	if !f.there("duration") {
		return
	}
	var s string
	f.text("duration", &s)
	if s == "" || s == "-1" {
		if !f.has("duration") || s == "-1" {
			*expires = time.Time{}
		} else {
			f.note("duration", "value_error", "send a number with s, m, h, d or w behind it, as 30m")
		}
		return
	}
	d, err := parseDuration(s)
	if err != nil {
		f.note("duration", "value_error", "%v", err)
		return
	}
	*expires = now.Add(d)
}

// maxDuration is the longest life of a key that is not for ever.
const maxDuration = 100 * 365 * 24 * time.Hour

func parseDuration(s string) (time.Duration, error) {
	units := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
	digits := strings.TrimRight(s, "smhdw")
	unit, known := units[s[len(digits):]]
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || !known || n == 0 || n > uint64(maxDuration/unit) {
		return 0, fmt.Errorf("%q is no duration; send a number above 0 with s, m, h, d or w behind it, as 30m, of at most 100 years", s)
	}
	return time.Duration(n) * unit, nil
}
