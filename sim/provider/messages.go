package provider

import (
	"net/http"
	"strconv"
)

// messagesWire is POST /v1/messages, as Anthropic words it.
type messagesWire struct{}

func (w messagesWire) plain(c *call) any {
	m := w.message(c, []object{{"type": "text", "text": c.text()}}, "end_turn")
	if !c.script.WithoutUsage {
		m["usage"] = w.usage(c, c.record.Usage.Completion)
	}
	return m
}

func (messagesWire) message(c *call, content []object, stop any) object {
	return object{
		"id": "msg_" + strconv.Itoa(c.record.ID), "type": "message", "role": "assistant", "model": c.request.Model,
		"content": content, "stop_reason": stop, "stop_sequence": nil,
	}
}

// usage is the input, of which Anthropic counts what was cached apart, and the
// output so far.
func (messagesWire) usage(c *call, output int64) object {
	u := c.record.Usage
	return object{
		"input_tokens": u.Prompt - u.Cached, "output_tokens": output,
		"cache_creation_input_tokens": 0, "cache_read_input_tokens": u.Cached,
	}
}

func (w messagesWire) begin(s *stream) {
	m := w.message(s.call, []object{}, nil)
	if !s.call.script.WithoutUsage {
		m["usage"] = w.usage(s.call, 0)
	}
	s.named("message_start", object{"type": "message_start", "message": m})
	s.named("content_block_start", object{"type": "content_block_start", "index": 0, "content_block": object{"type": "text", "text": ""}})
	s.named("ping", object{"type": "ping"})
}

func (messagesWire) chunk(s *stream, _ int, text string) {
	s.named("content_block_delta", object{"type": "content_block_delta", "index": 0, "delta": object{"type": "text_delta", "text": text}})
}

func (messagesWire) end(s *stream) {
	s.named("content_block_stop", object{"type": "content_block_stop", "index": 0})
	delta := object{"type": "message_delta", "delta": object{"stop_reason": "end_turn", "stop_sequence": nil}}
	if !s.call.script.WithoutUsage {
		delta["usage"] = object{"output_tokens": s.call.record.Usage.Completion}
	}
	s.named("message_delta", delta)
	s.lastNamed("message_stop", object{"type": "message_stop"})
}

func (messagesWire) failure(status int, message string) any {
	kind := "api_error"
	switch {
	case status == http.StatusTooManyRequests:
		kind = "rate_limit_error"
	case status < http.StatusInternalServerError:
		kind = "invalid_request_error"
	}
	return object{"type": "error", "error": object{"type": kind, "message": message}}
}
