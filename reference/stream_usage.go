package reference

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// streamMeter counts what a stream used.
type streamMeter struct {
	// used is what the upstream says that it cost; nil where it did not say.
	used       *usage
	codePoints int64
	// ended: the upstream ended it as the endpoint's streams end; whole: and
	// well; left: the client did not wait for that.
	ended, whole, left bool
	// message is what the events of messages have told so far.
	message messageUsage
}

func (m *streamMeter) say(texts ...string) {
	for _, text := range texts {
		m.codePoints += int64(utf8.RuneCountInString(text))
	}
}

func (m *streamMeter) cost(used usage) { m.used = &used }

// end is the last event of a stream; well says that nothing failed.
func (m *streamMeter) end(well bool) { m.ended, m.whole = true, well }

// decode reads an event's data or an answer; false where it is no JSON. A field
// of another type than expected does not keep the others from being counted.
func decode(data []byte, to any) bool {
	err := json.Unmarshal(data, to)
	var mistyped *json.UnmarshalTypeError
	return err == nil || errors.As(err, &mistyped)
}

// cachedTokens are those of {"cached_tokens": N}. Whatever else stands there
// keeps nothing else from being counted.
type cachedTokens int64

// UnmarshalJSON never fails.
func (c *cachedTokens) UnmarshalJSON(text []byte) error {
	var details struct {
		Cached int64 `json:"cached_tokens"`
	}
	if decode(text, &details) {
		*c = cachedTokens(details.Cached)
	}
	return nil
}

// chatUsage is what an upstream says a chat completion, a text completion or an
// embedding cost.
type chatUsage struct {
	Prompt     int64        `json:"prompt_tokens"`
	Completion int64        `json:"completion_tokens"`
	Total      int64        `json:"total_tokens"`
	Cached     cachedTokens `json:"prompt_tokens_details"`
}

func (u chatUsage) usage() usage {
	return newUsage(u.Prompt, u.Completion, u.Total, int64(u.Cached))
}

func usedChat(answer []byte) (usage, bool) { return usedOf[chatUsage](answer) }

// usedOf reads the usage of a plain answer; false where it tells none that can
// be read. What else the answer says is not decoded: it may be long.
func usedOf[U interface{ usage() usage }](answer []byte) (usage, bool) {
	if !isJSON(answer) {
		return usage{}, false
	}
	var text jsonValue
	jsonValue(bytes.TrimSpace(answer)).members(func(name []byte, value jsonValue) {
		if string(name) == "usage" {
			text = value
		}
	})
	var told U
	if text.absent() || json.Unmarshal(text, &told) != nil {
		return usage{}, false
	}
	return told.usage(), true
}

// chunk is what an event of a chat or text completion says, as far as it is
// counted.
type chunk struct {
	Choices []struct {
		Text  string `json:"text"`
		Delta struct {
			Content   string `json:"content"`
			Reasoning string `json:"reasoning_content"`
			Refusal   string `json:"refusal"`
			ToolCalls []struct {
				Function struct {
					Name      string `json:"name"`
					Arguments string `json:"arguments"`
				} `json:"function"`
			} `json:"tool_calls"`
		} `json:"delta"`
	} `json:"choices"`
	Usage *chatUsage `json:"usage"`
}

func readChunk(m *streamMeter, data []byte) (extra bool) {
	if string(data) == "[DONE]" {
		m.end(true)
		return false
	}
	var c chunk
	if decode(data, &c) {
		if c.Usage != nil {
			m.cost(c.Usage.usage())
		}
		for _, choice := range c.Choices {
			d := choice.Delta
			m.say(choice.Text, d.Content, d.Reasoning, d.Refusal)
			for _, call := range d.ToolCalls {
				m.say(call.Function.Name, call.Function.Arguments)
			}
		}
	}
	return c.Usage != nil && len(c.Choices) == 0
}

// responseUsage is what an upstream says a response cost.
type responseUsage struct {
	Input  int64        `json:"input_tokens"`
	Output int64        `json:"output_tokens"`
	Total  int64        `json:"total_tokens"`
	Cached cachedTokens `json:"input_tokens_details"`
}

func (u responseUsage) usage() usage { return newUsage(u.Input, u.Output, u.Total, int64(u.Cached)) }

func usedResponse(answer []byte) (usage, bool) { return usedOf[responseUsage](answer) }

// readResponseEvent reads an event of responses. Whatever their type is, deltas
// are text that the model produced.
func readResponseEvent(m *streamMeter, data []byte) (extra bool) {
	var e struct {
		Type     string `json:"type"`
		Delta    string `json:"delta"`
		Response *struct {
			Usage *responseUsage `json:"usage"`
		} `json:"response"`
	}
	if !decode(data, &e) {
		return false
	}
	m.say(e.Delta)
	if e.Response != nil && e.Response.Usage != nil {
		m.cost(e.Response.Usage.usage())
	}
	switch e.Type {
	case "response.completed", "response.incomplete":
		m.end(true)
	case "response.failed", "error":
		m.end(false)
	}
	return false
}

// messageUsage is what an upstream says a message cost. What was read from a
// cache is apart from the input, and not charged (rule 13).
type messageUsage struct {
	Input   int64 `json:"input_tokens"`
	Written int64 `json:"cache_creation_input_tokens"`
	Output  int64 `json:"output_tokens"`
}

func (u messageUsage) usage() usage {
	return newUsage(addTokens(max(0, u.Input), max(0, u.Written)), u.Output, 0, 0)
}

func usedMessage(answer []byte) (usage, bool) { return usedOf[messageUsage](answer) }

// readMessageEvent reads an event of messages. The input is told at the start
// and the output at the end; each is a sum so far, so the larger one counts.
func readMessageEvent(m *streamMeter, data []byte) (extra bool) {
	var e struct {
		Type    string `json:"type"`
		Message struct {
			Usage messageUsage `json:"usage"`
		} `json:"message"`
		Delta struct {
			Text     string `json:"text"`
			Thinking string `json:"thinking"`
			JSON     string `json:"partial_json"`
		} `json:"delta"`
		Usage *messageUsage `json:"usage"`
	}
	if !decode(data, &e) {
		return false
	}
	m.say(e.Delta.Text, e.Delta.Thinking, e.Delta.JSON)
	m.message.grow(e.Message.Usage)
	if e.Usage != nil {
		m.message.grow(*e.Usage)
		m.cost(m.message.usage())
	}
	switch e.Type {
	case "message_stop":
		m.end(true)
	case "error":
		m.end(false)
	}
	return false
}

func (u *messageUsage) grow(by messageUsage) {
	u.Input, u.Written, u.Output = max(u.Input, by.Input), max(u.Written, by.Written), max(u.Output, by.Output)
}
