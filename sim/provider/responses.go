package provider

import (
	"strconv"
	"strings"
)

// responsesWire is POST /v1/responses.
type responsesWire struct{ openAIErrors }

func (w responsesWire) plain(c *call) any { return w.response(c, "completed", c.text()) }

// response is the response object while it has a status.
func (w responsesWire) response(c *call, status, text string) object {
	output := []object{}
	var usage any
	if status == "completed" {
		output = append(output, w.item(c, status, text))
		if u := c.record.Usage; !c.script.WithoutUsage {
			usage = object{
				"input_tokens": u.Prompt, "input_tokens_details": object{"cached_tokens": u.Cached},
				"output_tokens": u.Completion, "output_tokens_details": object{"reasoning_tokens": 0},
				"total_tokens": u.Total,
			}
		}
	}
	return object{
		"id": "resp_" + strconv.Itoa(c.record.ID), "object": "response", "created_at": c.provider.clock.Now().Unix(),
		"status": status, "model": c.request.Model, "output": output, "usage": usage,
		"error": nil, "incomplete_details": nil, "instructions": nil, "metadata": object{},
		"parallel_tool_calls": true, "tool_choice": "auto", "tools": []object{}, "temperature": 1, "top_p": 1,
	}
}

func (w responsesWire) item(c *call, status, text string) object {
	content := []object{}
	if status == "completed" {
		content = append(content, w.part(text))
	}
	return object{"id": w.itemID(c), "type": "message", "role": "assistant", "status": status, "content": content}
}

func (responsesWire) itemID(c *call) string { return "msg_" + strconv.Itoa(c.record.ID) }

func (responsesWire) part(text string) object {
	return object{"type": "output_text", "text": text, "annotations": []object{}, "logprobs": []object{}}
}

// event is an event of the stream; those of the one output item name it.
func (w responsesWire) event(s *stream, kind string, more object) object {
	e := object{"type": kind, "sequence_number": s.events}
	s.events++
	if !strings.HasPrefix(kind, "response.output_item") && more["response"] == nil {
		e["item_id"], e["content_index"] = w.itemID(s.call), 0
	}
	if more["response"] == nil {
		e["output_index"] = 0
	}
	for name, value := range more {
		e[name] = value
	}
	return e
}

func (w responsesWire) send(s *stream, kind string, more object) {
	s.named(kind, w.event(s, kind, more))
}

func (w responsesWire) begin(s *stream) {
	w.send(s, "response.created", object{"response": w.response(s.call, "in_progress", "")})
	w.send(s, "response.in_progress", object{"response": w.response(s.call, "in_progress", "")})
	w.send(s, "response.output_item.added", object{"item": w.item(s.call, "in_progress", "")})
	w.send(s, "response.content_part.added", object{"part": w.part("")})
}

func (w responsesWire) chunk(s *stream, _ int, text string) {
	w.send(s, "response.output_text.delta", object{"delta": text})
}

func (w responsesWire) end(s *stream) {
	text := s.call.text()
	w.send(s, "response.output_text.done", object{"text": text})
	w.send(s, "response.content_part.done", object{"part": w.part(text)})
	w.send(s, "response.output_item.done", object{"item": w.item(s.call, "completed", text)})
	const last = "response.completed"
	s.lastNamed(last, w.event(s, last, object{"response": w.response(s.call, "completed", text)}))
}
