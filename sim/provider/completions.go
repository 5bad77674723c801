package provider

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
)

// completionsWire is POST /v1/completions.
type completionsWire struct{ openAIErrors }

type textChoice struct {
	Text         string  `json:"text"`
	Index        int     `json:"index"`
	Logprobs     *string `json:"logprobs"`
	FinishReason *string `json:"finish_reason"`
}

type textAnswer struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"`
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []textChoice `json:"choices"`
	Usage   *chatUsage   `json:"usage,omitempty"`
}

func (completionsWire) answer(c *call, choices []textChoice) textAnswer {
	return textAnswer{
		ID: "cmpl-" + strconv.Itoa(c.record.ID), Object: "text_completion",
		Created: c.provider.clock.Now().Unix(), Model: c.request.Model, Choices: choices,
	}
}

func (w completionsWire) plain(c *call) any {
	answer := w.answer(c, []textChoice{{Text: c.text(), FinishReason: finished("stop")}})
	if !c.script.WithoutUsage {
		answer.Usage = c.usage()
	}
	return answer
}

func (completionsWire) begin(*stream) {}

func (w completionsWire) chunk(s *stream, _ int, text string) {
	s.data(w.answer(s.call, []textChoice{{Text: text}}))
}

func (w completionsWire) end(s *stream) {
	s.data(w.answer(s.call, []textChoice{{FinishReason: finished("stop")}}))
	if s.call.asksForUsage() {
		answer := w.answer(s.call, []textChoice{})
		answer.Usage = s.call.usage()
		s.data(answer)
	}
	s.last("data: [DONE]\n\n")
}

// embeddingsWire is POST /v1/embeddings. It has no streams: a request for one is
// answered plainly.
type embeddingsWire struct{ openAIErrors }

func (embeddingsWire) plain(c *call) any {
	data := []object{}
	for i := range inputs(c.request.Input) {
		data = append(data, object{"object": "embedding", "index": i, "embedding": vector(c.request.EncodingFormat)})
	}
	answer := object{"object": "list", "model": c.request.Model, "data": data}
	if !c.script.WithoutUsage {
		u := c.record.Usage
		answer["usage"] = object{"prompt_tokens": u.Prompt, "total_tokens": u.Total}
	}
	return answer
}

// inputs is how many texts an input holds: a list of texts or of lists of token
// ids holds several, a text or a list of token ids is one.
func inputs(input json.RawMessage) int {
	var list []json.RawMessage
	if json.Unmarshal(input, &list) != nil || len(list) == 0 {
		return 1
	}
	if first := list[0][0]; first == '"' || first == '[' {
		return len(list)
	}
	return 1
}

// vector is what any text is embedded as, in the form that was asked for.
func vector(format string) any {
	values := []float32{0.1, 0.2, 0.3}
	if format != "base64" {
		return values
	}
	var packed []byte
	for _, v := range values {
		packed = binary.LittleEndian.AppendUint32(packed, math.Float32bits(v))
	}
	return base64.StdEncoding.EncodeToString(packed)
}

func (embeddingsWire) begin(*stream)              {}
func (embeddingsWire) chunk(*stream, int, string) {}
func (embeddingsWire) end(*stream)                {}
