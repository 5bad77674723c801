package litellm

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/ratecheck/ratecheck/history"
)

// usage is what an answer says that it cost, in the words of any endpoint.
type usage struct {
	Prompt      int64 `json:"prompt_tokens"`
	Completion  int64 `json:"completion_tokens"`
	Input       int64 `json:"input_tokens"`
	Output      int64 `json:"output_tokens"`
	Cached      cached
	InputCached cached
}

type cached struct {
	Tokens int64 `json:"cached_tokens"`
}

// UnmarshalJSON reads the details under both of their names.
func (u *usage) UnmarshalJSON(text []byte) error {
	type plain usage
	var details struct {
		Prompt cached `json:"prompt_tokens_details"`
		Input  cached `json:"input_tokens_details"`
	}
	if err := json.Unmarshal(text, (*plain)(u)); err != nil {
		return err
	}
	if err := json.Unmarshal(text, &details); err != nil {
		return err
	}
	u.Cached, u.InputCached = details.Prompt, details.Input
	return nil
}

// meter reads what goes by of an answer.
type meter struct {
	endpoint string
	// told says that there was a usage.
	told          bool
	input, output int64
	// chars is the length of the text, in code points.
	chars int64
}

// event is an event of a stream or a whole answer, as far as it matters.
type event struct {
	Usage    *usage `json:"usage"`
	Response *struct {
		Usage *usage `json:"usage"`
	} `json:"response"`
	Message *struct {
		Usage *usage `json:"usage"`
	} `json:"message"`
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
		Text string `json:"text"`
	} `json:"choices"`
	Delta json.RawMessage `json:"delta"`
}

// read takes in a whole answer or the data of an event; usageOnly is true for
// the event that OpenAI sends to who asks for usage.
func (m *meter) read(data []byte) (usageOnly bool) {
	var e event
	if json.Unmarshal(data, &e) != nil {
		return false // [DONE], or what the client will see for itself
	}
	for _, c := range e.Choices {
		m.chars += int64(utf8.RuneCountInString(c.Delta.Content + c.Text))
	}
	m.chars += deltaLength(e.Delta)
	u := e.Usage
	switch {
	case u != nil:
	case e.Response != nil:
		u = e.Response.Usage
	case e.Message != nil:
		u = e.Message.Usage
	}
	if u != nil {
		m.told = true
		// Anthropic tells the input at the beginning and the output at the end.
		m.input = max(m.input, u.Prompt+u.Input-u.Cached.Tokens-u.InputCached.Tokens)
		m.output = max(m.output, u.Completion+u.Output)
	}
	return u != nil && e.Usage != nil && len(e.Choices) == 0 && bytes.Contains(data, []byte(`"choices"`))
}

// deltaLength is the length of a piece of text on /v1/responses and
// /v1/messages.
func deltaLength(delta json.RawMessage) int64 {
	var text string
	if json.Unmarshal(delta, &text) == nil {
		return int64(utf8.RuneCountInString(text))
	}
	var piece struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(delta, &piece)
	return int64(utf8.RuneCountInString(piece.Text))
}

// used is what a release charges for an answer. Where the answer does not tell,
// LiteLLM counts the text itself.
func (m *meter) used(release Release, r *request) int64 {
	uncounted := release.Has(EmbeddingsUncounted)
	switch {
	case release.Has(ResponsesUncounted) && m.endpoint == history.Responses,
		uncounted && m.endpoint == history.Embeddings:
		return 0
	case uncounted && m.endpoint == history.Completions && !r.flag("stream"):
		return 0 // a stream is put together as if it were chat, and counted
	}
	input, output := m.input, m.output
	if !m.told {
		input, output = r.inputTokens(), m.chars/charsPerToken
	}
	if release.Has(OutputOnly) {
		return output
	}
	return input + output
}
