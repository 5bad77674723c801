package history

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

type brokenFile struct {
	name, file string
	line       int
	// says are parts of the message.
	says []string
}

func brokenFiles() []brokenFile {
	const (
		run     = `{"kind":"run","schema":"ratecheck.history/v1","seed":1,"window_ns":1,"ledger":false,"planned":[]}` + "\n"
		key     = `{"kind":"key","key":"k1","scenario":"s","limits":{}}` + "\n"
		attempt = `{"kind":"attempt","id":1,"key":"k1","sent_ns":1,"done_ns":1}` + "\n"
		end     = `{"kind":"end","scenario":"s","at_ns":1}` + "\n"
	)
	at := func(line string) string { return run + key + line + "\n" + end }
	return []brokenFile{
		{"empty", "", 1, []string{"the history is empty", "run it again"}},
		{"blank", "\n\n", 1, []string{"the history is empty"}},
		{"byte order mark alone", "\ufeff", 1, []string{"the history is empty"}},
		{"run torn", "\n" + run[:40], 2, []string{"ends before its run record is whole", "run it again"}},
		{"run not first", key + run, 1, []string{`first record is of kind "key"`, "put it first"}},
		{"no run", attempt, 1, []string{`first record is of kind "attempt"`}},
		{"second run", run + key + run, 3, []string{"a second run record", "take others out"}},
		{"schema", strings.Replace(run, "/v1", "/v2", 1), 1, []string{`unknown schema "ratecheck.history/v2"`, `known is "ratecheck.history/v1"`, "release"}},
		{"schema with other types", `{"kind":"run","schema":"ratecheck.history/v9","seed":"text"}` + "\n", 1, []string{`unknown schema "ratecheck.history/v9"`}},
		{"schema missing", `{"kind":"run"}` + "\n", 1, []string{`unknown schema ""`}},
		{"kind", at(`{"kind":"window"}`), 3, []string{`unknown kind "window"`, "attempt, call, end, key, run", "release"}},
		{"kind in other case", at(`{"kind":"Attempt"}`), 3, []string{`unknown kind "Attempt"`}},
		{"kind missing", at(`{"id":1}`), 3, []string{"names no kind", "history.ndjson"}},
		{"kind null", at(`{"kind":null}`), 3, []string{"names no kind"}},
		{"kind number", at(`{"kind":3}`), 3, []string{"no JSON object that names its kind"}},
		{"kind unknown in a whole last line", run + `{"kind":"window"}`, 2, []string{`unknown kind "window"`}},
		{"member twice in a whole last line", run + `{"kind":"end","at_ns":1,"at_ns":2}`, 2, []string{`as a record of kind "end"`}},
		{"not UTF-8 in a whole last line", run + "{\"kind\":\"end\",\"scenario\":\"\xff\"}", 2, []string{`as a record of kind "end"`}},
		{"rule broken in a whole last line", run + strings.TrimSpace(attempt), 2, []string{`attempt 1 has key "k1"`}},
		{"no object", at(`[1]`), 3, []string{"no JSON object"}},
		{"null", at(`null`), 3, []string{"names no kind"}},
		{"text", at(`hello`), 3, []string{"no JSON object", "take the file again"}},
		{"cut in the middle", at(`{"kind":"attempt","id":1,"ke`), 3, []string{`as a record of kind "attempt"`, "only the last line"}},
		{"two on a line", at(strings.TrimSpace(attempt) + strings.TrimSpace(attempt)), 3, []string{`as a record of kind "attempt"`}},
		{"member twice", at(`{"kind":"attempt","id":1,"id":2,"key":"k1"}`), 3, []string{`as a record of kind "attempt"`, "id"}},
		{"kind twice", at(`{"kind":"attempt","kind":"call","id":1,"key":"k1"}`), 3, []string{`as a record of kind "attempt"`, "kind"}},
		{"header twice", at(`{"kind":"attempt","id":1,"key":"k1","header":{"a":"1","a":"2"}}`), 3, []string{`as a record of kind "attempt"`}},
		{"not UTF-8", at("{\"kind\":\"attempt\",\"id\":1,\"key\":\"k1\",\"step\":\"\xff\"}"), 3, []string{`as a record of kind "attempt"`, "UTF-8"}},
		{"key of wrong type", at(`{"kind":"key","key":1}`), 3, []string{`as a record of kind "key"`}},
		{"attempt of wrong type", at(`{"kind":"attempt","id":"1","key":"k1"}`), 3, []string{`as a record of kind "attempt"`, "/id", "mend the line, or record"}},
		{"duration no integer", at(`{"kind":"attempt","id":1,"key":"k1","done_ns":1.5}`), 3, []string{`as a record of kind "attempt"`, "/done_ns"}},
		{"duration as text", at(`{"kind":"attempt","id":1,"key":"k1","done_ns":"1s"}`), 3, []string{`as a record of kind "attempt"`, "/done_ns"}},
		{"call of wrong type", at(`{"kind":"call","id":{}}`), 3, []string{`as a record of kind "call"`}},
		{"end of wrong type", at(`{"kind":"end","at_ns":true}`), 3, []string{`as a record of kind "end"`}},
		{"ID 0", at(`{"kind":"attempt","key":"k1"}`), 3, []string{"attempt ID 0", "count from 1", "mend"}},
		{"ID below 0", at(`{"kind":"attempt","id":-4,"key":"k1"}`), 3, []string{"attempt ID -4"}},
		{"ID in other case", at(`{"kind":"attempt","ID":1,"key":"k1"}`), 3, []string{"attempt ID 0"}},
		{"ID twice", run + key + attempt + end + attempt, 5, []string{"attempt 1 stands on line 3 already", "mend"}},
		{"ID twice after blank lines", run + "\n" + key + attempt + "\r\n" + attempt, 6, []string{"attempt 1 stands on line 4 already"}},
		{"done before sent", at(`{"kind":"attempt","id":7,"key":"k1","sent_ns":5,"done_ns":4}`), 3, []string{"attempt 7 was done at 4 ns, before it was sent at 5 ns"}},
		{"key unknown", at(`{"kind":"attempt","id":7,"key":"k2"}`), 3, []string{`attempt 7 has key "k2"`, "no record before it"}},
		{"key told later", run + attempt + key, 2, []string{`attempt 1 has key "k1"`}},
	}
}

