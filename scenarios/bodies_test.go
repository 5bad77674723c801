package scenarios

import (
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/history"
)

// TestRequestBodies: each endpoint is asked in its own words, and a prompt is as
// long as its tokens say, the nonce included.
func TestRequestBodies(t *testing.T) {
	const prompt = `[[abcd0001]] the the`
	for endpoint, want := range map[string]string{
		"":                  `{"max_tokens":7,"messages":[{"content":"PROMPT","role":"user"}],"model":"m","stream":true,"stream_options":{"include_usage":true}}`,
		history.Chat:        `{"max_tokens":7,"messages":[{"content":"PROMPT","role":"user"}],"model":"m","stream":true,"stream_options":{"include_usage":true}}`,
		history.Completions: `{"max_tokens":7,"model":"m","prompt":"PROMPT","stream":true,"stream_options":{"include_usage":true}}`,
		history.Embeddings:  `{"input":"PROMPT","model":"m"}`,
		history.Responses:   `{"input":"PROMPT","max_output_tokens":7,"model":"m","stream":true}`,
		history.Messages:    `{"max_tokens":7,"messages":[{"content":"PROMPT","role":"user"}],"model":"m","stream":true}`,
	} {
		shot := Shot{Endpoint: endpoint, Stream: endpoint != history.Embeddings, MaxTokens: 7, Script: history.Script{PromptTokens: 5}}
		body, bytes := requestBody("m", "abcd0001", shot)
		if want = strings.Replace(want, "PROMPT", prompt, 1); string(body) != want || bytes != int64(len(prompt)) {
			t.Errorf("%s: %d bytes of prompt in\n%s\nwant %d in\n%s", endpoint, bytes, body, len(prompt), want)
		}
	}
}

// TestEndpointScenariosAskWhatThereIs: nothing on streams of what is not
// streamed, and everything else of every endpoint.
func TestEndpointScenariosAskWhatThereIs(t *testing.T) {
	others := ForEndpoints(Catalogue(), history.Endpoints()[1:])
	if got, want := OtherEndpoints(others), history.Endpoints()[1:]; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("endpoints %v, want %v", got, want)
	}
	for _, s := range others {
		onStreams, n := 0, 13
		for _, id := range s.Asks {
			if strings.Contains(id, "stream") {
				onStreams++
			}
		}
		if s.Endpoint == history.Embeddings {
			n = 10
		}
		forwarded := 0 // internal fields are asked of one endpoint alone
		if s.Endpoint == history.Responses {
			forwarded = 1
		}
		if len(s.Asks) != n+forwarded || onStreams != n-10 {
			t.Errorf("%s asks %v", s.Name, s.Asks)
		}
	}
	chat := ForEndpoints(Catalogue(), []string{history.Chat})
	if len(chat)+len(others) != len(Catalogue()) || len(OtherEndpoints(chat)) != 0 {
		t.Errorf("%d scenarios of chat and %d others of %d", len(chat), len(others), len(Catalogue()))
	}
}
