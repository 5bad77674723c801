package reports

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
)

// KnownFailure is an entry of a list of known failures: what it matches must
// fail.
type KnownFailure struct {
	// Pattern is a requirement's id in which * stands for any text, for all
	// endpoints, or such a pattern with an endpoint: refusal/*@messages.
	Pattern string
	Reason  string
	// Until is the last day on which the entry holds, at midnight UTC; zero for
	// an entry that holds until it is removed.
	Until time.Time
	// Line is where the entry stands in its file, from 1.
	Line int
}

// KnownFailures is a list of known failures.
type KnownFailures struct {
	// File is the list's name as its user wrote it.
	File    string
	Entries []KnownFailure
}

// knownFailuresSize is the most that is read of a list, in bytes: a thousand
// times what one needs that names every requirement, so that a device or a
// history named by mistake is told and not read to its end.
const knownFailuresSize = 1 << 20

// patternShape is what a pattern may consist of: an id and perhaps an endpoint.
var patternShape = regexp.MustCompile(`^[a-z0-9*/_-]+(@[a-z0-9*/_-]+)?$`)

// ParseKnownFailures reads a list of known failures, an entry a line:
//
//	PATTERN [until=YYYY-MM-DD] # reason
//
// Lines that are empty or begin with # are comments. The format is that of the
// known-failing lists of connect-conformance, with a reason that must be there.
// today is what dates are compared with; an entry holds on its last day in UTC.
// The error tells everything that is wrong, each with file and line.
func ParseKnownFailures(r io.Reader, file string, today time.Time) (KnownFailures, error) {
	list := KnownFailures{File: file}
	text, err := io.ReadAll(io.LimitReader(r, knownFailuresSize+1))
	if err != nil {
		return list, fmt.Errorf("reading the known failures: %w", err)
	}
	if len(text) > knownFailuresSize {
		return list, fmt.Errorf("%s is longer than %d bytes: this is no list of known failures", file, knownFailuresSize)
	}
	text = bytes.TrimPrefix(text, []byte("\uFEFF")) // what some editors put before UTF-8
	var wrong []error
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		entry, err := parseKnownFailure(string(line))
		if err == nil {
			entry.Line = number
			err = list.refuses(entry, today)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s:%d: %w", file, number, err))
			continue
		}
		list.Entries = append(list.Entries, entry)
	}
	return list, errors.Join(wrong...)
}

func parseKnownFailure(line string) (KnownFailure, error) {
	var entry KnownFailure
	if !utf8.ValidString(line) {
		return entry, errors.New("the line is not UTF-8")
	}
	before, reason, _ := strings.Cut(line, "#")
	words := strings.Fields(before)
	if len(words) == 0 || !patternShape.MatchString(words[0]) {
		return entry, fmt.Errorf("%q is no requirement's id; write `PATTERN [until=YYYY-MM-DD] # reason`", shortened(before))
	}
	entry.Pattern = words[0]
	if len(words) > 1 {
		date, isUntil := strings.CutPrefix(words[1], "until=")
		if !isUntil || len(words) > 2 {
			return entry, fmt.Errorf("%q is not understood; write `PATTERN [until=YYYY-MM-DD] # reason`", shortened(strings.Join(words[1:], " ")))
		}
		until, err := time.Parse(time.DateOnly, date)
		if err != nil {
			return entry, fmt.Errorf("until=%s is no date; write it as until=YYYY-MM-DD", shortened(date))
		}
		entry.Until = until
	}
	entry.Reason = strings.TrimSpace(reason)
	if entry.Reason == "" {
		return entry, fmt.Errorf("no reason is given for %s; write it behind a #", entry.Pattern)
	}
	return entry, nil
}

// refuses says why an entry cannot be in the list.
func (k KnownFailures) refuses(entry KnownFailure, today time.Time) error {
	if at := slices.IndexFunc(k.Entries, func(e KnownFailure) bool { return e.Pattern == entry.Pattern }); at >= 0 {
		return fmt.Errorf("%s stands in line %d already", entry.Pattern, k.Entries[at].Line)
	}
	year, month, day := today.UTC().Date()
	if !entry.Until.IsZero() && time.Date(year, month, day, 0, 0, 0, 0, time.UTC).After(entry.Until) {
		return fmt.Errorf("%s was to be known until %s, and that is over: mend it, or give it a new date", entry.Pattern, entry.Until.Format(time.DateOnly))
	}
	if !slices.ContainsFunc(checker.Catalogue(), func(r checker.Requirement) bool { return checker.MatchesID(entry.idPattern(), r.ID) }) {
		return fmt.Errorf("%s matches no requirement; `ratecheck list` shows them, and * stands for any text", entry.Pattern)
	}
	_, endpoint, one := strings.Cut(entry.Pattern, "@")
	if one && !slices.ContainsFunc(history.Endpoints(), func(name string) bool { return checker.MatchesID(endpoint, name) }) {
		return fmt.Errorf("%s names no endpoint; behind the @ there are %s", entry.Pattern, strings.Join(history.Endpoints(), ", "))
	}
	return nil
}

func (e KnownFailure) idPattern() string {
	id, _, _ := strings.Cut(e.Pattern, "@")
	return id
}

// defaultEndpoint is what a result without an endpoint is for.
const defaultEndpoint = "chat"

// matches says whether the entry is for this result.
func (e KnownFailure) matches(r Result) bool {
	id, endpoint, one := strings.Cut(e.Pattern, "@")
	asked := r.Endpoint
	if asked == "" {
		asked = defaultEndpoint
	}
	return checker.MatchesID(id, r.Requirement) && (!one || checker.MatchesID(endpoint, asked))
}
