package target

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ratecheck/ratecheck/history"
)

// Template makes keys by writing their limits into them, as in
//
//	sk-lab-{nonce}[-rpm{rpm}][-tpm{tpm}][-mpr{max_parallel}]
//
// for a target that reads them back, by a custom auth hook for example. A part
// in brackets is left out where the key has no such limit. Owners and their
// limits have placeholders too: {team}, {team_rpm}, {team_tpm}, {user} and so on.
type Template struct {
	text  string
	parts []part
	match *regexp.Regexp
}

// part is literal text around at most one placeholder.
type part struct {
	before, name, after string
	optional            bool
	at                  int // the byte of the template at which the placeholder stands
}

// ParseTemplate reads a template. The error says at which character it is wrong
// and what would be right.
func ParseTemplate(text string) (*Template, error) {
	parts, wrong := parseParts(text)
	if wrong != nil {
		at := utf8.RuneCountInString(text[:wrong.at]) + 1
		return nil, fmt.Errorf("key template %q, character %d: %s", text, at, wrong.text)
	}
	t := &Template{text: text, parts: parts}
	t.match = t.pattern()
	return t, nil
}

// mistake is what is wrong with a template at one of its bytes.
type mistake struct {
	at   int
	text string
}

func wrongAt(at int, format string, args ...any) *mistake {
	return &mistake{at: at, text: fmt.Sprintf(format, args...)}
}

func parseParts(text string) ([]part, *mistake) {
	for at, r := range text {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return nil, wrongAt(at, "%q cannot stand in a header", r)
		}
	}
	var parts []part
	seen := map[string]bool{}
	runsOn := false // what comes next may stand right behind a value
	for at := 0; at < len(text); {
		p, next, wrong := parsePart(text, at)
		switch {
		case wrong != nil:
			return nil, wrong
		case p.optional && (p.name == "" || p.name == noncePlaceholder):
			return nil, wrongAt(at, "a part in brackets must hold a limit: %s, or an owner or its limit: %s", listed(limitNames()), listed(ownerPlaceholders()))
		case p.name != "" && seen[p.name]:
			return nil, wrongAt(p.at, "{%s} stands there twice", p.name)
		case p.name != "" && p.before == "" && runsOn:
			return nil, wrongAt(p.at, "nothing stands between {%s} and the value before it, so that nobody could tell them apart", p.name)
		}
		seen[p.name] = true
		runsOn = p.name != "" && p.after == "" || p.optional && runsOn
		parts, at = append(parts, p), next
	}
	if !seen[noncePlaceholder] {
		return nil, wrongAt(len(text), "there is no {nonce}, so no two keys would differ")
	}
	return parts, nil
}

// parsePart reads the part that begins at a byte, and says where the next does.
func parsePart(text string, at int) (p part, next int, wrong *mistake) {
	rest := text[at:]
	if rest[0] == '[' {
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			return p, 0, wrongAt(at, "the bracket is not closed; write [...]")
		}
		p, wrong = parsePiece(rest[1:end], at+1)
		p.optional = true
		return p, at + end + 1, wrong
	}
	end := strings.IndexByte(rest, '[')
	if end < 0 {
		end = len(rest)
	}
	// At most one placeholder a part: stop behind the first.
	if brace := strings.IndexByte(rest[:end], '}'); brace >= 0 {
		end = brace + 1
	}
	p, wrong = parsePiece(rest[:end], at)
	return p, at + end, wrong
}

// parsePiece reads a part without its brackets; it begins at a byte of the
// template.
func parsePiece(piece string, at int) (part, *mistake) {
	open := strings.IndexByte(piece, '{')
	if stray := strings.IndexAny(piece, "}[]"); stray >= 0 && (open < 0 || stray < open) {
		return part{}, wrongAt(at+stray, "%q without its partner, or brackets within brackets", piece[stray])
	}
	if open < 0 {
		return part{before: piece}, nil
	}
	end := strings.IndexByte(piece[open:], '}')
	if end < 0 {
		return part{}, wrongAt(at+open, "the brace is not closed; write {...}")
	}
	end += open
	p := part{before: piece[:open], name: piece[open+1 : end], after: piece[end+1:], at: at + open}
	if more := strings.IndexAny(p.after, "{}[]"); more >= 0 {
		return part{}, wrongAt(at+end+1+more, "one placeholder a part, and no brackets within brackets")
	}
	if !slices.Contains(slices.Concat([]string{noncePlaceholder}, limitNames(), ownerPlaceholders()), p.name) {
		return part{}, wrongAt(p.at, "{%s} is not known; there are {nonce}, %s, and of owners %s", p.name, listed(limitNames()), listed(ownerPlaceholders()))
	}
	return p, nil
}