func TestBrokenLines(t *testing.T) {
	for _, c := range brokenFiles() {
		t.Run(c.name, func(t *testing.T) {
			for form, file := range map[string]string{"LF": c.file, "CRLF": strings.ReplaceAll(c.file, "\n", "\r\n")} {
				h, err := Read(strings.NewReader(file))
				var serr *SyntaxError
				if h != nil || !errors.As(err, &serr) {
					t.Fatalf("%s: got %v, %v", form, h, err)
				}
				if serr.Line != c.line {
					t.Errorf("%s: line %d, want %d: %v", form, serr.Line, c.line, err)
				}
				for _, part := range append(c.says, fmt.Sprintf("line %d: ", c.line), serr.Reason, serr.advice) {
					if part == "" || !strings.Contains(err.Error(), part) {
						t.Errorf("%s: %v does not say %q", form, err, part)
					}
				}
				if serr.Err != nil && !errors.Is(err, serr.Err) {
					t.Errorf("%s: %v does not unwrap to its cause", form, err)
				}
			}
		})
	}
}

func TestLongestLine(t *testing.T) {
	const run, begin, end = `{"kind":"run","schema":"` + Schema + `"}` + "\n", `{"kind":"end","error":"`, `"}` + "\n"
	fits := strings.Repeat("x", MaxLine-len(begin)-len(end))
	h, err := Read(strings.NewReader(run + begin + fits + end))
	if err != nil || len(h.Ends) != 1 || h.Ends[0].Error != fits {
		t.Fatalf("a line of MaxLine bytes: %v", err)
	}
	for name, file := range map[string]string{
		"one byte more":    run + begin + fits + "x" + end,
		"without line end": run + begin + fits + fits,
	} {
		_, err := Read(strings.NewReader(file))
		var serr *SyntaxError
		if !errors.As(err, &serr) || serr.Line != 2 || !strings.Contains(err.Error(), "longer than 16777216 bytes") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
