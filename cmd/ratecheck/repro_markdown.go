package main

import (
	"fmt"
	"strings"

	"github.com/ratecheck/ratecheck/repro"
)

// reproMarkdown tells a story for an issue, with all that a stranger needs to
// see it happen.
func reproMarkdown(s *repro.Story) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("## %s: %s", s.ID, s.Title)
	line("")
	line("**%s** on %s: %s", s.Finding.Outcome, s.Target, s.Finding.What)
	line("")
	line("- key: %s; windows of %.0f s", limitsInWords(s.Limits), s.Window)
	line("- expected: %s (reference limiter: %s, %s)", s.Expected, s.Reference.Outcome, s.Reference.What)
	line("- releases: %s", s.Releases)
	line("- way around: %s", s.Workaround)
	if len(s.Issues) > 0 {
		line("- LiteLLM: %s", strings.Join(s.Issues, ", "))
	}
	line("")
	line("%s", s.Mechanism)
	line("")
	line("### What happens")
	line("")
	markdownTable(&b, timelineHeader(s), timelineRows(s))
	line("")
	line("Times are in seconds from the first request on.")
	line("")
	line("### Do it yourself")
	line("")
	line("It takes Python, curl and four files in a folder of their own. The text in double brackets in a request tells the provider what to answer.")
	line("")
	for _, file := range s.Files() {
		fence(&b, file[0], file[1])
	}
	fence(&b, "then, in that folder", strings.Join(s.Start(), "\n")+"\n")
	line("It prints the status of each request and its rate headers; what reached the provider is in provider.log. What ratecheck saw of it:")
	line("")
	line("> %s", s.Finding.What)
	line("")
	line("Or in one, with [ratecheck](https://github.com/ratecheck/ratecheck): `%s`", s.Real)
	line("")
	if len(s.Controls) > 0 {
		line("### Controls, on models of the releases")
		line("")
		markdownTable(&b, []string{"control", "outcome", "what was seen"}, controlRows(s))
		line("")
	}
	line("### Releases, by their models")
	line("")
	markdownTable(&b, []string{"release", "memory", "Redis"}, shownRows(s))
	return b.String()
}

func fence(b *strings.Builder, title, text string) {
	fmt.Fprintf(b, "%s:\n\n```\n%s```\n\n", title, text)
}

func markdownTable(b *strings.Builder, header []string, rows [][]string) {
	escape := strings.NewReplacer("|", `\|`, "\n", " ")
	row := func(cells []string) {
		for _, cell := range cells {
			b.WriteString("| " + escape.Replace(cell) + " ")
		}
		b.WriteString("|\n")
	}
	row(header)
	b.WriteString(strings.Repeat("| --- ", len(header)) + "|\n")
	for _, cells := range rows {
		row(cells)
	}
}
