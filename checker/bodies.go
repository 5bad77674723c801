package checker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ratecheck/ratecheck/history"
)

// Bodies of requests, compared as what they say: the order of members and the
// spelling of strings and numbers do not matter, and a member that is null is
// one that is not there.

// readBody reads a request's body with its numbers as they were written.
func readBody(text string) (map[string]any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var body map[string]any
	if err := d.Decode(&body); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more behind the object")
	}
	return body, nil
}

// firstDifference finds where two values differ: the path to it below at, and
// what stands there on either side.
func firstDifference(at string, a, b any) (path string, x, y any, differ bool) {
	switch a := a.(type) {
	case map[string]any:
		if b, ok := b.(map[string]any); ok {
			return differentMember(at, a, b)
		}
	case []any:
		if b, ok := b.([]any); ok && len(a) == len(b) {
			for i := range a {
				if path, x, y, differ = firstDifference(fmt.Sprintf("%s[%d]", at, i), a[i], b[i]); differ {
					return path, x, y, true
				}
			}
			return "", nil, nil, false
		}
	case json.Number:
		if b, ok := b.(json.Number); ok && readDecimal(a) == readDecimal(b) {
			return "", nil, nil, false
		}
	default: // a string, a boolean or null
		switch b.(type) {
		case map[string]any, []any, json.Number:
		default:
			if a == b {
				return "", nil, nil, false
			}
		}
	}
	return at, a, b, true
}

func differentMember(at string, a, b map[string]any) (path string, x, y any, differ bool) {
	names := slices.Collect(maps.Keys(a))
	for name := range b {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if path, x, y, differ = firstDifference(at+"."+name, a[name], b[name]); differ {
			return path, x, y, true
		}
	}
	return "", nil, nil, false
}

// decimal is a number without its spelling: sign, digits without zeros at
// either end, and the power of ten of the digit behind them.
type decimal struct {
	negative bool
	digits   string
	exponent string
}

// readDecimal reads a number exactly: 1.0, 1 and 10e-1 are one number, and
// 0.30000000000000004 is not 0.3. Exponents of more digits than exponentDigits
// are compared as they are written.
func readDecimal(n json.Number) decimal {
	text, negative := strings.CutPrefix(string(n), "-")
	mantissa, power := text, 0
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		mantissa = text[:at]
		const exponentDigits = 9
		written := strings.TrimPrefix(text[at+1:], "+")
		if len(written) > exponentDigits {
			return decimal{negative, mantissa, written}
		}
		if _, err := fmt.Sscanf(written, "%d", &power); err != nil {
			return decimal{negative, mantissa, written}
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	power -= len(fraction)
	short := strings.TrimRight(digits, "0")
	power += len(digits) - len(short)
	if short == "" {
		return decimal{}
	}
	return decimal{negative, short, fmt.Sprint(power)}
}

// internalMembers lists the paths of the members of a body, at any depth, that
// have a name that proxies use for themselves and that was not sent.
func internalMembers(at string, value any, sent map[string]bool) []string {
	var found []string
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			path := strings.TrimPrefix(at+"."+name, ".")
			if history.IsInternalMember(name) && !sent[name] {
				found = append(found, path)
				continue
			}
			found = append(found, internalMembers(path, value[name], sent)...)
		}
	case []any:
		for i := range value {
			found = append(found, internalMembers(fmt.Sprintf("%s[%d]", at, i), value[i], sent)...)
		}
	}
	return found
}

// memberNames collects the names of all members of a value, at any depth.
func memberNames(value any, into map[string]bool) {
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			into[name] = true
			memberNames(v, into)
		}
	case []any:
		for _, v := range value {
			memberNames(v, into)
		}
	}
}

// excerptLength is how much of a value is told, in bytes.
const excerptLength = 80

// excerptOf is a value as it is told.
func excerptOf(value any) string {
	if value == nil {
		return "none"
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	if len(text) > excerptLength {
		return strings.ToValidUTF8(string(text[:excerptLength]), "") + "..."
	}
	return string(text)
}
