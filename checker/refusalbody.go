package checker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strconv"
	"strings"
)

// shortenedExcerpt is the length in bytes from which on an excerpt may have lost
// its end: what a history keeps of a body, less one character.
const shortenedExcerpt = 396

// bodyKind is what can be said of a refusal's body.
type bodyKind int

const (
	bodyNotObject bodyKind = iota
	bodyObject             // a JSON object without an error
	bodyError              // an error object, or problem+json
	bodyNotKept            // a JSON object as far as it was kept, and no error yet
)

func judgeRefusalBody(v *view) finding {
	n, long := 0, 0
	for _, a := range certain(withOutcome(v.all(), refused)) {
		if a.ErrorEvent {
			continue // judged by refusal/before-stream
		}
		f := finding{
			verdict: Fail, message: "a refusal's body is no JSON object", expected: `{"error": {"message": ..., "type": ..., "code": ...}}`,
			observed: "a body of " + strconv.Quote(a.Excerpt), attempts: []int{a.ID},
		}
		switch bodyOf(a) {
		case bodyNotObject:
			return f
		case bodyObject:
			f.verdict, f.message = Warn, "a refusal's body is not an error object as OpenAI's or Anthropic's"
			return f
		case bodyError:
			n++
		case bodyNotKept:
			long++
		}
	}
	switch {
	case n == 0 && long > 0:
		return undecided(fmt.Sprintf("the bodies of %d refusals are longer than is kept of them, or broke off", long))
	case n == 0:
		return undecided("nothing was refused by status")
	}
	return passed(fmt.Sprintf("an error object on all %d refusals", n))
}

// bodyOf says what a refusal's body is. Of one that was not kept whole only the
// beginning is known.
func bodyOf(a seen) bodyKind {
	if len(a.Excerpt) >= shortenedExcerpt || a.Error != "" {
		return beginningOf(a.Excerpt)
	}
	var body map[string]json.RawMessage
	if json.Unmarshal([]byte(a.Excerpt), &body) != nil || body == nil {
		return bodyNotObject
	}
	var detail struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body["error"], &detail) == nil && detail.Message != "" || isProblem(a, body) {
		return bodyError
	}
	return bodyObject
}

// isProblem says whether an answer is a problem that says anything: all members
// of one may be left out, and about:blank stands for the status alone (RFC 9457
// section 3.1 and section 4.2.1).
func isProblem(a seen, body map[string]json.RawMessage) bool {
	kind, _, err := mime.ParseMediaType(a.Header["content-type"])
	if err != nil || kind != "application/problem+json" {
		return false
	}
	text := func(name string) (value string) {
		if json.Unmarshal(body[name], &value) != nil {
			return ""
		}
		return value
	}
	return text("title") != "" || text("detail") != "" || text("type") != "" && text("type") != "about:blank"
}

// level is an object or a list that has begun, and the member that is read.
type level struct {
	object, named bool
	name          string
}

// beginningOf says what a body is of which the end may be missing.
func beginningOf(text string) bodyKind {
	d := json.NewDecoder(strings.NewReader(text))
	told := bodyNotKept
	var open []*level
	for first := true; ; first = false {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return told
		case err != nil, first && token != json.Delim('{'), !first && len(open) == 0:
			return bodyNotObject
		case first:
			open = append(open, &level{object: true})
			continue
		}
		in := open[len(open)-1]
		if name, isText := token.(string); isText && in.object && !in.named {
			in.name, in.named = name, true
			continue
		}
		switch token {
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
			continue
		case json.Delim('{'), json.Delim('['):
			open = append(open, &level{object: token == json.Delim('{')})
		default:
			text, _ := token.(string)
			if len(open) == 2 && in.object && open[0].name == "error" && in.name == "message" && text != "" {
				told = bodyError
			}
		}
		in.named = false
	}
}
