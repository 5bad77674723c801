package reference_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

func basisSetting(basis reference.TokenBasis, tokens int64) setting {
	return setting{keys: oneKey(-1, tokens, -1), configure: func(c *reference.ProxyConfig) { c.TokenBasis = basis }}
}

// TestRule13BasisOfEveryEndpoint: reservation and settlement are of the one
// kind, streamed or not, on every endpoint.
func TestRule13BasisOfEveryEndpoint(t *testing.T) {
	for _, endpoint := range history.Endpoints() {
		for _, stream := range []bool{false, true} {
			for _, tt := range []struct {
				basis             reference.TokenBasis
				reserved, settled int64
			}{{reference.TotalTokens, 30, 17}, {reference.InputTokens, 10, 11}, {reference.OutputTokens, 20, 6}} {
				t.Run(fmt.Sprintf("%s, stream %v, %v", endpoint, stream, tt.basis), func(t *testing.T) {
					if endpoint == history.Embeddings {
						// Nothing is written; what is reserved is never below 1.
						switch tt.basis {
						case reference.TotalTokens:
							tt.reserved, tt.settled = 10, 11
						case reference.OutputTokens:
							tt.reserved, tt.settled = 1, 0
						}
					}
					play(t, basisSetting(tt.basis, 1000), func(s *stage) {
						s.script("n1", history.Script{PromptTokens: 11, CompletionTokens: 6})
						a := s.at(endpoint, askAt(endpoint, "n1", stream))
						s.wantStatus("answer", a, 200)
						if got := remaining(a, reference.ScopeKey, "tokens"); got != 1000-tt.reserved {
							s.Errorf("%d remain after the reservation, want %d", got, 1000-tt.reserved)
						}
						s.wantLeft("settled", left{tokens: fmt.Sprint(1000 - tt.settled)})
					})
				})
			}
		}
	}
}

// TestRule13CachedTokensAreNotCharged for total and input, under the names of
// each endpoint, on the floor of 0, streamed or not.
func TestRule13CachedTokensAreNotCharged(t *testing.T) {
	const chat, responses, messages = "chat", "responses", "messages"
	tests := []struct {
		endpoint, usage      string
		total, input, output int64
	}{
		{chat, `{"prompt_tokens":50,"completion_tokens":7,"total_tokens":57,"prompt_tokens_details":{"cached_tokens":30}}`, 27, 20, 7},
		{chat, `{"prompt_tokens":50,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":30}}`, 27, 20, 7},
		{chat, `{"prompt_tokens":50,"completion_tokens":7,"prompt_tokens_details":null}`, 57, 50, 7},
		{chat, `{"prompt_tokens":50,"completion_tokens":7,"prompt_tokens_details":"none"}`, 57, 50, 7},
		{chat, `{"prompt_tokens":50,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":9000}}`, 0, 0, 7},
		{chat, `{"prompt_tokens":50,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":-9000}}`, 57, 50, 7},
		{chat, `{"prompt_tokens":50,"total_tokens":57}`, 57, 50, 7},
		{chat, `{"completion_tokens":7,"total_tokens":57}`, 57, 50, 7},
		{responses, `{"input_tokens":50,"output_tokens":7,"total_tokens":57,"input_tokens_details":{"cached_tokens":30}}`, 27, 20, 7},
		{responses, `{"input_tokens":50,"output_tokens":7}`, 57, 50, 7},
		// Anthropic's input leaves cache reads out already.
		{messages, `{"input_tokens":50,"output_tokens":7,"cache_read_input_tokens":30}`, 57, 50, 7},
		{messages, `{"input_tokens":50,"output_tokens":7,"cache_creation_input_tokens":30}`, 87, 80, 7},
	}
	answers := map[string]struct {
		endpoint, plain, stream string
	}{
		chat:      {history.Chat, `{"usage":%s}`, "data: {\"choices\":[],\"usage\":%s}\n\ndata: [DONE]\n\n"},
		responses: {history.Responses, `{"usage":%s}`, "data: {\"type\":\"response.completed\",\"response\":{\"usage\":%s}}\n\n"},
		messages: {history.Messages, `{"usage":%s}`,
			"data: {\"type\":\"message_delta\",\"usage\":%s}\n\ndata: {\"type\":\"message_stop\"}\n\n"},
	}
	for _, tt := range tests {
		for basis, want := range map[reference.TokenBasis]int64{
			reference.TotalTokens: tt.total, reference.InputTokens: tt.input, reference.OutputTokens: tt.output,
		} {
			for _, stream := range []bool{false, true} {
				form := answers[tt.endpoint]
				c := basisSetting(basis, 1000)
				c.upstream = status(200, fmt.Sprintf(form.plain, tt.usage))
				if stream {
					c.upstream = status(200, fmt.Sprintf(form.stream, tt.usage), "Content-Type", "text/event-stream")
				}
				play(t, c, func(s *stage) {
					s.wantStatus(tt.usage, s.at(form.endpoint, askAt(form.endpoint, "n", stream)), 200)
					if got := s.left(testKey); got.tokens != fmt.Sprint(1000-want) {
						s.Errorf("%s of %s, stream %v: %s left of 1000, want %d charged", basis, tt.usage, stream, got.tokens, want)
					}
				})
			}
		}
	}
}

// TestRule13ParseTokenBasis: what is not known is refused.
func TestRule13ParseTokenBasis(t *testing.T) {
	for text, want := range map[string]reference.TokenBasis{
		"": reference.TotalTokens, "total": reference.TotalTokens, "input": reference.InputTokens, "output": reference.OutputTokens,
	} {
		got, err := reference.ParseTokenBasis(text)
		if err != nil || got != want || text != "" && got.String() != text {
			t.Errorf("%q is %v (%v)", text, got, err)
		}
	}
	for _, text := range []string{"Total", "both", " input"} {
		if _, err := reference.ParseTokenBasis(text); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestRule13GuessFitsItsBasis: without a maximum the guess alone makes no
// request unfit, and who leaves pays in the basis.
func TestRule13GuessFitsItsBasis(t *testing.T) {
	for basis, reserved := range map[reference.TokenBasis]int64{
		reference.TotalTokens: 12, reference.InputTokens: 10, reference.OutputTokens: 10,
	} {
		play(t, basisSetting(basis, 12), func(s *stage) {
			a := s.chat(ask("n", ""))
			s.wantStatus(basis.String(), a, 200)
			if got := remaining(a, reference.ScopeKey, "tokens"); got != 12-reserved {
				s.Errorf("%v: %d of 12 remain after the reservation, want %d", basis, got, 12-reserved)
			}
		})
	}
	play(t, basisSetting(reference.OutputTokens, 4), func(s *stage) {
		s.wantStatus("input beyond an output limit", s.chat(ask("n", "")), http.StatusOK)
	})
}
