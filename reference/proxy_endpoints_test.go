package reference_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/history"
)

// at sends a body to an endpoint with testKey.
func (s *stage) at(endpoint, body string) answer {
	return s.send(context.Background(), http.MethodPost, history.EndpointPath(endpoint), testKey, body)
}

// askAt is ask for any endpoint: 10 tokens of input and at most 20 of output.
func askAt(endpoint, nonce string, stream bool) string {
	text := fmt.Sprintf("%-40s", "[["+nonce+"]]")
	fields := map[string]any{"model": "m"}
	if stream {
		fields["stream"] = true
	}
	switch endpoint {
	case history.Completions:
		fields["prompt"], fields["max_tokens"] = text, 20
	case history.Embeddings:
		fields["input"] = text
	case history.Responses:
		fields["input"], fields["max_output_tokens"] = text, 20
	default:
		fields["messages"], fields["max_tokens"] = []map[string]string{{"role": "user", "content": text}}, 20
	}
	body, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(body)
}

// TestRule13EveryEndpointCounts: each reserves its estimate, tells it, and
// settles at what was used, streamed or not.
func TestRule13EveryEndpointCounts(t *testing.T) {
	for _, endpoint := range history.Endpoints() {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream %v", endpoint, stream), func(t *testing.T) {
				play(t, setting{keys: oneKey(5, 1000, 2)}, func(s *stage) {
					s.script("n1", history.Script{PromptTokens: 11, CompletionTokens: 6})
					a := s.at(endpoint, askAt(endpoint, "n1", stream))
					s.wantStatus("first", a, 200)
					reserved, used := "970", "983"
					if endpoint == history.Embeddings {
						reserved, used = "990", "989"
					}
					for name, want := range map[string]string{
						"remaining-tokens": reserved, "api_key-remaining-tokens": reserved, "api_key-remaining-requests": "4",
						"api_key-remaining-max_parallel_requests": "1", "limit-tokens": "1000",
					} {
						if got := rates(a.header)[name]; got != want {
							s.Errorf("%s: %q, want %q", name, got, want)
						}
					}
					s.wantLeft("afterwards", left{"4", used, "2"})
					calls, _ := s.provider.Finished(0)
					if len(calls) != 1 || calls[0].Endpoint != endpoint || calls[0].Nonce != "n1" {
						s.Errorf("the upstream saw %+v", calls)
					}
				})
			})
		}
	}
}

// TestAnswersPassUnchanged: what the upstream said is what the client reads,
// but for the usage that it did not ask for.
func TestAnswersPassUnchanged(t *testing.T) {
	for _, endpoint := range history.Endpoints() {
		for _, stream := range []bool{false, true} {
			play(t, setting{keys: oneKey(5, 1000, 2)}, func(s *stage) {
				s.script("n1", history.Script{PromptTokens: 11, CompletionTokens: 6})
				through := s.at(endpoint, askAt(endpoint, "n1", stream))
				req, err := http.NewRequest(http.MethodPost, "http://provider.internal"+history.EndpointPath(endpoint), strings.NewReader(askAt(endpoint, "n1", stream)))
				if err != nil {
					s.Error(err)
				}
				direct := s.do(req)
				// The second call has another number, nothing else.
				want := strings.NewReplacer("-2\"", "-1\"", "_2\"", "_1\"").Replace(direct.body)
				if through.body != want || through.err != nil {
					s.Errorf("%s, stream %v: got\n%s\nwant\n%s", endpoint, stream, through.body, want)
				}
			})
		}
	}
}

func TestRule15StreamsOfEndpoints(t *testing.T) {
	const (
		delta      = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}\n\n"
		completed  = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":10,\"output_tokens\":40}}}\n\n"
		silent     = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":null}}\n\n"
		incomplete = "event: response.incomplete\ndata: {\"type\":\"response.incomplete\",\"response\":{\"usage\":{\"total_tokens\":50}}}\n\n"
		failed     = "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"message\":\"no\"}}}\n\n"

		start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":5,\"cache_read_input_tokens\":500,\"output_tokens\":1}}}\n\n"
		block = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}}\n\n"
		end   = "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":40}}\n\n"
		stop  = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
		oops  = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"no\"}}\n\n"
	)
	for name, tt := range map[string]struct {
		endpoint string
		pieces   []string
		want     string // left of 1000, of which 30 are reserved
		broken   bool
	}{
		"responses":                   {history.Responses, []string{delta, completed}, "950", false},
		"responses, incomplete":       {history.Responses, []string{delta, incomplete}, "950", false},
		"responses, no usage":         {history.Responses, []string{delta, silent}, "970", false},
		"responses with [DONE]":       {history.Responses, []string{delta, completed, "data: [DONE]\n\n"}, "950", false},
		"responses, failed at once":   {history.Responses, []string{failed}, "1000", false},
		"responses, failed later":     {history.Responses, []string{delta, failed}, "980", false},
		"responses, failed after all": {history.Responses, []string{delta, delta, delta, failed}, "970", false},
		"responses, broken off":       {history.Responses, []string{delta}, "980", true},
		"messages":                    {history.Messages, []string{start, block, end, stop}, "945", false},
		"messages, no usage":          {history.Messages, []string{block, stop}, "970", false},
		"messages, failed at once":    {history.Messages, []string{oops}, "1000", false},
		"messages, failed later":      {history.Messages, []string{start, block, oops}, "980", false},
		"messages, broken off":        {history.Messages, []string{start, block}, "980", true},
		"messages, told and broken":   {history.Messages, []string{start, block, end}, "970", true},
		"completions, broken off":     {history.Completions, []string{"data: {\"choices\":[{\"text\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}]}\n\n"}, "980", true},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, setting{keys: oneKey(5, 1000, 1), upstream: says("text/event-stream", false, nil, tt.pieces...)}, func(s *stage) {
				a := s.at(tt.endpoint, askAt(tt.endpoint, "n", true))
				if a.status != 200 || (a.err != nil) != tt.broken || a.body != strings.Join(tt.pieces, "") {
					s.Errorf("got %d (%v)\n%s", a.status, a.err, a.body)
				}
				s.wantLeft("afterwards", left{"4", tt.want, "1"})
			})
		})
	}
}

