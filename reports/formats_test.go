package reports

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
)

// formatted are the formats of people and CI systems by the extension of their
// golden files.
func formatted() map[string]func(io.Writer, Report, *history.History) error {
	return map[string]func(io.Writer, Report, *history.History) error{
		"txt":       func(w io.Writer, r Report, h *history.History) error { return Terminal(w, r, h, false) },
		"junit.xml": JUnit,
		"md":        Markdown,
	}
}

func written(t interface{ Fatal(...any) }, format string, r Report, h *history.History) []byte {
	var out bytes.Buffer
	if err := formatted()[format](&out, r, h); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const (
	command  = "ratecheck run http://127.0.0.1:4000 --window 5s"
	someList = `# what LiteLLM 1.82.3 does
headers/*  until=2027-01-31  # no rate headers on streams, 27748
drift/remaining-matches-usage # one token too many
parallel/* # cannot be asked here
`
	staleList = `headers/on-answers # were missing
tokens/*           # were not limited
`
)

// TestFormats holds every format to its golden files: what is kept, what is
// broken, what is known, and what was known and is mended.
func TestFormats(t *testing.T) {
	for name, test := range map[string]struct {
		h    *history.History
		list string
	}{
		"kept": {kept(), ""}, "broken": {broken(), ""}, "interrupted": {interrupted(), ""}, "torn": {torn(), ""}, "empty": {&history.History{}, ""},
		"known": {broken(), someList}, "stale": {kept(), staleList},
	} {
		for format := range formatted() {
			t.Run(name+" "+format, func(t *testing.T) {
				r := parsed(t, test.list).Apply(New(test.h, "http://127.0.0.1:4000", command))
				golden(t, name+"."+format, written(t, format, r, test.h))
			})
		}
	}
}

// What is known to fail is told in a line with its reason; what is stale at
// length, with what is to be done.
func TestKnownIsTold(t *testing.T) {
	h := broken()
	h.Attempts = append(h.Attempts, kept().Attempts[0])
	r := reportOf(
		one("headers/on-streams", "messages", checker.Fail), one("headers/on-answers", "", checker.Pass), one("refusal/body", "", checker.Pass),
		one("tokens/limit-kept", "", checker.Fail),
	)
	r = parsed(t, "headers/* # 27748\nrefusal/body # was none\n").Apply(r)
	for format, says := range map[string][]string{
		"txt": {
			"XFAIL    headers/on-streams@messages  known to fail: 27748\n",
			"\nXPASS headers/on-answers", "narrow line 1 of known.txt: headers/* also matches what still fails\n",
			"\nXPASS refusal/body", "  listed    was none\n  now       remove line 2 of known.txt\n",
			"\nFAIL tokens/limit-kept",
		},
		"junit.xml": {
			`<skipped message="known to fail: 27748"></skipped>`, `name="headers/on-streams@messages"`,
			`message="listed as known to fail, and passes: remove line 2 of known.txt" type="XPASS"`,
		},
		"md": {
			"| XFAIL | headers/on-streams&#64;&#8203;messages | known to fail: 27748 |\n",
			"### XPASS refusal/body", "now       remove line 2 of known.txt\n",
		},
	} {
		text := string(written(t, format, r, h))
		for _, want := range says {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", format, want, text)
			}
		}
		for _, long := range []string{"\nXFAIL headers/on-streams", "### XFAIL"} {
			if strings.Contains(text, long) {
				t.Errorf("%s tells an XFAIL at length:\n%s", format, text)
			}
		}
	}
}

func TestFormatsTellWhatItLooksLike(t *testing.T) {
	h := broken()
	want := "looks like LiteLLM (no issue known): each request is charged one token before it is sent"
	for _, list := range []string{"", "drift/* # x"} {
		r := parsed(t, list).Apply(New(h, "", ""))
		for format := range formatted() {
			if format == "txt" && list != "" {
				continue // a known failure has one line there, its reason
			}
			text := strings.Join(strings.Fields(string(written(t, format, r, h))), " ")
			if !strings.Contains(text, want) {
				t.Errorf("%s with the list %q does not say %q:\n%s", format, list, want, text)
			}
		}
	}
}

func TestFormatsGiveWriteErrorsBack(t *testing.T) {
	h := broken()
	for format, write := range formatted() {
		if err := write(&fullDisk{left: 10}, New(h, "", ""), h); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// hostile draws texts that try to be more than text in one of the formats.
func hostile() *rapid.Generator[string] {
	pieces := []string{
		"|", "\\|", "\\", "`", "```", "````\n", "\n```\n", "\n````\n", "\n", "\r", "\r\n", "\n\n", "\t", "    ", "# ", "\n## ", "> ", "- ", "1. ", "* ", "***", "__x__", "_x_", "~~x~~", "*x*", "~~~\n",
		"<", ">", "</td>", "<script>", "<!--", "-->", "<![CDATA[", "]]>", "&lt;", "&#0;", "&", "\"", "'", "[x](http://x)", "![x](y)", "<http://x.y>", "http://x.y", "www.x.y",
		"@someone", "a@b.example", "#1", "$x$", "\x00", "\x1b[2J", "\x07", "\x7f", "\u0085", "\u009b", "\u2028", "\u202e", "\u200b", "\ufffe", "\uffff", "\xff", "\xc3", "\xed\xa0\x80", "é", "😀", "word", "---", "|---|", "\n|a|\n|-|\n", "; ",
	}
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 8).Draw(t, "pieces"), "")
	})
}

// attacked is a history and its report in which all that a target or a file can
// say says something hostile.
func attacked(t *rapid.T) (Report, *history.History) {
	h := broken()
	texts := rapid.SliceOfN(hostile(), 7, 7).Draw(t, "texts")
	n := 0
	bad := func() string { n++; return texts[n%len(texts)] }
	for i := range h.Attempts {
		a := &h.Attempts[i]
		a.Excerpt, a.ErrorText, a.Step = bad(), bad(), bad()
		a.Header = map[string]string{"retry-after": bad()}
	}
	h.Attempts[0].Header["x-litellm-version"] = bad() + "x"
	h.Ends[3].Error = bad() + "x"
	h.Ends[4].Error, h.Ends[4].Fault = bad()+"x", true
	r := New(h, bad(), "ratecheck run "+bad())
	for i := range r.Results {
		result := &r.Results[i]
		result.Message = bad()
		if result.Observed != "" {
			result.Observed = bad()
		}
	}
	list := KnownFailures{File: bad(), Entries: []KnownFailure{{Pattern: "headers/*", Reason: bad(), Line: 1}}}
	return list.Apply(r), h
}
