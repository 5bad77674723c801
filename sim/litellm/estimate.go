package litellm

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/ratecheck/ratecheck/history"
)

// What the releases reckon with.
const (
	charsPerToken = 4
	// baseFloor is what is reserved for an answer without max_tokens.
	baseFloor = 1024
	// floorPart is the part of a small limit that is reserved instead.
	floorPart = 4
	// leastOutput is the smallest max_output_tokens that /v1/responses takes.
	leastOutput = 16
)

// request is a request's body, as far as the limiter reads it.
type request struct {
	endpoint string
	members  map[string]json.RawMessage
	body     []byte
	changed  bool
}

func readRequest(endpoint string, body []byte) (*request, error) {
	r := &request{endpoint: endpoint, body: body}
	if err := json.Unmarshal(body, &r.members); err != nil {
		return nil, err
	}
	return r, nil
}

// bytes is the body as it goes upstream.
func (r *request) bytes() []byte {
	if !r.changed {
		return r.body
	}
	body, err := json.Marshal(r.members)
	if err != nil {
		return r.body // what was JSON encodes
	}
	return body
}

func (r *request) set(name string, value any) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return // numbers, texts and maps of them encode
	}
	r.members[name] = encoded
	r.changed = true
}

// has says whether a member is there and not null.
func (r *request) has(name string) bool {
	value, there := r.members[name]
	return there && string(value) != "null"
}

// number is a member that is a whole number; 0 where it is none.
func (r *request) number(name string) int64 {
	var n int64
	_ = json.Unmarshal(r.members[name], &n)
	return n
}

// text is a member that is a text; empty where it is none.
func (r *request) text(name string) string {
	var text string
	_ = json.Unmarshal(r.members[name], &text)
	return text
}

func (r *request) flag(name string) bool {
	var b bool
	_ = json.Unmarshal(r.members[name], &b)
	return b
}

// asksForUsage says whether a stream is to tell its usage.
func (r *request) asksForUsage() bool {
	var options struct {
		IncludeUsage bool `json:"include_usage"`
	}
	_ = json.Unmarshal(r.members["stream_options"], &options)
	return options.IncludeUsage
}

// prompt is how long the text of the request is, in code points.
func (r *request) prompt() int64 {
	for _, name := range []string{"messages", "prompt", "input"} {
		if n := textLength(r.members[name]); n > 0 {
			return n
		}
	}
	return 0
}

// textLength counts the code points of a text, of a list of texts, or of the
// content of messages.
func textLength(value json.RawMessage) int64 {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return int64(utf8.RuneCountInString(text))
	}
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil {
		return 0
	}
	var n int64
	for _, item := range list {
		var message struct {
			Content json.RawMessage `json:"content"`
			Text    string          `json:"text"`
		}
		switch {
		case json.Unmarshal(item, &message) == nil:
			n += textLength(message.Content) + int64(utf8.RuneCountInString(message.Text))
		case json.Unmarshal(item, &text) == nil:
			n += int64(utf8.RuneCountInString(text))
		default:
			n++ // a token id
		}
	}
	return n
}

// inputTokens is what the text is taken for.
func (r *request) inputTokens() int64 {
	chars := r.prompt()
	if chars == 0 {
		return 0
	}
	return max(1, chars/charsPerToken)
}

// floor is what is reserved for an answer without max_tokens.
func floor(release Release, limit int64) int64 {
	if release.Has(UncappedFloor) {
		return baseFloor
	}
	return min(baseFloor, max(1, limit/floorPart))
}

// reservesInputAlone says whether nothing is reserved for an answer. Releases
// that take /v1/responses for embeddings see an input in both.
func (r *request) reservesInputAlone(release Release) bool {
	return r.endpoint == history.Embeddings || release.Has(ResponsesReservedAsText) && r.has("input")
}

// mostOutput is the output that the request itself bounds; 0 where it does not.
func (r *request) mostOutput(release Release) int64 {
	most := r.number("max_tokens")
	if most == 0 {
		most = r.number("max_completion_tokens")
	}
	if r.endpoint == history.Responses && !release.Has(ResponsesReservedAsText) {
		most = r.number("max_output_tokens")
	}
	return most
}

// estimate is what a request is reserved on a key with a token limit. It may
// change the request.
func (r *request) estimate(release Release, limit int64) int64 {
	r.injectMaxTokens(release, limit)
	input, output := r.inputTokens(), r.mostOutput(release)
	switch {
	case r.endpoint == history.Embeddings, output == 0 && r.reservesInputAlone(release), output == 0 && input == 0:
		output = 0
	case output == 0:
		output = max(input, floor(release, limit))
	}
	return max(1, input+output)
}

// injectMaxTokens bounds the answer of a request that does not.
func (r *request) injectMaxTokens(release Release, limit int64) {
	cap := floor(release, limit)
	name, bounded := "max_tokens", r.has("max_tokens") || r.has("max_completion_tokens")
	if r.endpoint == history.Responses {
		name, cap, bounded = "max_output_tokens", max(cap, leastOutput), r.has("max_output_tokens")
	}
	if release.Has(InjectsMaxTokens) && cap < baseFloor && !bounded && !r.reservesInputAlone(release) {
		r.set(name, cap)
	}
}