// TestUsageIsAskedForWhereItMustBe: the fields of chat are not put into the
// bodies of endpoints that do not know them.
func TestUsageIsAskedForWhereItMustBe(t *testing.T) {
	for _, endpoint := range history.Endpoints() {
		var got string
		upstream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body := make([]byte, 1000)
			n, _ := r.Body.Read(body)
			got = string(body[:n])
			w.WriteHeader(http.StatusBadRequest)
		})
		play(t, setting{keys: oneKey(5, 1000, 1), upstream: upstream}, func(s *stage) { s.at(endpoint, askAt(endpoint, "n", true)) })
		if must := endpoint == history.Chat || endpoint == history.Completions; strings.Contains(got, `"include_usage":true`) != must {
			t.Errorf("%s was sent %s", endpoint, got)
		}
	}
}

// TestRule24RefusalsOnEveryEndpoint are in the endpoint's own shape, before the
// first byte, and say when to come back.
func TestRule24RefusalsOnEveryEndpoint(t *testing.T) {
	for _, endpoint := range history.Endpoints() {
		for _, stream := range []bool{false, true} {
			play(t, setting{keys: oneKey(1, 1000, 1)}, func(s *stage) {
				s.wantStatus("first", s.at(endpoint, askAt(endpoint, "n", stream)), 200)
				a := s.at(endpoint, askAt(endpoint, "n", stream))
				s.wantStatus("second", a, 429)
				for name, want := range map[string]string{"Retry-After": "8", "Content-Type": "application/json", "rate_limit_type": "requests", "x-ratelimit-remaining-requests": "0"} {
					if got := a.header.Get(name); got != want {
						s.Errorf("%s: %s: %q, want %q", endpoint, name, got, want)
					}
				}
				begins, ends := `{"error":{"message":"Rate limit exceeded for api_key: `, `"type":"throttling_error","param":null,"code":"429"}}`
				if endpoint == history.Messages {
					begins, ends = `{"type":"error","error":{"type":"rate_limit_error","message":"Rate limit exceeded for api_key: `, ` UTC"}}`
				}
				if !strings.HasPrefix(a.body, begins) || !strings.HasSuffix(a.body, ends) {
					s.Errorf("%s, stream %v: %s", endpoint, stream, a.body)
				}
			})
		}
	}
}

// TestErrorsOfMessagesAreAnthropics, whatever is wrong.
func TestErrorsOfMessagesAreAnthropics(t *testing.T) {
	for name, c := range map[string]struct {
		method, key, body string
		setting           setting
		status            int
		kind              string
	}{
		"no key":            {http.MethodPost, "", "{}", setting{}, 401, "authentication_error"},
		"no JSON":           {http.MethodPost, testKey, "{", setting{}, 400, "invalid_request_error"},
		"another method":    {http.MethodGet, testKey, "", setting{}, 405, "invalid_request_error"},
		"no upstream":       {http.MethodPost, testKey, "{}", setting{nowhere: true}, 502, "api_error"},
		"a broken upstream": {http.MethodPost, testKey, "{}", setting{upstream: says("application/json", true, nil, "{")}, 502, "api_error"},
		"larger than read":  {http.MethodPost, testKey, `"` + strings.Repeat("a", 16<<20), setting{}, 413, "request_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			c.setting.keys = oneKey(5, 1000, 1)
			play(t, c.setting, func(s *stage) {
				a := s.send(context.Background(), c.method, "/v1/messages", c.key, c.body)
				if a.status != c.status || !strings.HasPrefix(a.body, `{"type":"error","error":{"type":"`+c.kind+`","message":"`) {
					s.Errorf("status %d: %s", a.status, a.body)
				}
			})
		})
	}
}

// TestAnthropicKey: Anthropic's clients send their key as x-api-key, to messages
// alone.
func TestAnthropicKey(t *testing.T) {
	for endpoint, want := range map[string]int{history.Messages: 200, history.Chat: 401} {
		play(t, setting{keys: oneKey(5, 1000, 1)}, func(s *stage) {
			req, err := http.NewRequest(http.MethodPost, "http://proxy.internal"+history.EndpointPath(endpoint), strings.NewReader(askAt(endpoint, "n", false)))
			if err != nil {
				s.Error(err)
			}
			req.Header.Set("X-Api-Key", testKey)
			s.wantStatus(endpoint, s.do(req), want)
		})
	}
}