func (t *Template) pattern() *regexp.Regexp {
	var b strings.Builder
	b.WriteString("^")
	for _, p := range t.parts {
		b.WriteString("(?:" + regexp.QuoteMeta(p.before))
		switch p.name {
		case "":
		default:
			value := "[0-9]{1,18}"
			if p.name == noncePlaceholder || isOwnerName(p.name) {
				value = "[A-Za-z0-9]+"
			}
			b.WriteString("(?P<" + p.name + ">" + value + ")")
		}
		b.WriteString(regexp.QuoteMeta(p.after) + ")")
		if p.optional {
			b.WriteString("?")
		}
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String())
}

// NamesLimits says whether limits can be written into its keys.
func (t *Template) NamesLimits() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return slices.Contains(limitNames(), p.name) })
}

// NamesOwners says whether owners or their limits can be written into its keys.
func (t *Template) NamesOwners() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return slices.Contains(ownerPlaceholders(), p.name) })
}

// String is the template as it was written.
func (t *Template) String() string { return t.text }

// PlaceholderError says that a template has no place for a limit that a key is to
// have, as one of a proxy has that limits requests alone. What needs such a key
// cannot be asked.
type PlaceholderError struct {
	Template string
	// Name is the placeholder, such as tpm.
	Name string
}

func (e *PlaceholderError) Error() string {
	return fmt.Sprintf("key template %q: a key with a limit of %s is wanted, and there is no {%s} in it", e.Template, e.Name, e.Name)
}

// Make writes a key. It is a [PlaceholderError] if the template has no place for
// a limit, and another error if the key, read back, would not have the same
// limits: parts of a template can run into each other, as in {nonce}[x{rpm}].
func (t *Template) Make(_ context.Context, nonce string, limits history.Limits) (Secret, error) {
	values := valuesOf(limits)
	values[noncePlaceholder] = nonce
	for _, name := range limitNames() {
		if values[name] != "" && !t.has(name) {
			return "", &PlaceholderError{Template: t.text, Name: name}
		}
	}
	key, err := t.write(values)
	if err != nil {
		return "", err
	}
	if back, ok := t.Match(key); !ok || !sameLimits(back, limits) {
		return "", fmt.Errorf("key template %q: a key with the nonce %q and %s could not be read back; "+
			"nonces are letters and digits, limits are from 0 to %d, and something else must stand between them", t.text, nonce, describe(limits), int64(maxLimit))
	}
	return Secret(key), nil
}

func (t *Template) has(name string) bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.name == name })
}

// valuesOf are limits as placeholders tell them.
func valuesOf(limits history.Limits) map[string]string {
	values := map[string]string{}
	for _, name := range limitNames() {
		if limit := *limitOf(&limits, name); limit != nil {
			values[name] = strconv.FormatInt(*limit, 10)
		}
	}
	return values
}

// write puts values into their places, and leaves parts in brackets out where
// there is none.
func (t *Template) write(values map[string]string) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		value, wanted := values[p.name]
		if p.name != "" && !wanted {
			if p.optional {
				continue
			}
			return "", fmt.Errorf("key template %q: a key without %s is wanted, and {%s} is not in brackets; write [...{%s}...]", t.text, p.name, p.name, p.name)
		}
		b.WriteString(p.before + value + p.after)
	}
	return b.String(), nil
}

// maxLimit is the largest limit that is read: 18 digits always fit an int64.
const maxLimit = 1e18 - 1

func sameLimits(a, b history.Limits) bool {
	for _, name := range limitNames() {
		x, y := *limitOf(&a, name), *limitOf(&b, name)
		if (x == nil) != (y == nil) || x != nil && *x != *y {
			return false
		}
	}
	return true
}

// describe names the limits of a key.
func describe(l history.Limits) string {
	var told []string
	for _, name := range limitNames() {
		if limit := *limitOf(&l, name); limit != nil {
			told = append(told, fmt.Sprintf("%s %d", name, *limit))
		}
	}
	if told == nil {
		return "no limits"
	}
	return strings.Join(told, ", ")
}

// Match reads a key that was made by this template: its own limits, and whether
// it is one.
func (t *Template) Match(bearer string) (history.Limits, bool) {
	var limits history.Limits
	values, ok := t.read(bearer)
	for _, name := range limitNames() {
		if values[name] == "" {
			continue
		}
		n, err := strconv.ParseInt(values[name], 10, 64)
		if err != nil {
			return history.Limits{}, false
		}
		*limitOf(&limits, name) = &n
	}
	return limits, ok
}

// read takes a key apart: the value of each placeholder that stands in it.
func (t *Template) read(bearer string) (map[string]string, bool) {
	found := t.match.FindStringSubmatch(bearer)
	if found == nil {
		return nil, false
	}
	values := map[string]string{}
	for i, name := range t.match.SubexpNames() {
		if name != "" && found[i] != "" {
			values[name] = found[i]
		}
	}
	return values, true
}
