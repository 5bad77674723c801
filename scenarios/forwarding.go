package scenarios

import (
	"context"

	"github.com/ratecheck/ratecheck/history"
)

// forwardingBodies sends requests that use much of what a body may hold, on a
// key with limits, to see what of them reaches the provider. Some state a
// maximum of tokens and some do not: limiters are known that write one in, for
// small limits. Before that it reads on the same key which tokens count.
func forwardingBodies() Scenario {
	const rpm, tpm = 110, 3900
	asks := []string{"forwarding/body-unchanged", "forwarding/no-internal-fields", "headers/key-before-provider", "headers/provider-passed"}
	bodies := []Shot{
		{Step: "tools", MaxTokens: 20, Members: map[string]any{
			"tools": weatherTool(), "tool_choice": "auto", "temperature": 0.3, "n": 2, "stop": "END",
		}, Messages: conversation},
		{Step: "sampling", MaxTokens: 20, Members: map[string]any{
			"temperature": 1, "top_p": 0.95, "n": 1, "stop": []string{"END", "STOP"}, "presence_penalty": -0.5,
		}},
		{Step: "unbounded", MaxTokens: NoMaxTokens, Members: map[string]any{"temperature": 0.7}},
		{Step: "completion-maximum", MaxTokens: NoMaxTokens, Members: map[string]any{"max_completion_tokens": 24}},
		{Step: "stream", Stream: true, MaxTokens: 20, Members: map[string]any{"temperature": 0, "stop": []string{"END"}}, Messages: conversation},
		{Step: "unbounded-stream", Stream: true, WithoutUsage: true, MaxTokens: NoMaxTokens, Members: map[string]any{"top_p": 1}},
	}
	return Scenario{
		Name:          "forwarding-bodies",
		Sentence:      "between equal probes two plain requests and two streams with cached prompts; then six requests with tools, conversations, sampling parameters, and with and without max_tokens, whose bodies the provider keeps, and whose answers carry rate headers of its own",
		Asks:          append([]string{"tokens/basis"}, asks...),
		NeedsProvider: true,
		Plan:          Plan{Keys: 1, Requests: len(bodies) + cachedRequests, Tokens: int64(len(bodies))*30 + cachedTokens, Windows: 0.1, Seconds: 8},
		Play: func(ctx context.Context, s *Stage) error {
			// A window of a limiter that keeps time in whole seconds is then whole.
			if err := s.untilFraction(ctx, secondBegun); err != nil {
				return err
			}
			key, err := s.Key(ctx, history.Limits{Requests: limit(rpm), Tokens: limit(tpm)})
			if err != nil {
				return err
			}
			if err := s.askCached(ctx, key); err != nil {
				return err
			}
			for i, shot := range bodies {
				shot.Asks = asks
				shot.Script = history.Script{PromptTokens: 10, CompletionTokens: 20, KeepBody: true, RateHeaders: providersRates(i)}
				if _, err := s.Send(ctx, key, shot); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// conversation has every role, and content as text and in parts.
func conversation(prompt string) []any {
	call := map[string]any{
		"id": "call_1", "type": "function",
		"function": map[string]any{"name": "weather", "arguments": `{"city":"Oslo","days":1.0}`},
	}
	return []any{
		map[string]any{"role": "system", "content": "Answer in one word."},
		map[string]any{"role": "user", "content": []any{
			map[string]any{"type": "text", "text": prompt},
			map[string]any{"type": "text", "text": "What is <the> weather in Tromsø & Oslo?"},
		}},
		map[string]any{"role": "assistant", "content": "One moment.", "tool_calls": []any{call}},
		map[string]any{"role": "tool", "tool_call_id": "call_1", "content": `{"sky":"clear"}`},
		map[string]any{"role": "user", "content": "And tomorrow?"},
	}
}

func weatherTool() []any {
	return []any{map[string]any{"type": "function", "function": map[string]any{
		"name": "weather", "description": "Tells the weather of a city.",
		"parameters": map[string]any{
			"type": "object", "required": []string{"city"},
			"properties": map[string]any{
				"city": map[string]any{"type": "string"},
				"days": map[string]any{"type": "integer", "minimum": 1, "maximum": 7.5},
			},
		},
	}}}
}
