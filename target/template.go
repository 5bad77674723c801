package target

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/ratecheck/ratecheck/history"
)

// Template makes keys by writing their limits into them, as in
//
//	sk-lab-{nonce}[-rpm{rpm}][-tpm{tpm}][-mpr{max_parallel}]
//
// for a target that reads them back, by a custom auth hook for example. A part
// in brackets is left out where the key has no such limit.
type Template struct {
	text  string
	parts []part
	match *regexp.Regexp
}

// part is literal text around at most one placeholder.
type part struct {
	before, name, after string
	optional            bool
}

const noncePlaceholder = "nonce"

// limitNames are the placeholders of limits, in the order in which an error
// lists them.
func limitNames() []string { return []string{"rpm", "tpm", "max_parallel"} }

func limitOf(l *history.Limits, name string) **int64 {
	switch name {
	case "rpm":
		return &l.Requests
	case "tpm":
		return &l.Tokens
	default:
		return &l.Parallel
	}
}

// ParseTemplate reads a template. The error says at which character it is wrong
// and what would be right.
func ParseTemplate(text string) (*Template, error) {
	t := &Template{text: text}
	rest, at, next := text, 0, 0
	fail := func(format string, args ...any) (*Template, error) {
		return nil, fmt.Errorf("key template %q, character %d: %s", text, at+1, fmt.Sprintf(format, args...))
	}
	seen := map[string]bool{}
	for rest != "" {
		at = next
		var piece string
		p := part{}
		switch rest[0] {
		case '[':
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return fail("the bracket is not closed; write [...]")
			}
			piece, p.optional = rest[1:end], true
			rest, next = rest[end+1:], at+end+1
		case ']':
			return fail("a bracket is closed that was not opened")
		default:
			end := strings.IndexByte(rest, '[')
			if end < 0 {
				end = len(rest)
			}
			// At most one placeholder a part: stop behind the first.
			if close := strings.IndexByte(rest[:end], '}'); close >= 0 {
				end = close + 1
			}
			piece, rest, next = rest[:end], rest[end:], at+end
		}
		if err := p.parse(piece); err != nil {
			return fail("%v", err)
		}
		if p.optional && (p.name == "" || p.name == noncePlaceholder) {
			return fail("a part in brackets must hold a limit: %s", placeholderList())
		}
		if p.name != "" {
			if seen[p.name] {
				return fail("{%s} stands there twice", p.name)
			}
			seen[p.name] = true
		}
		t.parts = append(t.parts, p)
	}
	if !seen[noncePlaceholder] {
		at = len(text)
		return fail("there is no {nonce}, so no two keys would differ")
	}
	t.match = t.pattern()
	return t, nil
}

func placeholderList() string { return "{" + strings.Join(limitNames(), "}, {") + "}" }

func (p *part) parse(piece string) error {
	open := strings.IndexByte(piece, '{')
	if open < 0 {
		if strings.ContainsAny(piece, "}[]") {
			return fmt.Errorf("a brace or bracket without its partner")
		}
		p.before = piece
		return nil
	}
	end := strings.IndexByte(piece[open:], '}')
	if end < 0 {
		return fmt.Errorf("the brace is not closed")
	}
	p.before, p.name, p.after = piece[:open], piece[open+1:open+end], piece[open+end+1:]
	if strings.ContainsAny(p.before+p.after, "{}[]") {
		return fmt.Errorf("one placeholder a part, and no brackets within brackets")
	}
	for _, known := range append(limitNames(), noncePlaceholder) {
		if p.name == known {
			return nil
		}
	}
	return fmt.Errorf("{%s} is not known; there are {nonce}, %s", p.name, placeholderList())
}

func (t *Template) pattern() *regexp.Regexp {
	var b strings.Builder
	b.WriteString("^")
	for _, p := range t.parts {
		b.WriteString("(?:" + regexp.QuoteMeta(p.before))
		switch p.name {
		case "":
		case noncePlaceholder:
			b.WriteString("(?P<nonce>[A-Za-z0-9]+)")
		default:
			b.WriteString("(?P<" + p.name + ">[0-9]{1,18})")
		}
		b.WriteString(regexp.QuoteMeta(p.after) + ")")
		if p.optional {
			b.WriteString("?")
		}
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String())
}

// String is the template as it was written.
func (t *Template) String() string { return t.text }

// Make writes a key.
func (t *Template) Make(_ context.Context, nonce string, limits history.Limits) (Secret, error) {
	var b strings.Builder
	told := map[string]bool{}
	for _, p := range t.parts {
		value := ""
		switch p.name {
		case "":
		case noncePlaceholder:
			value = nonce
		default:
			limit := *limitOf(&limits, p.name)
			if limit == nil {
				if p.optional {
					continue
				}
				return "", fmt.Errorf("key template %q: a key without %s is wanted, and {%s} is not in brackets; write [...{%s}...]", t.text, p.name, p.name, p.name)
			}
			value, told[p.name] = strconv.FormatInt(*limit, 10), true
		}
		b.WriteString(p.before + value + p.after)
	}
	for _, name := range limitNames() {
		if *limitOf(&limits, name) != nil && !told[name] {
			return "", fmt.Errorf("key template %q: a key with a limit of %s is wanted, and there is no {%s} in it", t.text, name, name)
		}
	}
	return Secret(b.String()), nil
}

// Match reads a key that was made by this template: its limits, and whether it
// is one.
func (t *Template) Match(bearer string) (history.Limits, bool) {
	var limits history.Limits
	found := t.match.FindStringSubmatch(bearer)
	if found == nil {
		return limits, false
	}
	for i, name := range t.match.SubexpNames() {
		if i == 0 || name == "" || name == noncePlaceholder || found[i] == "" {
			continue
		}
		n, err := strconv.ParseInt(found[i], 10, 64)
		if err != nil {
			return limits, false
		}
		*limitOf(&limits, name) = &n
	}
	return limits, true
}
