package reports

import (
	"bytes"
	"fmt"
	"html"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extensionast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
	"pgregory.net/rapid"
)

// blocks tells what a Markdown document consists of: its blocks in order, each
// table with its rows and cells, and every inline that is more than text.
func blocks(source []byte) []string {
	document := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	var list []string
	_ = ast.Walk(document, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text, *ast.String:
		case *ast.Heading:
			list = append(list, fmt.Sprintf("heading %d", n.Level))
		case *ast.FencedCodeBlock:
			list = append(list, "code "+string(n.Language(source)))
		case *extensionast.TableHeader, *extensionast.TableRow:
			list = append(list, fmt.Sprintf("row of %d", n.ChildCount()))
		case *extensionast.TableCell:
		default:
			list = append(list, n.Kind().String())
		}
		return ast.WalkContinue, nil
	})
	return list
}

// tame is the report with all texts replaced that a target or a file can choose.
func tame(r Report) Report {
	r.Target.URL, r.Target.Version, r.Command = "u", "1", "c"
	results := r.Results
	r.Results = nil
	for _, result := range results {
		result.Message, result.Reproduce = "m", "r"
		if result.Observed != "" {
			result.Observed = "o"
		}
		if result.Known != nil {
			result.Known = &Known{Reason: "x", Pattern: "headers/*", File: "f", Line: 1}
		}
		r.Results = append(r.Results, result)
	}
	return r
}

// Whatever a target sends, the document has the blocks that it has anyway, and
// nothing in it is markup, a link, a mention or a command to a terminal.
func TestMarkdownOfHostileText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, h := attacked(t)
		got := written(t, "md", r, h)
		if diff := cmp.Diff(blocks(written(t, "md", tame(r), h)), blocks(got)); diff != "" {
			t.Fatalf("-tame +hostile\n%s\n%s", diff, got)
		}
		if !utf8.Valid(got) {
			t.Fatal("the document is not UTF-8")
		}
		for _, c := range string(got) {
			if c != '\n' && (unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c)) {
				t.Fatalf("%U is in the document", c)
			}
		}
		for line := range bytes.Lines(outsideCode(got)) {
			// As GitHub reads it when it looks for mentions, references and links.
			seen := html.UnescapeString(string(line))
			if strings.Contains(seen, "@someone") || strings.Contains(seen, "#1") || bytes.Contains(line, []byte("http://x")) {
				t.Fatalf("%q mentions somebody or links somewhere", line)
			}
		}
	})
}

// outsideCode is a document without its blocks of code.
func outsideCode(document []byte) []byte {
	var out bytes.Buffer
	fence := ""
	for line := range strings.Lines(string(document)) {
		switch ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]; {
		case fence == "" && len(ticks) >= 3:
			fence = ticks
		case fence != "" && ticks == fence && strings.TrimSpace(line) == fence:
			fence = ""
		case fence == "":
			out.WriteString(line)
		}
	}
	return out.Bytes()
}

// What is escaped is read as it was written: as one cell of a table, but for
// what cannot be printed and for the blanks.
func TestInlineIsReadAsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const invisible = "\u200b"
		written := "begin " + hostile().Draw(t, "text") + " end"
		source := []byte("| a |\n|---|\n| " + inline(written) + " |\n")
		var out bytes.Buffer
		if err := goldmark.New(goldmark.WithExtensions(extension.GFM)).Convert(source, &out); err != nil {
			t.Fatal(err)
		}
		_, cell, _ := strings.Cut(out.String(), "<td>")
		cell, _, _ = strings.Cut(cell, "</td>")
		got := strings.Join(strings.Fields(strings.ReplaceAll(html.UnescapeString(cell), invisible, "")), " ")
		want := strings.Join(strings.Fields(Printable(strings.ReplaceAll(written, invisible, ""))), " ")
		if got != want {
			t.Fatalf("%q is read as %q", want, got)
		}
	})
}
