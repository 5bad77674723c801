package history

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A history holds no wall time. What an answer tells of an instant, as a
// date or as seconds since 1970, is recorded as the time from the answer on:
//
//	in 4.2s (Unix seconds)
//	in 27s (HTTP-date, by our clock)
//	in 8s (date and time UTC, by a Date 1.3s behind)
//
// It is reckoned from the answer's own Date header, so that the clocks of two
// machines do not matter, or from our clock where there is none. A Date may be
// old: servers renew it once a second, and late when they are busy.

// Form is how a header tells of an instant or of the time until then.
type Form string

// The forms that are met in the wild: three that tell a time from now on, and
// six that tell an instant.
const (
	WholeSeconds Form = "seconds"           // IETF drafts and most gateways
	Fraction     Form = "fractional second" // seconds with a point
	Duration     Form = "duration"          // OpenAI: 6m0s, 120ms
	HTTPDate     Form = "HTTP-date"         // RFC 9110, 5.6.7
	RFC3339      Form = "RFC 3339"          // Anthropic
	UTCText      Form = "date and time UTC" // LiteLLM's reset_at
	UnixSeconds  Form = "Unix seconds"      // vLLM semantic-router, WSO2
	UnixMillis   Form = "Unix milliseconds"
)

// Absolute says whether the form tells an instant.
func (f Form) Absolute() bool {
	switch f {
	case HTTPDate, RFC3339, UTCText, UnixSeconds, UnixMillis:
		return true
	}
	return false
}

// Moment is what a header tells of a time.
type Moment struct {
	// After is how long it is from the answer on; less than 0 is before it.
	After time.Duration
	Form  Form
	// OurClock says that an instant was reckoned from our clock and not from
	// the answer's.
	OurClock bool
	// Behind is how far the answer's Date was behind what earlier ones had
	// said of the target's clock, where that is more than a Date is rounded
	// by.
	Behind time.Duration
}

// Answered is the time of an answer, from which instants are reckoned: see
// Moment.
type Answered struct {
	At       time.Time
	OurClock bool
	Behind   time.Duration
}

// The errors of ReadMoment.
var (
	// ErrNoMoment: the text is in no known form.
	ErrNoMoment = errors.New("it is neither a number of seconds, nor a duration, nor a date")
	// ErrWallTime: the text is an instant that was not made relative to its
	// answer, as in a history that another tool has written.
	ErrWallTime = errors.New("it is an instant, and nobody knows how long that was after the answer")
)

const (
	momentStart = "in "
	byOurClock  = ", by our clock"
	byOldDate   = ", by a Date "
	behind      = " behind"
	// notAMoment stands before what a target sent that looks like a recorded
	// moment and is none.
	notAMoment = "as sent: "
)

// String is the moment as it is recorded.
func (m Moment) String() string {
	by := ""
	switch {
	case m.OurClock:
		by = byOurClock
	case m.Behind > 0:
		by = byOldDate + m.Behind.String() + behind
	}
	return fmt.Sprintf("%s%s (%s%s)", momentStart, m.After, m.Form, by)
}

// parseMoment reads a moment as it is recorded.
func parseMoment(text string) (Moment, bool) {
	rest, begins := strings.CutPrefix(text, momentStart)
	after, rest, cut := strings.Cut(rest, " (")
	form, ends := strings.CutSuffix(rest, ")")
	form, ours := strings.CutSuffix(form, byOurClock)
	form, old, _ := strings.Cut(form, byOldDate)
	d, err := time.ParseDuration(after)
	m := Moment{After: d, Form: Form(form), OurClock: ours}
	if late, parseErr := time.ParseDuration(strings.TrimSuffix(old, behind)); parseErr == nil {
		m.Behind = late
	}
	if !begins || !cut || !ends || err != nil || !m.Form.Absolute() || m.String() != text {
		return Moment{}, false
	}
	return m, true
}

// ReadMoment reads what a header of a record tells of a time: a number of
// seconds, a duration, or a recorded moment. The error is ErrWallTime or
// ErrNoMoment.
func ReadMoment(text string) (Moment, error) {
	text = strings.TrimSpace(text)
	if m, ok := parseMoment(text); ok {
		return m, nil
	}
	if _, form := readInstant(text); form != "" {
		return Moment{}, ErrWallTime
	}
	if isPlainNumber(text) {
		form := WholeSeconds
		if strings.Contains(text, ".") {
			form = Fraction
		}
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return Moment{}, ErrNoMoment
		}
		return Moment{After: ofSeconds(seconds), Form: form}, nil
	}
	if d, ok := readDuration(text); ok {
		return Moment{After: d, Form: Duration}, nil
	}
	return Moment{}, ErrNoMoment
}

