package provider

import (
	"strconv"
)

// chatWire is POST /v1/chat/completions.
type chatWire struct{ openAIErrors }

type chatUsage struct {
	PromptTokens     int64              `json:"prompt_tokens"`
	CompletionTokens int64              `json:"completion_tokens"`
	TotalTokens      int64              `json:"total_tokens"`
	Details          *chatPromptDetails `json:"prompt_tokens_details,omitempty"`
}

type chatPromptDetails struct {
	CachedTokens int64 `json:"cached_tokens"`
}

type chatMessage struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content"`
}

type chatDelta struct {
	Role    string `json:"role,omitempty"`
	Content string `json:"content,omitempty"`
}

type chatChoice struct {
	Index        int          `json:"index"`
	Message      *chatMessage `json:"message,omitempty"`
	Delta        *chatDelta   `json:"delta,omitempty"`
	FinishReason *string      `json:"finish_reason"`
}

type chatAnswer struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []chatChoice `json:"choices"`
	Usage   *chatUsage   `json:"usage,omitempty"`
}

func (c *call) envelope(object string) chatAnswer {
	return chatAnswer{
		ID: "chatcmpl-" + strconv.Itoa(c.record.ID), Object: object,
		Created: c.provider.clock.Now().Unix(), Model: c.request.Model, Choices: []chatChoice{},
	}
}

func (c *call) usage() *chatUsage {
	u := c.record.Usage
	usage := &chatUsage{PromptTokens: u.Prompt, CompletionTokens: u.Completion, TotalTokens: u.Total}
	if u.Cached > 0 {
		usage.Details = &chatPromptDetails{CachedTokens: u.Cached}
	}
	return usage
}

func (chatWire) plain(c *call) any {
	answer := c.envelope("chat.completion")
	answer.Choices = append(answer.Choices, chatChoice{
		Message: &chatMessage{Role: "assistant", Content: c.text()}, FinishReason: finished("stop"),
	})
	if !c.script.WithoutUsage {
		answer.Usage = c.usage()
	}
	return answer
}

func finished(reason string) *string { return &reason }

func (w chatWire) begin(*stream) {}

func (w chatWire) chunk(s *stream, i int, text string) {
	delta := &chatDelta{Content: text}
	if i == 0 {
		delta.Role = "assistant"
	}
	w.send(s, []chatChoice{{Delta: delta}}, nil)
}

func (w chatWire) end(s *stream) {
	w.send(s, []chatChoice{{Delta: &chatDelta{}, FinishReason: finished("stop")}}, nil)
	if s.call.asksForUsage() {
		w.send(s, []chatChoice{}, s.call.usage())
	}
	s.last("data: [DONE]\n\n")
}

func (chatWire) send(s *stream, choices []chatChoice, usage *chatUsage) {
	answer := s.call.envelope("chat.completion.chunk")
	answer.Choices, answer.Usage = choices, usage
	s.data(answer)
}
