package reference

import "net/http"

// endpoint is what the proxy knows of an endpoint that it limits.
type endpoint struct {
	// path is below the upstream's base URL.
	path string
	// content reads what its body asks for.
	content contentOf
	// maximum is the field that limits its output; empty where it has none.
	maximum string
	// used is what a plain answer says that it cost; false where it does not
	// say.
	used func(answer []byte) (usage, bool)
	// read takes in an event of a stream; extra is true for one that only tells
	// the usage of a stream that was asked for it.
	read func(m *streamMeter, data []byte) (extra bool)
	// mustAsk is set where a stream tells its usage only to who asks
	// (stream_options.include_usage).
	mustAsk bool
}

func endpoints() []endpoint {
	return []endpoint{
		{path: "chat/completions", content: chatContent, maximum: "max_tokens", used: usedChat, read: readChunk, mustAsk: true},
		{path: "completions", content: completionContent, maximum: "max_tokens", used: usedChat, read: readChunk, mustAsk: true},
		{path: "embeddings", content: embeddingContent, used: usedChat, read: readChunk},
		{path: "responses", content: responseContent, maximum: "max_output_tokens", used: usedResponse, read: readResponseEvent},
		{path: "messages", content: messageContent, maximum: "max_tokens", used: usedMessage, read: readMessageEvent},
	}
}

// errorShape is how an endpoint words errors.
type errorShape int

const (
	openAIShape errorShape = iota
	anthropicShape
)

// shapeOf is the shape of errors that the clients of a path read.
func shapeOf(r *http.Request) errorShape {
	if r.URL.Path == messagesPath {
		return anthropicShape
	}
	return openAIShape
}

const messagesPath = "/v1/messages"

// anthropicType is the type of an error in Anthropic's words; kind is OpenAI's.
func anthropicType(status int, kind string) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	}
	if status >= http.StatusInternalServerError {
		return "api_error"
	}
	return kind
}

// anthropicError is an error in Anthropic's shape.
type anthropicError struct {
	Type  string `json:"type"`
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
}
