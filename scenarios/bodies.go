package scenarios

import (
	"encoding/json"
	"strings"

	"github.com/ratecheck/ratecheck/history"
)

// word is one token in common vocabularies and four code points long.
const word = " the"

// mark is how a nonce stands in a request.
func mark(nonce string) string { return "[[" + nonce + "]]" }

// promptOf begins with a text and is as long as the script's PromptTokens say,
// that text included.
func promptOf(prompt string, s history.Script) string {
	if more := s.PromptTokens - int64(len(prompt)/len(word)); more > 0 {
		prompt += strings.Repeat(word, int(more))
	}
	return prompt
}

// requestBody writes a request as its endpoint reads it and returns it with the
// number of bytes of its prompt.
func requestBody(model, nonce string, shot Shot) (body []byte, promptBytes int64) {
	begin := mark(nonce)
	request := map[string]any{"model": model}
	if shot.NonceInStop {
		begin, request["stop"] = "", []string{mark(nonce)}
	}
	prompt := promptOf(begin, shot.Script)
	most, asksForUsage := "max_tokens", true
	switch shot.Endpoint {
	case history.Completions:
		request["prompt"] = prompt
	case history.Embeddings:
		request["input"], most = prompt, ""
	case history.Responses:
		request["input"], most, asksForUsage = prompt, "max_output_tokens", false
	case history.Messages:
		request["messages"], asksForUsage = userMessage(prompt), false
	default:
		request["messages"] = userMessage(prompt)
	}
	if shot.MaxTokens >= 0 && most != "" {
		request[most] = shot.MaxTokens
	}
	if shot.Stream {
		request["stream"] = true
		if asksForUsage && !shot.WithoutUsage {
			request["stream_options"] = map[string]bool{"include_usage": true}
		}
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, 0 // strings and numbers always encode
	}
	return body, int64(len(prompt))
}

func userMessage(text string) []map[string]string {
	return []map[string]string{{"role": "user", "content": text}}
}
