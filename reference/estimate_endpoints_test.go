package reference

import (
	"math"
	"strings"
	"testing"
)

// estimate is what a body is taken for where all tokens count.
func (of contentOf) estimate(body []byte, smallest int64) (estimate, error) {
	a, err := of.from(body)
	if err != nil {
		return estimate{}, err
	}
	return a.estimate(smallest, TotalTokens)
}

func TestRule11InputOfEndpoints(t *testing.T) {
	for name, tc := range map[string]struct {
		endpoint contentOf
		body     string
		want     int64
	}{
		"a prompt":                   {completionContent, `{"prompt":"abcdefgh"}`, 2},
		"prompts":                    {completionContent, `{"prompt":["abcdef","gh"]}`, 2},
		"token ids":                  {completionContent, `{"prompt":[1,22,333]}`, 3},
		"lists of token ids":         {completionContent, `{"prompt":[[1,22],[333]]}`, 3},
		"a prompt's other fields":    {completionContent, `{"prompt":"abcd","input":"abcdefgh","messages":[{"content":"abcdefgh"}],"system":"abcdefgh","tools":["abcdefgh"]}`, 1},
		"no prompt":                  {completionContent, `{"prompt":null}`, 0},
		"neither text nor ids":       {completionContent, `{"prompt":{"a":"abcdefgh"}}`, 0},
		"an input":                   {embeddingContent, `{"input":"abcdefgh"}`, 2},
		"inputs":                     {embeddingContent, `{"input":["abcd","efgh"]}`, 2},
		"an input of ids":            {embeddingContent, `{"input":[1,2,3,4]}`, 4},
		"inputs of ids":              {embeddingContent, `{"input":[[1,2],[3,4]]}`, 4},
		"an input's other fields":    {embeddingContent, `{"input":"abcd","prompt":"abcdefgh","messages":[{"content":"abcdefgh"}]}`, 1},
		"a response's text":          {responseContent, `{"input":"abcdefgh"}`, 2},
		"a response's items":         {responseContent, `{"input":[{"role":"user","content":"abcd"},{"role":"user","content":[{"type":"input_text","text":"efgh"}]}]}`, 2},
		"a response's tool calls":    {responseContent, `{"input":[{"type":"function_call","name":"f","arguments":"abcd"},{"type":"function_call_output","output":"efgh"}]}`, 2},
		"a response's media":         {responseContent, `{"input":[{"content":[{"type":"input_image"},{"type":"input_file"},{"type":"input_audio"}]}]}`, imageTokens + fileTokens + audioTokens},
		"instructions":               {responseContent, `{"instructions":"abcdefgh","input":"abcd"}`, 3},
		"a response's tools":         {responseContent, `{"tools":["abcd"]}`, 2},
		"a response's other fields":  {responseContent, `{"input":"abcd","prompt":"abcdefgh","system":"abcdefgh","messages":[{"content":"abcdefgh"}]}`, 1},
		"messages":                   {messageContent, `{"messages":[{"role":"user","content":"abcd"},{"content":[{"type":"text","text":"efgh"}]}]}`, 2},
		"a system text":              {messageContent, `{"system":"abcdefgh","messages":[{"content":"abcd"}]}`, 3},
		"a system of parts":          {messageContent, `{"system":[{"type":"text","text":"abcdefgh"}]}`, 2},
		"what a tool gave":           {messageContent, `{"messages":[{"content":[{"type":"tool_result","content":"abcd"},{"type":"tool_result","content":[{"type":"text","text":"efgh"},{"type":"image"}]}]}]}`, 2 + imageTokens},
		"a message's media":          {messageContent, `{"messages":[{"content":[{"type":"image"},{"type":"document"}]}]}`, imageTokens + fileTokens},
		"a message's other fields":   {messageContent, `{"messages":[{"content":"abcd"}],"input":"abcdefgh","prompt":"abcdefgh","instructions":"abcdefgh"}`, 1},
		"parts of another endpoint":  {messageContent, `{"messages":[{"content":[{"type":"input_text","text":"abcdefgh"},{"type":"image_url"}]}]}`, 0},
		"a chat's parts are its own": {chatContent, `{"messages":[{"content":[{"type":"input_text","text":"abcdefgh"},{"type":"image"}]}]}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := tc.endpoint.estimate([]byte(tc.body), Unlimited)
			if err != nil || e.Input != tc.want {
				t.Errorf("%s: input %d, want %d (%v)", tc.body, e.Input, tc.want, err)
			}
		})
	}
}

func TestRule12OutputOfEndpoints(t *testing.T) {
	for name, tc := range map[string]struct {
		endpoint contentOf
		body     string
		want     int64
		smallest int64
	}{
		"embeddings have none":             {embeddingContent, `{"input":"abcd"}`, 0, 1000},
		"embeddings, whatever they ask":    {embeddingContent, `{"input":"abcd","max_tokens":-5,"n":"x","stream":true}`, 0, 1000},
		"completions":                      {completionContent, `{"prompt":"abcd","max_tokens":7}`, 7, 1000},
		"completions, several":             {completionContent, `{"prompt":"abcd","max_tokens":7,"n":3}`, 21, 1000},
		"completions without a maximum":    {completionContent, `{"prompt":"abcd"}`, 250, 1000},
		"completions on a small limit":     {completionContent, `{"prompt":[1,2,3,4,5,6,7]}`, 3, 10},
		"responses":                        {responseContent, `{"input":"abcd","max_output_tokens":7,"n":3}`, 7, 1000},
		"responses without a maximum":      {responseContent, `{"input":"abcd"}`, 1024, Unlimited},
		"messages":                         {messageContent, `{"messages":[{"content":"abcd"}],"max_tokens":7,"n":3}`, 7, 1000},
		"messages without a maximum":       {messageContent, `{"messages":[{"content":"abcd"}]}`, 250, 1000},
		"nothing to answer has no output":  {messageContent, `{}`, 0, 1000},
		"a maximum larger than any number": {responseContent, `{"input":"abcd","max_output_tokens":99999999999999999999}`, math.MaxInt64, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := tc.endpoint.estimate([]byte(tc.body), tc.smallest)
			if err != nil || e.Output != tc.want {
				t.Errorf("%s: output %d, want %d (%v)", tc.body, e.Output, tc.want, err)
			}
			if e.Total() < 1 {
				t.Errorf("%s: total %d", tc.body, e.Total())
			}
		})
	}
}

func TestRule12WrongBodiesOfEndpoints(t *testing.T) {
	for name, endpoint := range map[string]contentOf{
		"completions": completionContent, "embeddings": embeddingContent, "responses": responseContent, "messages": messageContent,
	} {
		for body, want := range map[string]string{
			`[]`: "send one JSON object", `{`: "not valid JSON", `{"max_tokens":-1}`: "max_tokens is -1", `{"max_output_tokens":"7"}`: "max_output_tokens is",
		} {
			_, err := endpoint.estimate([]byte(body), 1000)
			if name == "embeddings" && strings.Contains(body, "max_") {
				if err != nil {
					t.Errorf("%s: %s: %v", name, body, err)
				}
				continue
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %s: %v", name, body, err)
			}
		}
	}
}

// FuzzEstimates: no body of any endpoint breaks an estimate, and none is below
// 1.
func FuzzEstimates(f *testing.F) {
	for _, body := range []string{
		`{"prompt":[[1,2],[3]]}`, `{"input":[{"content":[{"type":"input_text","text":"a"}]}]}`, `{"system":[{"type":"tool_result","content":[]}]}`,
		`{"input":[[],{},null,-1,"a"]}`, `{"messages":[{"content":[{"type":"tool_result","content":[{"type":"tool_result","content":"a"}]}]}]}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, e := range endpoints() {
			got, err := e.content.estimate(body, 1000)
			if err == nil && (got.Total() < 1 || got.Input < 0 || got.Output < 0) {
				t.Errorf("%s: %+v of %s", e.path, got, body)
			}
		}
	})
}
