package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/ratecheck/ratecheck/checker"
)

// node is an element of an XML document with all that it holds.
type node struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []node     `xml:",any"`
	Text     string     `xml:",chardata"`
}

func (n node) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// junitShape is the schema junit-10.xsd of Jenkins' xUnit plugin as far as it
// goes for what is written here: the attributes that an element must and may
// have, and what may stand in it.
func junitShape() map[string]struct{ must, may, holds []string } {
	return map[string]struct{ must, may, holds []string }{
		"testsuites": {nil, []string{"name", "time", "tests", "failures", "disabled", "errors"}, []string{"testsuite"}},
		"testsuite": {[]string{"name", "tests"}, []string{"failures", "errors", "time", "disabled", "skipped", "timestamp", "hostname", "id", "package"},
			[]string{"properties", "testcase", "system-out", "system-err"}},
		"testcase":   {[]string{"name"}, []string{"assertions", "time", "classname", "status"}, []string{"skipped", "error", "failure", "system-out", "system-err"}},
		"skipped":    {nil, []string{"message", "type"}, nil},
		"error":      {nil, []string{"message", "type"}, nil},
		"failure":    {nil, []string{"message", "type"}, nil},
		"system-out": {},
	}
}

// checkShape holds an element and all in it to the schema.
func checkShape(n node) error {
	shape, known := junitShape()[n.XMLName.Local]
	if !known {
		return fmt.Errorf("the element %s is not known", n.XMLName.Local)
	}
	for _, name := range shape.must {
		if !slices.ContainsFunc(n.Attrs, func(a xml.Attr) bool { return a.Name.Local == name }) {
			return fmt.Errorf("%s has no %s", n.XMLName.Local, name)
		}
	}
	for _, a := range n.Attrs {
		if !slices.Contains(shape.must, a.Name.Local) && !slices.Contains(shape.may, a.Name.Local) {
			return fmt.Errorf("%s has an attribute %s", n.XMLName.Local, a.Name.Local)
		}
		switch a.Name.Local {
		case "tests", "failures", "errors", "skipped":
			if _, err := strconv.ParseUint(a.Value, 10, 31); err != nil {
				return fmt.Errorf("%s: %w", a.Name.Local, err)
			}
		case "time":
			if _, err := strconv.ParseFloat(a.Value, 64); err != nil {
				return fmt.Errorf("time: %w", err)
			}
		}
	}
	for _, child := range n.Children {
		if !slices.Contains(shape.holds, child.XMLName.Local) {
			return fmt.Errorf("%s holds a %s", n.XMLName.Local, child.XMLName.Local)
		}
		if err := checkShape(child); err != nil {
			return err
		}
	}
	return checkCounts(n)
}

// checkCounts holds what an element says of its content to its content.
func checkCounts(n node) error {
	count := func(n node) map[string]int {
		counts := map[string]int{}
		for _, c := range n.Children {
			counts[c.XMLName.Local]++
			counts["failures"] += len(childrenNamed(c, "failure"))
			counts["errors"] += len(childrenNamed(c, "error"))
			counts["skipped"] += len(childrenNamed(c, "skipped"))
		}
		return counts
	}
	var want map[string]int
	switch n.XMLName.Local {
	case "testsuite":
		want = count(n)
		want["tests"] = want["testcase"]
	case "testsuites":
		want = map[string]int{}
		for _, suite := range n.Children {
			for name, k := range count(suite) {
				want[name] += k
			}
		}
		want["tests"] = want["testcase"]
	case "testcase":
		if len(childrenNamed(n, "failure"))+len(childrenNamed(n, "error"))+len(childrenNamed(n, "skipped")) > 1 {
			return errors.New("a case has more than one outcome")
		}
	}
	for _, name := range []string{"tests", "failures", "errors", "skipped"} {
		if said := n.attr(name); said != "" && said != strconv.Itoa(want[name]) {
			return fmt.Errorf("%s says %s %s and holds %d", n.XMLName.Local, said, name, want[name])
		}
	}
	return nil
}

