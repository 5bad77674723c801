package reference

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonValue is one JSON value as it was sent, known to be valid and without
// space around it; nil where there is none. Prompts can be long, so they are
// walked in place: decoding them costs several times as much.
type jsonValue []byte

// errNoJSON is for a text that only isJSON refuses.
var errNoJSON = errors.New("no JSON value")

// isJSON is json.Valid in less than half the time: what is no UTF-8 and what
// comes twice is the provider's to judge.
func isJSON(text []byte) bool {
	return jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// readObject checks that body is one JSON object.
func readObject(body []byte) (jsonValue, error) {
	if !isJSON(body) {
		var discarded any
		err := json.Unmarshal(body, &discarded)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("the request body is not valid JSON at byte %d: %w; send one JSON object", syntax.Offset, err)
		}
		return nil, fmt.Errorf("the request body is not valid JSON: %w; send one JSON object", cmp.Or(err, errNoJSON))
	}
	v := jsonValue(bytes.TrimSpace(body))
	if v[0] != '{' {
		return nil, fmt.Errorf("the request body is %s; send one JSON object", v.short())
	}
	return v, nil
}

// members calls visit for each member of an object, in order; for any other
// value not at all. Names are decoded, and their case is kept: it matters to
// the providers too.
func (v jsonValue) members(visit func(name []byte, value jsonValue)) {
	if len(v) == 0 || v[0] != '{' {
		return
	}
	for i := v.next(1); v[i] != '}'; {
		end := v.end(i)
		name := v[i:end].text()
		i = v.next(v.next(end) + 1) // past the colon
		end = v.end(i)
		visit(name, v[i:end])
		if i = v.next(end); v[i] == ',' {
			i = v.next(i + 1)
		}
	}
}

// elements calls visit for each element of an array; for any other value not at
// all.
func (v jsonValue) elements(visit func(jsonValue)) {
	if len(v) == 0 || v[0] != '[' {
		return
	}
	for i := v.next(1); v[i] != ']'; {
		end := v.end(i)
		visit(v[i:end])
		if i = v.next(end); v[i] == ',' {
			i = v.next(i + 1)
		}
	}
}

// next is the first place from i on that is not space.
func (v jsonValue) next(i int) int {
	for v[i] == ' ' || v[i] == '\n' || v[i] == '\r' || v[i] == '\t' {
		i++
	}
	return i
}

// end is where the value that starts at i ends.
func (v jsonValue) end(i int) int {
	depth := 0
	for ; i < len(v); i++ {
		switch v[i] {
		case '"':
			i = v.endOfString(i) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default:
			for i+1 < len(v) && !isDelimiter(v[i+1]) {
				i++
			}
		}
		if depth == 0 {
			return i + 1
		}
	}
	return i
}

func isDelimiter(c byte) bool {
	switch c {
	case ' ', '\n', '\r', '\t', ',', ':', '"', '{', '}', '[', ']':
		return true
	}
	return false
}

// endOfString is where the string that starts at i ends.
func (v jsonValue) endOfString(i int) int {
	for start := i + 1; ; {
		quote := start + bytes.IndexByte(v[start:], '"')
		escaping := quote - 1
		for v[escaping] == '\\' {
			escaping--
		}
		if (quote-escaping)%2 == 1 { // an even number of backslashes before it
			return quote + 1
		}
		start = quote + 1
	}
}

func (v jsonValue) isString() bool { return len(v) > 0 && v[0] == '"' }

// text is the content of a string; nil for any other value.
func (v jsonValue) text() []byte {
	if !v.isString() {
		return nil
	}
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return nil
	}
	return []byte(s)
}

// codePoints is the length of a string's content; 0 for any other value.
func (v jsonValue) codePoints() int64 {
	if !v.isString() {
		return 0
	}
	rest := v[1 : len(v)-1]
	var n int64
	for {
		escape := bytes.IndexByte(rest, '\\')
		if escape < 0 {
			return n + int64(utf8.RuneCount(rest))
		}
		n += int64(utf8.RuneCount(rest[:escape])) + 1
		rest = rest[escape:]
		switch {
		case rest[1] != 'u':
			rest = rest[2:]
		case isHalf(rest, false) && isHalf(rest[6:], true):
			rest = rest[12:] // a surrogate pair is one code point
		default:
			rest = rest[6:]
		}
	}
}

// isHalf reports whether s starts with an escaped surrogate from one of the two
// halves of their range: the leading one, \uD800 to \uDBFF, or the trailing one.
func isHalf(s []byte, trailing bool) bool {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' || s[2]|0x20 != 'd' {
		return false
	}
	switch s[3] {
	case '8', '9', 'a', 'b', 'A', 'B':
		return !trailing
	case 'c', 'd', 'e', 'f', 'C', 'D', 'E', 'F':
		return trailing
	}
	return false
}

// compactLength is the number of code points of the JSON text without the space
// between its tokens: the same request costs the same however it is laid out.
func (v jsonValue) compactLength() int64 {
	var n int64
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case ' ', '\n', '\r', '\t':
		case '"':
			end := v.endOfString(i)
			n += int64(utf8.RuneCount(v[i:end]))
			i = end - 1
		default:
			n++
		}
	}
	return n
}

// short is the value for an error message.
func (v jsonValue) short() string {
	const most = 40 // enough for any number a client can have meant
	if len(v) <= most {
		return string(v)
	}
	return string(bytes.ToValidUTF8(v[:most], nil)) + "..."
}
