package reference

import (
	"math"
	"strings"
	"testing"
)

type estimator func(body []byte, smallest int64) (Estimate, error)

func TestRule11InputOfEndpoints(t *testing.T) {
	for name, tc := range map[string]struct {
		estimate estimator
		body     string
		want     int64
	}{
		"a prompt":                   {EstimateCompletion, `{"prompt":"abcdefgh"}`, 2},
		"prompts":                    {EstimateCompletion, `{"prompt":["abcdef","gh"]}`, 2},
		"token ids":                  {EstimateCompletion, `{"prompt":[1,22,333]}`, 3},
		"lists of token ids":         {EstimateCompletion, `{"prompt":[[1,22],[333]]}`, 3},
		"a prompt's other fields":    {EstimateCompletion, `{"prompt":"abcd","input":"abcdefgh","messages":[{"content":"abcdefgh"}],"system":"abcdefgh","tools":["abcdefgh"]}`, 1},
		"no prompt":                  {EstimateCompletion, `{"prompt":null}`, 0},
		"neither text nor ids":       {EstimateCompletion, `{"prompt":{"a":"abcdefgh"}}`, 0},
		"an input":                   {EstimateEmbedding, `{"input":"abcdefgh"}`, 2},
		"inputs":                     {EstimateEmbedding, `{"input":["abcd","efgh"]}`, 2},
		"an input of ids":            {EstimateEmbedding, `{"input":[1,2,3,4]}`, 4},
		"inputs of ids":              {EstimateEmbedding, `{"input":[[1,2],[3,4]]}`, 4},
		"an input's other fields":    {EstimateEmbedding, `{"input":"abcd","prompt":"abcdefgh","messages":[{"content":"abcdefgh"}]}`, 1},
		"a response's text":          {EstimateResponse, `{"input":"abcdefgh"}`, 2},
		"a response's items":         {EstimateResponse, `{"input":[{"role":"user","content":"abcd"},{"role":"user","content":[{"type":"input_text","text":"efgh"}]}]}`, 2},
		"a response's tool calls":    {EstimateResponse, `{"input":[{"type":"function_call","name":"f","arguments":"abcd"},{"type":"function_call_output","output":"efgh"}]}`, 2},
		"a response's media":         {EstimateResponse, `{"input":[{"content":[{"type":"input_image"},{"type":"input_file"},{"type":"input_audio"}]}]}`, imageTokens + fileTokens + audioTokens},
		"instructions":               {EstimateResponse, `{"instructions":"abcdefgh","input":"abcd"}`, 3},
		"a response's tools":         {EstimateResponse, `{"tools":["abcd"]}`, 2},
		"a response's other fields":  {EstimateResponse, `{"input":"abcd","prompt":"abcdefgh","system":"abcdefgh","messages":[{"content":"abcdefgh"}]}`, 1},
		"messages":                   {EstimateMessage, `{"messages":[{"role":"user","content":"abcd"},{"content":[{"type":"text","text":"efgh"}]}]}`, 2},
		"a system text":              {EstimateMessage, `{"system":"abcdefgh","messages":[{"content":"abcd"}]}`, 3},
		"a system of parts":          {EstimateMessage, `{"system":[{"type":"text","text":"abcdefgh"}]}`, 2},
		"what a tool gave":           {EstimateMessage, `{"messages":[{"content":[{"type":"tool_result","content":"abcd"},{"type":"tool_result","content":[{"type":"text","text":"efgh"},{"type":"image"}]}]}]}`, 2 + imageTokens},
		"a message's media":          {EstimateMessage, `{"messages":[{"content":[{"type":"image"},{"type":"document"}]}]}`, imageTokens + fileTokens},
		"a message's other fields":   {EstimateMessage, `{"messages":[{"content":"abcd"}],"input":"abcdefgh","prompt":"abcdefgh","instructions":"abcdefgh"}`, 1},
		"parts of another endpoint":  {EstimateMessage, `{"messages":[{"content":[{"type":"input_text","text":"abcdefgh"},{"type":"image_url"}]}]}`, 0},
		"a chat's parts are its own": {EstimateChat, `{"messages":[{"content":[{"type":"input_text","text":"abcdefgh"},{"type":"image"}]}]}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := tc.estimate([]byte(tc.body), Unlimited)
			if err != nil || e.Input != tc.want {
				t.Errorf("%s: input %d, want %d (%v)", tc.body, e.Input, tc.want, err)
			}
		})
	}
}

func TestRule12OutputOfEndpoints(t *testing.T) {
	for name, tc := range map[string]struct {
		estimate estimator
		body     string
		want     int64
		smallest int64
	}{
		"embeddings have none":             {EstimateEmbedding, `{"input":"abcd"}`, 0, 1000},
		"embeddings, whatever they ask":    {EstimateEmbedding, `{"input":"abcd","max_tokens":-5,"n":"x","stream":true}`, 0, 1000},
		"completions":                      {EstimateCompletion, `{"prompt":"abcd","max_tokens":7}`, 7, 1000},
		"completions, several":             {EstimateCompletion, `{"prompt":"abcd","max_tokens":7,"n":3}`, 21, 1000},
		"completions without a maximum":    {EstimateCompletion, `{"prompt":"abcd"}`, 250, 1000},
		"completions on a small limit":     {EstimateCompletion, `{"prompt":[1,2,3,4,5,6,7]}`, 3, 10},
		"responses":                        {EstimateResponse, `{"input":"abcd","max_output_tokens":7,"n":3}`, 7, 1000},
		"responses without a maximum":      {EstimateResponse, `{"input":"abcd"}`, 1024, Unlimited},
		"messages":                         {EstimateMessage, `{"messages":[{"content":"abcd"}],"max_tokens":7,"n":3}`, 7, 1000},
		"messages without a maximum":       {EstimateMessage, `{"messages":[{"content":"abcd"}]}`, 250, 1000},
		"nothing to answer has no output":  {EstimateMessage, `{}`, 0, 1000},
		"a maximum larger than any number": {EstimateResponse, `{"input":"abcd","max_output_tokens":99999999999999999999}`, math.MaxInt64, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := tc.estimate([]byte(tc.body), tc.smallest)
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
	for name, estimate := range map[string]estimator{
		"completions": EstimateCompletion, "embeddings": EstimateEmbedding, "responses": EstimateResponse, "messages": EstimateMessage,
	} {
		for body, want := range map[string]string{
			`[]`: "send one JSON object", `{`: "not valid JSON", `{"max_tokens":-1}`: "max_tokens is -1", `{"max_output_tokens":"7"}`: "max_output_tokens is",
		} {
			_, err := estimate([]byte(body), 1000)
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
