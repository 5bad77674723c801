package reference

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strconv"
)

// upstreamBody is the body as it goes upstream: as it was sent, but for what is
// the proxy's own (rule 9), what it must ask for (rule 15) and the cap that its
// operator wants (rule 18).
func (h *held) upstreamBody(body []byte, a *asked) []byte {
	if a.sessionID != nil || a.ourMetadata != nil {
		body = without(body, ourSession, ourMetadata)
	}
	if h.endpoint.mustAsk && h.estimate.Stream && !h.estimate.StreamUsage {
		body = askForUsage(body)
	}
	if h.outputCap > 0 {
		body = setMember(body, h.endpoint.maximum, strconv.FormatInt(h.outputCap, 10))
	}
	return body
}

// toldAtMost is how much room the length that a body is told to have makes at
// most before any of it has come: a client may tell any length.
const toldAtMost = 64 << 10

// readAll is io.ReadAll with room for the length that is told, -1 where none is.
func readAll(from io.Reader, told int64) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(min(max(told, 0), toldAtMost)) + bytes.MinRead)
	_, err := b.ReadFrom(from)
	return b.Bytes(), err
}

// outputCap is the cap on the output of a request (rule 18), or 0 for none: the
// output that was guessed for it, so that what is reserved is enough.
func outputCap(a *asked, e estimate, smallestTokenLimit int64, basis TokenBasis) int64 {
	for _, v := range a.most {
		if !v.absent() {
			return 0
		}
	}
	if a.of.silent || basis == InputTokens || e.Input == 0 || guessFloor(smallestTokenLimit) >= outputFloor {
		return 0
	}
	choices := int64(1)
	if n, err := strconv.ParseInt(string(a.n), 10, 64); err == nil {
		choices = max(1, n)
	}
	return max(1, e.Output/choices)
}

// setMember adds a member to an object that has no such member, or only one
// that is null.
func setMember(object []byte, name, value string) []byte {
	if start, end := findMember(object, name); end > 0 {
		return splice(object, start, end, value)
	}
	at := bytes.IndexByte(object, '{') + 1
	if rest := bytes.TrimLeft(object[at:], " \n\r\t"); rest[0] != '}' {
		value += ","
	}
	return splice(object, at, at, `"`+name+`":`+value)
}

// replaceModel has the upstream's name for the model in the client's place.
func replaceModel(body []byte, model string) []byte {
	encoded, err := json.Marshal(model)
	if err != nil {
		return body // a string can always be encoded
	}
	quoted := string(encoded)
	if start, end := findMember(body, "model"); end > 0 {
		return splice(body, start, end, quoted)
	}
	return setMember(body, "model", quoted)
}

// without is a valid JSON object without the members of these names, however
// often and in whatever spelling they come; every other byte stays but for the
// commas that go with them.
func without(object []byte, names ...string) []byte {
	v := jsonValue(object)
	i := v.next(0)
	first := v.next(i + 1)
	out := append([]byte{}, object[:first]...)
	last, kept := first, false
	for i = first; v[i] != '}'; {
		start, end := i, v.end(i)
		name := string(v[start:end].text())
		i = v.next(v.next(end) + 1)
		end = v.end(i)
		if !slices.Contains(names, name) {
			if kept {
				out = append(out, object[last:start]...)
			}
			out = append(out, object[start:end]...)
			kept = true
		}
		last = end
		if i = v.next(end); v[i] == ',' {
			i = v.next(i + 1)
		}
	}
	return append(out, object[last:]...)
}

// says reports whether any text of a value, names of members aside, fits the
// pattern.
func (v jsonValue) says(pattern *regexp.Regexp) bool {
	if v.isString() {
		return pattern.Match(v.text())
	}
	found := false
	v.elements(func(element jsonValue) { found = found || element.says(pattern) })
	v.members(func(_ []byte, value jsonValue) { found = found || value.says(pattern) })
	return found
}