func childrenNamed(n node, name string) []node {
	var list []node
	for _, c := range n.Children {
		if c.XMLName.Local == name {
			list = append(list, c)
		}
	}
	return list
}

// readJUnit reads a JUnit report strictly and holds it to the schema.
func readJUnit(text []byte) (node, error) {
	var root node
	d := xml.NewDecoder(bytes.NewReader(text))
	d.Strict = true
	if err := d.Decode(&root); err != nil {
		return root, err
	}
	if _, err := d.Token(); err != nil && !errors.Is(err, io.EOF) {
		return root, fmt.Errorf("behind the document: %w", err)
	}
	if root.XMLName.Local != "testsuites" {
		return root, fmt.Errorf("the document is a %s", root.XMLName.Local)
	}
	return root, checkShape(root)
}

func TestJUnitKeepsItsSchema(t *testing.T) {
	for name, h := range histories() {
		for _, list := range []string{"", someList, staleList, "* # all"} {
			r := parsed(t, list).Apply(New(h, "u", "c"))
			root, err := readJUnit(written(t, "junit.xml", r, h))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			outcomes(t, name, r, root)
		}
	}
}

// outcomes wants each result as a case with the outcome of its verdict.
func outcomes(t interface{ Errorf(string, ...any) }, name string, r Report, root node) {
	want := map[checker.Verdict]string{checker.Fail: "failure", XPass: "failure", checker.Error: "error", checker.Inconclusive: "error", checker.Skip: "skipped", XFail: "skipped"}
	cases := map[string]node{}
	for _, suite := range root.Children {
		for _, c := range suite.Children {
			cases[suite.attr("name")+" "+c.attr("name")] = c
		}
	}
	if len(cases) != len(r.Results) {
		t.Errorf("%s: %d cases for %d results", name, len(cases), len(r.Results))
	}
	for _, result := range r.Results {
		c := cases[result.Scenario+" "+result.name()]
		for _, outcome := range []string{"failure", "error", "skipped"} {
			has := len(childrenNamed(c, outcome)) == 1
			if has != (want[result.Verdict] == outcome) {
				t.Errorf("%s: %s on %s is %+v", name, result.Verdict, result.name(), c)
			}
		}
		if result.Layer != "" && c.attr("classname") != string(result.Layer) {
			t.Errorf("%s: %s is classed %q", name, result.name(), c.attr("classname"))
		}
	}
}

// Whatever a target sends, the document is well-formed, keeps its schema and
// says of each result what is to be said.
func TestJUnitOfHostileText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, h := attacked(t)
		root, err := readJUnit(written(t, "junit.xml", r, h))
		if err != nil {
			t.Fatal(err)
		}
		outcomes(t, "hostile", r, root)
	})
}

// A shape that lets everything through holds nobody to anything.
func TestJUnitShapeRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"a wrong sum":       `<testsuites tests="2"><testsuite name="a" tests="1"><testcase name="b"/></testsuite></testsuites>`,
		"a wrong count":     `<testsuites><testsuite name="a" tests="1" failures="0"><testcase name="b"><failure/></testcase></testsuite></testsuites>`,
		"an unnamed case":   `<testsuites><testsuite name="a" tests="1"><testcase/></testsuite></testsuites>`,
		"two outcomes":      `<testsuites><testsuite name="a" tests="1"><testcase name="b"><error/><skipped/></testcase></testsuite></testsuites>`,
		"an odd attribute":  `<testsuites skipped="0"></testsuites>`,
		"an odd element":    `<testsuites><testcase name="b"/></testsuites>`,
		"a control":         "<testsuites name=\"\x01\"></testsuites>",
		"a second document": `<testsuites></testsuites><testsuites`,
	} {
		if _, err := readJUnit([]byte(text)); err == nil {
			t.Errorf("%s is let through", name)
		}
	}
}
