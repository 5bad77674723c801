package scenarios

import (
	"encoding/json"
	"strings"

	"github.com/ratecheck/ratecheck/history"
)

// word is one token in common vocabularies and four code points long.
const word = " the"

// promptOf is as long as the script's PromptTokens say. The nonce is part of its
// length.
func promptOf(nonce string, s history.Script) string {
	prompt := "[[" + nonce + "]]"
	if more := s.PromptTokens - int64(len(prompt)/len(word)); more > 0 {
		prompt += strings.Repeat(word, int(more))
	}
	return prompt
}

// requestBody writes a request as its endpoint reads it and returns it with the
// number of bytes of its prompt.
func requestBody(model, nonce string, shot Shot) (body []byte, promptBytes int64) {
	prompt := promptOf(nonce, shot.Script)
	request := map[string]any{"model": model}
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