// readDuration reads a duration with its units, days among them: 6m0s, 120ms,
// 2m59.56s, 1d2h.
func readDuration(text string) (time.Duration, bool) {
	days, rest, hasDays := strings.Cut(text, "d")
	if !hasDays {
		d, err := time.ParseDuration(text)
		return d, err == nil && text != "0"
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, false
	}
	var more time.Duration
	if rest != "" {
		if more, err = time.ParseDuration(rest); err != nil || more < 0 {
			return 0, false
		}
	}
	const day = 24 * time.Hour
	return time.Duration(n)*day + more, true
}

// isPlainNumber says whether a text is digits, with at most one point among
// them and a minus before them.
func isPlainNumber(text string) bool {
	text = strings.TrimPrefix(text, "-")
	whole, fraction, point := strings.Cut(text, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return digits(whole) && (!point || digits(fraction))
}

func ofSeconds(seconds float64) time.Duration {
	const most = float64(math.MaxInt64 / int64(time.Second))
	return time.Duration(max(-most, min(seconds, most)) * float64(time.Second))
}

// No limit's window is this long, so such a number of seconds is one since 1970:
// it was this many in 2001, and milliseconds are a thousand times as many.
const (
	leastUnixSeconds = 1e9
	leastUnixMillis  = 1e12
	mostUnixMillis   = 1e15
)

// shortestInstant is as short as an instant is written that is no plain number.
const shortestInstant = "2006-01-02T15:04:05"

// readInstant reads a text that tells an instant. The form is "" where it tells
// none.
func readInstant(text string) (time.Time, Form) {
	if isPlainNumber(text) {
		n, err := strconv.ParseFloat(text, 64)
		switch {
		case err != nil || n < leastUnixSeconds || n >= mostUnixMillis:
			return time.Time{}, ""
		case n < leastUnixMillis:
			whole, fraction := math.Modf(n)
			return time.Unix(int64(whole), int64(fraction*float64(time.Second))), UnixSeconds
		default:
			return time.UnixMilli(int64(n)), UnixMillis
		}
	}
	if len(text) < len(shortestInstant) || strings.Count(text, ":") < 2 {
		return time.Time{}, "" // most headers, read a dozen times slower by all layouts
	}
	if at, err := http.ParseTime(text); err == nil {
		return at, HTTPDate
	}
	// RFC 3339, 5.6: the letters may be small, and a space may stand for the T.
	// ISO 8601 and strftime's %z leave out the colon of the zone.
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z0700"} {
		if at, err := time.Parse(layout, strings.ToUpper(text)); err == nil {
			return at, RFC3339
		}
	}
	for _, layout := range []string{"2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, UTCText
		}
	}
	return time.Time{}, ""
}

// WithoutWallTime is a header's value as it is recorded: an instant becomes a
// moment, once where it stood there several times, all else is left as it is.
// Only headers that tell a time are touched: those with reset in their name, and
// a Retry-After that is an HTTP-date.
func WithoutWallTime(name, value string, answered Answered) string {
	reset, retry := strings.Contains(name, "reset"), strings.Contains(name, "retry-after")
	if !reset && !retry {
		return value
	}
	text := strings.TrimSpace(value)
	if line, agree := oneLine(text); agree {
		text = line
	}
	at, form := readInstant(text)
	switch {
	case strings.HasPrefix(text, momentStart):
		return notAMoment + value
	case form == "" || retry && form != HTTPDate:
		return value
	}
	// Rounded up: who waits that long does not come too early.
	after := at.Sub(answered.At)
	if rest := after % time.Millisecond; rest > 0 {
		after += min(time.Millisecond-rest, math.MaxInt64-after)
	}
	return Moment{After: after.Truncate(time.Millisecond), Form: form, OurClock: answered.OurClock, Behind: answered.Behind}.String()
}

// ReadRetryAfter reads the Retry-After of a record: whole seconds, or an
// HTTP-date as a moment, which is never before the answer. The error says what
// stands there instead; it is ErrWallTime for a date that is no moment.
func ReadRetryAfter(value string) (Moment, error) {
	if m, ok := parseMoment(strings.TrimSpace(value)); ok && m.Form == HTTPDate {
		m.After = max(0, m.After)
		return m, nil
	}
	wait, err := ParseRetryAfter(value, time.Time{})
	if err != nil {
		return Moment{}, err
	}
	if _, form := readInstant(strings.TrimSpace(value)); form == HTTPDate {
		return Moment{Form: HTTPDate}, ErrWallTime
	}
	return Moment{After: wait, Form: WholeSeconds}, nil
}
