package provider

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/ratecheck/ratecheck/history"
)

// wire is how an endpoint words its answers.
type wire interface {
	// plain is the body of an answer that is not streamed.
	plain(c *call) any
	// begin, chunk and end write a stream: what comes before its text, a piece
	// of it, and what comes behind.
	begin(s *stream)
	chunk(s *stream, i int, text string)
	end(s *stream)
	// failure is the body of an error.
	failure(status int, message string) any
}

// wires are the endpoints by the names that the ledger has for them.
func wires() map[string]wire {
	return map[string]wire{
		history.Chat:        chatWire{},
		history.Completions: completionsWire{},
		history.Embeddings:  embeddingsWire{},
		history.Responses:   responsesWire{},
		history.Messages:    messagesWire{},
	}
}

// object is a JSON object.
type object = map[string]any

// openAIErrors words errors as OpenAI does.
type openAIErrors struct{}

func (openAIErrors) failure(status int, message string) any {
	return object{"error": object{
		"message": message, "type": errorType(status), "param": nil, "code": strconv.Itoa(status),
	}}
}

func errorType(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= http.StatusInternalServerError:
		return "server_error"
	default:
		return "invalid_request_error"
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// writeError writes an error of the control paths.
func writeError(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, openAIErrors{}.failure(status, message))
}
