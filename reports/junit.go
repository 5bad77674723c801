package reports

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/history"
)

// The elements of a JUnit report, as the schema of Jenkins' xUnit plugin
// (junit-10.xsd) has them, which other readers follow.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		Classname string        `xml:"classname,attr"`
		Skipped   *junitSkipped `xml:"skipped"`
		Error     *junitTrouble `xml:"error"`
		Failure   *junitTrouble `xml:"failure"`
		Out       *junitText    `xml:"system-out"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
	junitTrouble struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",cdata"`
	}
	junitText struct {
		Text string `xml:",cdata"`
	}
)

// JUnit writes the report for CI systems that read JUnit's XML: a suite for each
// scenario, a case for each result, classed by its layer. FAIL and XPASS are
// failures; ERROR and INCONCLUSIVE are errors; SKIP and XFAIL are skipped; a
// WARN passes, as it does in the exit code, and is told in system-out. What XML
// cannot hold of what the target answered is written as U+FFFD.
func JUnit(w io.Writer, r Report, h *history.History) error {
	document := junitSuites{Name: strings.TrimSpace("ratecheck " + r.title()), Time: seconds(length(h))}
	at := map[string]int{}
	for _, result := range r.Results {
		one, err := junitCaseOf(r, result, h)
		if err != nil {
			return err
		}
		if _, begun := at[result.Scenario]; !begun {
			at[result.Scenario] = len(document.Suites)
			document.Suites = append(document.Suites, junitSuite{Name: result.Scenario, Time: seconds(lengthOf(h, result.Scenario))})
		}
		document.Suites[at[result.Scenario]].add(one)
	}
	for _, suite := range document.Suites {
		document.Tests += suite.Tests
		document.Failures += suite.Failures
		document.Errors += suite.Errors
	}
	text, err := xml.MarshalIndent(document, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the JUnit report: %w", err)
	}
	if _, err := fmt.Fprintf(w, "%s%s\n", xml.Header, text); err != nil {
		return fmt.Errorf("writing the JUnit report: %w", err)
	}
	return nil
}

func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
}

func junitCaseOf(r Report, result Result, h *history.History) (junitCase, error) {
	one := junitCase{Name: result.name(), Classname: cmp.Or(string(result.Layer), "unknown")}
	if !result.isTrouble() {
		if result.Verdict != checker.Pass {
			one.Skipped = &junitSkipped{Message: result.summary()}
		}
		if result.LooksLike != nil {
			one.Out = &junitText{Text: xmlText(result.LooksLike.String())}
		}
		return one, nil
	}
	var text bytes.Buffer
	t := &terminal{w: &text, report: r, attempts: attemptsOf(h)}
	if err := t.trouble(result); err != nil {
		return one, err
	}
	trouble := &junitTrouble{Message: result.Message, Type: string(result.Verdict), Text: xmlText(text.String())}
	switch result.Verdict {
	case checker.Fail:
		one.Failure = trouble
	case XPass:
		trouble.Message = "listed as known to fail, and passes"
		if result.Known != nil {
			trouble.Message += ": " + r.remedy(result.Known)
		}
		one.Failure = trouble
	case checker.Warn:
		one.Out = &junitText{Text: trouble.Text}
	default:
		one.Error = trouble
	}
	return one, nil
}

// xmlText is a text as it can stand between CDATA's marks, where nothing is
// escaped: what XML 1.0 section 2.2 does not allow is a replacement character.
func xmlText(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || (r >= ' ' && r <= 0xD7FF) || (r >= 0xE000 && r <= 0xFFFD) || r >= 0x10000 {
			return r
		}
		return utf8.RuneError
	}, strings.Trim(text, "\n"))
}

// seconds is a duration as xs:decimal.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// lengthOf is how long a scenario took, from its first sending to its last
// answer.
func lengthOf(h *history.History, scenario string) time.Duration {
	var first, last time.Duration
	begun := false
	for _, a := range h.Attempts {
		if a.Scenario != scenario {
			continue
		}
		if !begun || a.Sent < first {
			first, begun = a.Sent, true
		}
		last = max(last, a.Done)
	}
	return max(0, last-first)
}
