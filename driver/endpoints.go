package driver

import (
	"cmp"
	"encoding/json"

	"github.com/ratecheck/ratecheck/history"
)

// body is what an answer or an event says, as far as it is judged, on any
// endpoint.
type body struct {
	Type  string          `json:"type"`
	Usage *usage          `json:"usage"`
	Error json.RawMessage `json:"error"`

	// What an answer holds that is one: of text completions, embeddings,
	// responses and messages.
	Choices json.RawMessage `json:"choices"`
	Data    json.RawMessage `json:"data"`
	Output  json.RawMessage `json:"output"`
	Content json.RawMessage `json:"content"`

	// Response and Message are in the events of those endpoints.
	Response nested `json:"response"`
	Message  nested `json:"message"`
}

// usage is a count of tokens: prompt and completion by OpenAI, input and output
// by its responses and by Anthropic, who counts what was cached apart.
type usage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Total      int64 `json:"total_tokens"`

	Input  int64 `json:"input_tokens"`
	Output int64 `json:"output_tokens"`

	Details      *cached `json:"prompt_tokens_details"`
	InputDetails *cached `json:"input_tokens_details"`

	CacheWritten int64 `json:"cache_creation_input_tokens"`
	CacheRead    int64 `json:"cache_read_input_tokens"`
}

type cached struct {
	Tokens int64 `json:"cached_tokens"`
}

// nested is an object within an event that may tell the usage. In an error a
// member of the same name is a text, which says nothing of it.
type nested struct{ usage *usage }

func (n *nested) UnmarshalJSON(text []byte) error {
	var object struct {
		Usage *usage `json:"usage"`
	}
	if len(text) > 0 && text[0] == '{' {
		if err := json.Unmarshal(text, &object); err != nil {
			return err
		}
	}
	n.usage = object.Usage
	return nil
}

func isThere(v json.RawMessage) bool { return len(v) > 0 && string(v) != "null" }

// isError says whether an answer is an error by its own words.
func (b body) isError() bool { return isThere(b.Error) }

// isAnswerOf says whether a plain answer has the shape of its endpoint's. Chat
// is taken as it comes: gateways differ in what they leave out.
func (b body) isAnswerOf(endpoint string) bool {
	switch endpoint {
	case history.Completions:
		return isThere(b.Choices)
	case history.Embeddings:
		return isThere(b.Data)
	case history.Responses:
		return isThere(b.Output)
	case history.Messages:
		return isThere(b.Content)
	}
	return true
}

// isErrorEvent says whether an event tells that the answer failed.
func (b body) isErrorEvent(name, endpoint string) bool {
	switch endpoint {
	case history.Responses:
		kind := cmp.Or(b.Type, name)
		return b.isError() || kind == "error" || kind == "response.failed"
	case history.Messages:
		return b.isError() || cmp.Or(b.Type, name) == "error"
	}
	return b.isError()
}

// doneMark is the data of the last event of a chat or text completion. The
// official SDKs look at its beginning only. Where a stream ends otherwise the
// mark may still come, behind its last event.
const doneMark = "[DONE]"

func endsWithMark(endpoint string) bool {
	return endpoint != history.Responses && endpoint != history.Messages
}

// lastEvent names what ends a whole stream.
func lastEvent(endpoint string) string {
	switch endpoint {
	case history.Responses:
		return "response.completed"
	case history.Messages:
		return "message_stop"
	}
	return doneMark
}

// isLast says whether an event that is not doneMark ends a whole stream.
func (b body) isLast(name, endpoint string) bool {
	kind := cmp.Or(b.Type, name)
	switch endpoint {
	case history.Responses:
		return kind == "response.completed" || kind == "response.incomplete"
	case history.Messages:
		return kind == "message_stop"
	}
	return false
}

// usage is what an answer or an event says of tokens, with what earlier events
// said; nil where it says nothing.
func (b body) usage(endpoint string, earlier *history.Usage) *history.Usage {
	switch endpoint {
	case history.Responses:
		u := cmp.Or(b.Usage, b.Response.usage)
		if u == nil {
			return nil
		}
		told := &history.Usage{Prompt: u.Input, Completion: u.Output, Total: u.Total, Cached: u.InputDetails.tokens()}
		if told.Total == 0 {
			told.Total = told.Prompt + told.Completion
		}
		return told
	case history.Messages:
		u := cmp.Or(b.Usage, b.Message.usage)
		if u == nil {
			return nil
		}
		return u.message(earlier)
	}
	if b.Usage == nil {
		return nil
	}
	return &history.Usage{
		Prompt: b.Usage.Prompt, Completion: b.Usage.Completion, Total: b.Usage.Total, Cached: b.Usage.Details.tokens(),
	}
}

func (c *cached) tokens() int64 {
	if c == nil {
		return 0
	}
	return c.Tokens
}

// message is Anthropic's usage: the start of a stream tells the input and its
// end the output, each a sum so far, so the larger one counts.
func (u *usage) message(earlier *history.Usage) *history.Usage {
	told := &history.Usage{Prompt: u.Input + u.CacheWritten + u.CacheRead, Completion: u.Output, Cached: u.CacheRead}
	if earlier != nil {
		told.Prompt, told.Completion = max(told.Prompt, earlier.Prompt), max(told.Completion, earlier.Completion)
		told.Cached = max(told.Cached, earlier.Cached)
	}
	told.Total = told.Prompt + told.Completion
	return told
}
