package history

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// ToldReset is what one header tells of when a limit is there again.
type ToldReset struct {
	// Name is the header's.
	Name string
	// Kind is "requests" or "tokens", or empty where the header does not say.
	Kind string
	// Limit is the limit that is told beside it; nil where none is.
	Limit *int64
	// Text is what it tells.
	Text   string
	Moment Moment
	// Err is why Text cannot be read; see ReadMoment.
	Err error
}

// ReadResets reads the resets of an answer in the order of their names: those of
// OpenAI's, LiteLLM's and Anthropic's headers, Envoy's and the IETF drafts', and
// LiteLLM's reset_at. Left out are what an upstream said, resets of other limits
// than requests and tokens, headers without a value, and lines that do not agree
// (Kong 14353).
func ReadResets(header map[string]string) []ToldReset {
	var list []ToldReset
	for _, name := range slices.Sorted(maps.Keys(header)) {
		kind, limitName, is := resetName(name)
		text := strings.TrimSpace(header[name])
		if name == "ratelimit" {
			text, is = tOf(text)
		}
		text, agree := oneLine(text)
		if !is || !agree || text == "" {
			continue
		}
		r := ToldReset{Name: name, Kind: kind, Text: text}
		switch {
		case limitName != "":
			r.Limit = readNumber(header[limitName])
		case name == "ratelimit":
			r.Limit = quotaOf(header["ratelimit-policy"], header[name])
		}
		r.Moment, r.Err = ReadMoment(text)
		if unit := strings.HasSuffix(name, "-ms"); unit && r.Err == nil && !r.Moment.Form.Absolute() {
			r.Moment.After /= 1000
		}
		list = append(list, r)
	}
	return list
}

// resetName says what a header of this name resets, and which header tells the
// limit.
func resetName(name string) (kind, limitName string, is bool) {
	bare := strings.TrimSuffix(name, "-ms")
	switch bare {
	case "reset_at":
		return "", "", true
	case "x-ratelimit-reset", "ratelimit-reset":
		return "", strings.Replace(bare, "reset", "limit", 1), true
	}
	for _, kind := range []string{"requests", "tokens"} {
		suffix := "reset-" + kind
		if rest, ok := strings.CutSuffix(bare, suffix); ok && strings.HasPrefix(rest, "x-ratelimit-") {
			return kind, rest + "limit-" + kind, true
		}
		if bare == "anthropic-ratelimit-"+kind+"-reset" {
			return kind, "anthropic-ratelimit-" + kind + "-limit", true
		}
	}
	return "", "", false
}

// tOf is the t of the one policy of a RateLimit header.
func tOf(value string) (text string, is bool) {
	bare := withoutQuoted(value)
	if strings.Contains(bare, ",") {
		return "", false // nobody knows which policy is the key's
	}
	for _, parameter := range strings.Split(bare, ";") {
		if t, ok := strings.CutPrefix(strings.TrimSpace(parameter), "t="); ok {
			return t, true
		}
	}
	return "", false
}

// quotaOf is the quota of the policy that a RateLimit header tells of, as the
// RateLimit-Policy beside it says; nil where it does not.
func quotaOf(policies, told string) *int64 {
	name := strings.TrimSpace(outsideQuotes(told, ';')[0])
	for _, policy := range outsideQuotes(policies, ',') {
		parts := outsideQuotes(policy, ';')
		if strings.TrimSpace(parts[0]) != name {
			continue
		}
		for _, parameter := range parts[1:] {
			if q, ok := strings.CutPrefix(strings.TrimSpace(parameter), "q="); ok {
				return readNumber(q)
			}
		}
	}
	return nil
}

// outsideQuotes cuts a text where a character stands outside of double quotes;
// it has at least one part.
func outsideQuotes(text string, at byte) []string {
	var parts []string
	quoted, from := false, 0
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quoted:
			i++ // what is escaped ends nothing
		case text[i] == '"':
			quoted = !quoted
		case text[i] == at && !quoted:
			parts, from = append(parts, text[from:i]), i+1
		}
	}
	return append(parts, text[from:])
}

// oneLine is the one value of a header that stood there once, or several times
// alike. A date holds a comma of its own.
func oneLine(text string) (string, bool) {
	if _, err := ReadMoment(text); err == nil || errors.Is(err, ErrWallTime) {
		return text, true
	}
	items := strings.Split(text, ",")
	first := strings.TrimSpace(items[0])
	for _, item := range items[1:] {
		if strings.TrimSpace(item) != first {
			return "", false
		}
	}
	return first, true
}
