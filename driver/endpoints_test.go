package driver_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
)

// doAt sends a request to an endpoint.
func doAt(t *testing.T, endpoint string, stream bool, answer http.HandlerFunc) history.Attempt {
	t.Helper()
	d := serve(t, answer)
	a := d.Do(context.Background(), driver.Request{
		Attempt: history.Attempt{ID: 1, Endpoint: endpoint, Stream: stream, Intended: d.Clock.Now().Sub(d.Epoch)},
		Bearer:  bearer, Path: history.EndpointPath(endpoint), Body: []byte(`{"model":"m"}`),
	})
	checkTimes(t, a)
	checkDiscretion(t, d, a)
	if a.Endpoint != endpoint {
		t.Errorf("the record's endpoint is %q", a.Endpoint)
	}
	a.Endpoint = ""
	return a
}

func TestPlainAnswersOfEndpoints(t *testing.T) {
	garbled := func(excerpt string) history.Attempt {
		return history.Attempt{Status: 200, Error: history.Garbled, Excerpt: excerpt}
	}
	const chat = `{"object":"chat.completion","choices":[]}`
	const embeddings = `{"object":"list","data":[],"usage":{"prompt_tokens":7,"total_tokens":7}}`
	for name, c := range map[string]struct {
		endpoint, sent string
		want           history.Attempt
	}{
		"completions": {history.Completions, `{"choices":[{"text":"a"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`,
			history.Attempt{Status: 200, Usage: &history.Usage{Prompt: 3, Completion: 4, Total: 7}}},
		"embeddings": {history.Embeddings, embeddings, history.Attempt{Status: 200, Usage: &history.Usage{Prompt: 7, Total: 7}}},
		"responses": {history.Responses, `{"output":[],"error":null,"usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":2},"output_tokens":4,"total_tokens":7}}`,
			history.Attempt{Status: 200, Usage: &history.Usage{Prompt: 3, Completion: 4, Total: 7, Cached: 2}}},
		"responses without a total": {history.Responses, `{"output":[],"usage":{"input_tokens":3,"output_tokens":4}}`,
			history.Attempt{Status: 200, Usage: &history.Usage{Prompt: 3, Completion: 4, Total: 7}}},
		"responses that failed": {history.Responses, `{"output":[],"error":{"message":"no"}}`, garbled(`{"output":[],"error":{"message":"no"}}`)},
		"messages": {history.Messages, `{"type":"message","content":[],"usage":{"input_tokens":3,"output_tokens":4}}`,
			history.Attempt{Status: 200, Usage: &history.Usage{Prompt: 3, Completion: 4, Total: 7}}},
		"messages with a cache": {history.Messages, `{"content":[],"usage":{"input_tokens":3,"output_tokens":4,"cache_creation_input_tokens":10,"cache_read_input_tokens":20}}`,
			history.Attempt{Status: 200, Usage: &history.Usage{Prompt: 33, Completion: 4, Total: 37, Cached: 20}}},
		"messages, an error":        {history.Messages, `{"type":"error","error":{"type":"api_error","message":"no"}}`, garbled(`{"type":"error","error":{"type":"api_error","message":"no"}}`)},
		"a chat to embeddings":      {history.Embeddings, chat, garbled(chat)},
		"a chat to responses":       {history.Responses, chat, garbled(chat)},
		"a chat to messages":        {history.Messages, chat, garbled(chat)},
		"embeddings to completions": {history.Completions, embeddings, history.Attempt{Status: 200, Error: history.Garbled, Excerpt: embeddings, Usage: &history.Usage{Prompt: 7, Total: 7}}},
		"content null":              {history.Messages, `{"content":null}`, garbled(`{"content":null}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, doAt(t, c.endpoint, false, body(200, typeJSON, c.sent)), c.want)
		})
	}
}

// sse writes events of the names that their data say.
func sse(data ...string) string {
	var b strings.Builder
	for _, d := range data {
		_, after, _ := strings.Cut(d, `"type":"`)
		name, _, _ := strings.Cut(after, `"`)
		b.WriteString("event: " + name + "\ndata: " + d + "\n\n")
	}
	return b.String()
}

func TestStreamsOfEndpoints(t *testing.T) {
	const (
		created   = `{"type":"response.created","response":{"status":"in_progress","error":null,"usage":null}}`
		delta     = `{"type":"response.output_text.delta","delta":" the"}`
		told      = `"response":{"error":null,"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}}`
		completed = `{"type":"response.completed",` + told
		failed    = `{"type":"response.failed","response":{"error":{"code":"server_error","message":"no"}}}`

		start    = `{"type":"message_start","message":{"type":"message","usage":{"input_tokens":3,"output_tokens":1}}}`
		empty    = `{"type":"message_start","message":{"usage":{"input_tokens":0,"output_tokens":0}}}`
		block    = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" the"}}`
		end      = `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}`
		endWhole = `{"type":"message_delta","delta":{},"usage":{"input_tokens":3,"output_tokens":4}}`
		stop     = `{"type":"message_stop"}`
		overload = `{"type":"error","error":{"type":"overloaded_error","message":"no"}}`
	)
	seven := &history.Usage{Prompt: 3, Completion: 4, Total: 7}
	whole := func(events int) history.Attempt {
		return history.Attempt{Status: 200, Usage: seven, Events: events, DoneSeen: true}
	}
	for name, c := range map[string]struct {
		endpoint, sent string
		want           history.Attempt
		words          []string
	}{
		"completions":                 {history.Completions, "data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}\n\ndata: [DONE]\n\n", whole(3), nil},
		"responses":                   {history.Responses, sse(created, delta, completed), whole(3), nil},
		"responses, incomplete":       {history.Responses, sse(created, strings.Replace(completed, "completed", "incomplete", 1)), whole(2), nil},
		"responses without names":     {history.Responses, "data: " + created + "\n\ndata: " + completed + "\n\n", whole(2), nil},
		"responses, named alone":      {history.Responses, "event: response.completed\ndata: {" + told + "\n\n", whole(1), nil},
		"responses with [DONE]":       {history.Responses, sse(created, completed) + "data: [DONE]\n\n", whole(2), nil},
		"responses with [DONE] alone": {history.Responses, sse(created) + "data: [DONE]\n\n", history.Attempt{Status: 200, Error: history.Cut, Events: 2}, []string{"response.completed"}},
		"responses broken off":        {history.Responses, sse(created, delta), history.Attempt{Status: 200, Error: history.Cut, Events: 2}, []string{"without response.completed"}},
		"responses that fail":         {history.Responses, sse(created, failed), history.Attempt{Status: 200, Error: history.Cut, Events: 2, Excerpt: failed}, []string{"event 2 is an error"}},
		"responses that fail at once": {history.Responses, sse(failed), history.Attempt{Status: 200, ErrorEvent: true, Events: 1, Excerpt: failed}, nil},
		"responses, refused in it":    {history.Responses, "event: error\ndata: {\"type\":\"error\",\"message\":\"no\"}\n\n", history.Attempt{Status: 200, ErrorEvent: true, Events: 1, Excerpt: `{"type":"error","message":"no"}`}, nil},

		"messages":                {history.Messages, sse(start, block, end, stop), whole(4), nil},
		"messages, started twice": {history.Messages, sse(empty, empty, block, endWhole, stop), whole(5), nil},
		"messages without names":  {history.Messages, "data: " + start + "\n\ndata: " + end + "\n\ndata: " + stop + "\n\n", whole(3), nil},
		"messages with [DONE]":    {history.Messages, sse(start, end, stop) + "data: [DONE]\n\n", whole(3), nil},
		"messages broken off":     {history.Messages, sse(start, block), history.Attempt{Status: 200, Error: history.Cut, Events: 2, Usage: &history.Usage{Prompt: 3, Completion: 1, Total: 4}}, []string{"without message_stop"}},
		"messages, an error":      {history.Messages, sse(overload), history.Attempt{Status: 200, ErrorEvent: true, Events: 1, Excerpt: overload}, nil},
		"messages, a late error":  {history.Messages, sse(start, overload), history.Attempt{Status: 200, Error: history.Cut, Events: 2, Excerpt: overload, Usage: &history.Usage{Prompt: 3, Completion: 1, Total: 4}}, []string{"event 2 is an error"}},
		"chat as messages":        {history.Messages, wholeStream, history.Attempt{Status: 200, Error: history.Cut, Events: 4, Usage: &history.Usage{}}, []string{"message_stop"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, doAt(t, c.endpoint, true, body(200, typeSSE, c.sent)), c.want, c.words...)
		})
	}
}

// TestMessagesNameTheirVersion: Anthropic's API answers 400 without it.
func TestMessagesNameTheirVersion(t *testing.T) {
	for _, endpoint := range history.Endpoints() {
		var got string
		doAt(t, endpoint, false, func(w http.ResponseWriter, r *http.Request) {
			got = r.Header.Get("Anthropic-Version")
			w.WriteHeader(http.StatusTeapot)
		})
		if (got != "") != (endpoint == history.Messages) {
			t.Errorf("%s: version %q", endpoint, got)
		}
	}
}
