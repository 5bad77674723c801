package history

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestMoments(t *testing.T) {
	answered := time.Date(2026, 11, 22, 3, 30, 4, 0, time.UTC)
	for text, want := range map[string]Moment{
		"0":                             {After: 0, Form: WholeSeconds},
		"30":                            {After: 30 * time.Second, Form: WholeSeconds},
		" 30 ":                          {After: 30 * time.Second, Form: WholeSeconds},
		"-1":                            {After: -time.Second, Form: WholeSeconds},
		"59.25":                         {After: 59250 * time.Millisecond, Form: Fraction},
		"122401.806":                    {After: 122401806 * time.Millisecond, Form: Fraction},
		"8.64s":                         {After: 8640 * time.Millisecond, Form: Duration},
		"6m0s":                          {After: 6 * time.Minute, Form: Duration},
		"0s":                            {After: 0, Form: Duration},
		"120ms":                         {After: 120 * time.Millisecond, Form: Duration},
		"2m59.56s":                      {After: 2*time.Minute + 59560*time.Millisecond, Form: Duration},
		"1d":                            {After: 24 * time.Hour, Form: Duration},
		"1d2h":                          {After: 26 * time.Hour, Form: Duration},
		"-5s":                           {After: -5 * time.Second, Form: Duration},
		"1795318209":                    {After: 5 * time.Second, Form: UnixSeconds},
		"1795318209.5":                  {After: 5500 * time.Millisecond, Form: UnixSeconds},
		"1795318209250":                 {After: 5250 * time.Millisecond, Form: UnixMillis},
		"1795318200":                    {After: -4 * time.Second, Form: UnixSeconds},
		"2026-11-22T03:30:09Z":          {After: 5 * time.Second, Form: RFC3339},
		"2026-11-22T03:30:09.5Z":        {After: 5500 * time.Millisecond, Form: RFC3339},
		"2026-11-22T09:00:09+05:30":     {After: 5 * time.Second, Form: RFC3339},
		"2026-11-22t03:30:09z":          {After: 5 * time.Second, Form: RFC3339},
		"2026-11-22 03:30:09Z":          {After: 5 * time.Second, Form: RFC3339},
		"2026-11-22 03:30:09.25+00:00":  {After: 5250 * time.Millisecond, Form: RFC3339}, // Python's str
		"2026-11-22T09:00:09+0530":      {After: 5 * time.Second, Form: RFC3339},
		"2026-11-22 03:30:09+0000":      {After: 5 * time.Second, Form: RFC3339},
		"2026-11-22 03:30:09 UTC":       {After: 5 * time.Second, Form: UTCText},
		"2026-11-22 03:30:09.123456":    {After: 5124 * time.Millisecond, Form: UTCText}, // rounded up
		"2026-11-22T03:30:09":           {After: 5 * time.Second, Form: UTCText},
		"Sun, 22 Nov 2026 03:30:09 GMT": {After: 5 * time.Second, Form: HTTPDate},
		"Sun Nov 22 03:30:03 2026":      {After: -time.Second, Form: HTTPDate},
	} {
		recorded := WithoutWallTime("x-ratelimit-reset", text, Answered{At: answered})
		got, err := ReadMoment(recorded)
		if err != nil || got != want {
			t.Errorf("%q is recorded as %q and read as %v, %v; want %v", text, recorded, got, err, want)
		}
		if want.Form.Absolute() {
			if _, err := ReadMoment(text); !errors.Is(err, ErrWallTime) {
				t.Errorf("%q as it was sent: %v", text, err)
			}
			if ours := WithoutWallTime("reset_at", text, Answered{At: answered, OurClock: true}); !strings.Contains(ours, ", by our clock)") {
				t.Errorf("%q by our clock is recorded as %q", text, ours)
			}
		} else if recorded != text {
			t.Errorf("%q is recorded as %q", text, recorded)
		}
	}
	for _, text := range []string{
		"", "soon", "None", "5 s", "1e3", "0x10", "NaN", "Inf", "+5", "--1", "1.", ".5", "1.2.3", "d", "-1d", "1d-2h", "1dd", "99999d", "٥",
		"in 5s", "in 5s (seconds)", "in 5s (HTTP-date", "in 5s(HTTP-date)", "in 5s (moon)", "in 05s (HTTP-date)", "in five (HTTP-date)", "in 5s (HTTP-date, by a Date soon behind)", "in 5s (HTTP-date, by a Date 1s)", "in 5s (HTTP-date, by a Date 0s behind)",
		"in 5s (HTTP-date, by a Date 1s behind, by our clock)",
		"2026-13-01T00:00:00Z", "1e9", strings.Repeat("9", 400),
	} {
		if got, err := ReadMoment(text); !errors.Is(err, ErrNoMoment) || got != (Moment{}) {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
}

func TestWhatIsMadeRelative(t *testing.T) {
	answered := time.Date(2026, 11, 22, 3, 30, 4, 0, time.UTC)
	for _, c := range []struct{ name, value, want string }{
		{"retry-after", "Sun, 22 Nov 2026 03:30:09 GMT", "in 5s (HTTP-date)"},
		{"retry-after", "2026-11-22T03:30:09Z", "2026-11-22T03:30:09Z"}, // no lawful form, and told as it was sent
		{"retry-after", "1795318209", "1795318209"},
		{"retry-after", "5", "5"},
		{"retry-after", "in 5s (HTTP-date)", "as sent: in 5s (HTTP-date)"},
		{"reset_at", "in a minute", "as sent: in a minute"},
		{"llm_provider-reset_at", "2026-11-22 03:30:09 UTC", "in 5s (date and time UTC)"},
		{"x-ratelimit-limit-requests", "1795318209", "1795318209"},
		{"x-litellm-note", "Sun, 22 Nov 2026 03:30:09 GMT", "Sun, 22 Nov 2026 03:30:09 GMT"},
		{"x-ratelimit-reset", "1795318209, 1795318209", "in 5s (Unix seconds)"}, // two lines alike
		{"x-ratelimit-reset", "1795318209, 1795318210", "1795318209, 1795318210"},
		{"x-ratelimit-reset", "5, 5", "5, 5"},
		{"reset_at", "Fri, 31 Dec 9999 23:59:59 GMT", "in 2562047h47m16.854s (HTTP-date)"}, // the longest Duration
	} {
		if got := WithoutWallTime(c.name, c.value, Answered{At: answered}); got != c.want {
			t.Errorf("%s: %q is recorded as %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

func TestRetryAfterOfARecord(t *testing.T) {
	for text, want := range map[string]Moment{
		"5":                   {After: 5 * time.Second, Form: WholeSeconds},
		"in 5s (HTTP-date)":   {After: 5 * time.Second, Form: HTTPDate},
		" in 5s (HTTP-date) ": {After: 5 * time.Second, Form: HTTPDate},
		"in -5s (HTTP-date)":  {After: 0, Form: HTTPDate},
		"in 9s (HTTP-date, by a Date 1.3s behind)": {After: 9 * time.Second, Form: HTTPDate, Behind: 1300 * time.Millisecond},
		"in 1.5s (HTTP-date, by our clock)":        {After: 1500 * time.Millisecond, Form: HTTPDate, OurClock: true},
	} {
		if got, err := ReadRetryAfter(text); err != nil || got != want {
			t.Errorf("%q is read as %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                              ErrNoRetryAfter.Error(),
		"in 5s (Unix seconds)":          "RFC 9110",
		"as sent: in 5s (HTTP-date)":    "RFC 9110",
		"5.5":                           "RFC 9110",
		"Sun, 22 Nov 2026 03:30:09 GMT": ErrWallTime.Error(),
	} {
		if _, err := ReadRetryAfter(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
}

func TestResetsInEveryDialect(t *testing.T) {
	seconds := func(n int64) Moment { return Moment{After: time.Duration(n) * time.Second, Form: WholeSeconds} }
	for name, c := range map[string]struct {
		header map[string]string
		want   []ToldReset
	}{
		"none": {map[string]string{"x-ratelimit-limit-requests": "10", "retry-after": "5"}, nil},
		"OpenAI": {map[string]string{"x-ratelimit-reset-requests": "8.64s", "x-ratelimit-limit-requests": "10", "x-ratelimit-reset-tokens": "6m0s"}, []ToldReset{
			{"x-ratelimit-reset-requests", "requests", number(10), "8.64s", Moment{After: 8640 * time.Millisecond, Form: Duration}, nil},
			{"x-ratelimit-reset-tokens", "tokens", nil, "6m0s", Moment{After: 6 * time.Minute, Form: Duration}, nil},
		}},
		"LiteLLM": {map[string]string{"x-ratelimit-api_key-reset-tokens": "5", "x-ratelimit-api_key-limit-tokens": "70", "reset_at": "in 4s (date and time UTC)"}, []ToldReset{
			{"reset_at", "", nil, "in 4s (date and time UTC)", Moment{After: 4 * time.Second, Form: UTCText}, nil},
			{"x-ratelimit-api_key-reset-tokens", "tokens", number(70), "5", seconds(5), nil},
		}},
		"Anthropic": {map[string]string{
			"anthropic-ratelimit-requests-reset": "in 3s (RFC 3339)", "anthropic-ratelimit-requests-limit": "9",
			"anthropic-ratelimit-unified-reset": "in 100h0m0s (Unix seconds)", "anthropic-ratelimit-input-tokens-reset": "in 1s (RFC 3339)",
		}, []ToldReset{{"anthropic-ratelimit-requests-reset", "requests", number(9), "in 3s (RFC 3339)", Moment{After: 3 * time.Second, Form: RFC3339}, nil}}},
		"Envoy":                 {map[string]string{"x-ratelimit-reset": "12", "x-ratelimit-limit": "10, 10;w=60"}, []ToldReset{{"x-ratelimit-reset", "", number(10), "12", seconds(12), nil}}},
		"IETF, old":             {map[string]string{"ratelimit-reset": "12", "ratelimit-limit": "10"}, []ToldReset{{"ratelimit-reset", "", number(10), "12", seconds(12), nil}}},
		"IETF, new":             {map[string]string{"ratelimit": `"a;t=9";r=50; t=30`}, []ToldReset{{"ratelimit", "", nil, "30", seconds(30), nil}}},
		"IETF, with its policy": {map[string]string{"ratelimit": `"a;t=9";r=50;t=30`, "ratelimit-policy": `"b, c";q=5;w=1, "a;t=9";w=86400; q=100`}, []ToldReset{{"ratelimit", "", number(100), "30", seconds(30), nil}}},
		"IETF, another policy":  {map[string]string{"ratelimit": `"a";r=50;t=30`, "ratelimit-policy": `"b\"";q=5;w=1`}, []ToldReset{{"ratelimit", "", nil, "30", seconds(30), nil}}},
		"IETF, no time":         {map[string]string{"ratelimit": `"a";r=50`}, nil},
		"IETF, two policies":    {map[string]string{"ratelimit": `"a";r=50;t=3, "b";r=1;t=86000`}, nil},
		"milliseconds":          {map[string]string{"x-ratelimit-reset-requests-ms": "1500"}, []ToldReset{{"x-ratelimit-reset-requests-ms", "requests", nil, "1500", Moment{After: 1500 * time.Millisecond, Form: WholeSeconds}, nil}}},
		"the upstream's":        {map[string]string{"llm_provider-x-ratelimit-reset-requests": "5"}, nil},
		"of a day":              {map[string]string{"x-ratelimit-reset-requests-day": "86000"}, nil},
		"empty":                 {map[string]string{"x-ratelimit-reset": " "}, nil},
		"two lines alike":       {map[string]string{"x-ratelimit-reset": "5, 5"}, []ToldReset{{"x-ratelimit-reset", "", nil, "5", seconds(5), nil}}},
		"two lines that argue":  {map[string]string{"x-ratelimit-reset": "5, 500"}, nil},
		"a word":                {map[string]string{"x-ratelimit-reset": "soon"}, []ToldReset{{"x-ratelimit-reset", "", nil, "soon", Moment{}, ErrNoMoment}}},
		"a date in a history":   {map[string]string{"x-ratelimit-reset": "Sun, 22 Nov 2026 03:30:09 GMT"}, []ToldReset{{"x-ratelimit-reset", "", nil, "Sun, 22 Nov 2026 03:30:09 GMT", Moment{}, ErrWallTime}}},
	} {
		if diff := cmp.Diff(c.want, ReadResets(c.header), cmpopts.EquateErrors()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// FuzzMoments holds what is recorded of any header to its promise: no instant is
// left in it, it is read back as the same time, and nothing is read twice in two
// ways.
func FuzzMoments(f *testing.F) {
	for _, text := range []string{"", "5", "-1.5", "6m0s", "1d2h", "1795318209", "1795318209250", "2026-11-22T03:30:09Z", "2026-11-22 03:30:09 UTC", "Sun, 22 Nov 2026 03:30:09 GMT", "in 5s (HTTP-date)", "in -1h0m0s (Unix seconds, by our clock)"} {
		f.Add(text, int64(1795318204), true)
	}
	f.Fuzz(func(t *testing.T, text string, at int64, ours bool) {
		answered := time.Unix(at%(1<<33), 0)
		recorded := WithoutWallTime("x-ratelimit-reset-requests", text, Answered{At: answered, OurClock: ours})
		line, agree := oneLine(strings.TrimSpace(text))
		if !agree {
			line = strings.TrimSpace(text)
		}
		instant, form := readInstant(line)
		m, err := ReadMoment(recorded)
		switch {
		case errors.Is(err, ErrWallTime):
			t.Errorf("%q is recorded with its wall time: %q", text, recorded)
		case form == "" && m.Form.Absolute():
			t.Errorf("%q tells no instant and is read as %v", text, m)
		case form != "" && (err != nil || m.Form != form || m.OurClock != ours):
			t.Errorf("%q is recorded as %q and read as %v, %v", text, recorded, m, err)
		case form != "":
			off := answered.Add(m.After).Sub(instant)
			if far := instant.Sub(answered); far < math.MaxInt64/2 && far > math.MinInt64/2 && (off < -time.Millisecond || off > time.Millisecond) {
				t.Errorf("%q is recorded as %q, which is %s off", text, recorded, off)
			}
		}
		if wait, err := ReadRetryAfter(recorded); err == nil && wait.After < 0 {
			t.Errorf("%q is a wait of %v", recorded, wait)
		}
		for _, r := range ReadResets(map[string]string{"ratelimit": text, "x-ratelimit-reset": text, "reset_at": recorded}) {
			if r.Text == "" || (r.Err == nil) == (r.Moment == Moment{}) {
				t.Errorf("%q gives %+v", text, r)
			}
		}
	})
}
