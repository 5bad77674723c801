package litellm

import (
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/history"
)

func TestEstimates(t *testing.T) {
	text := strings.Repeat("x", 40)
	for _, test := range []struct {
		version, endpoint, body string
		limit, want             int64
		injected                string
	}{
		{"1.85.0", history.Chat, `{"messages":[{"content":"` + text + `"}]}`, 1000, 10 + 1024, ""},
		{"1.88.0", history.Chat, `{"messages":[{"content":"` + text + `"}]}`, 1000, 10 + 250, `"max_tokens":250`},
		{"1.88.0", history.Chat, `{"messages":[{"content":"` + text + `"}]}`, 10000, 10 + 1024, ""},
		{"1.88.0", history.Chat, `{"messages":[{"content":"` + text + `"}],"max_tokens":7}`, 1000, 17, ""},
		{"1.88.0", history.Chat, `{"messages":[{"content":[{"type":"text","text":"` + text + `"}]}],"max_completion_tokens":7}`, 1000, 17, ""},
		{"1.88.0", history.Completions, `{"prompt":["` + text + `","` + text + `"],"max_tokens":1}`, 1000, 21, ""},
		{"1.88.0", history.Embeddings, `{"input":"` + text + `"}`, 1000, 10, ""},
		{"1.88.0", history.Responses, `{"input":"` + text + `","max_output_tokens":100}`, 1000, 10, ""},
		{"1.109.1", history.Responses, `{"input":"` + text + `","max_output_tokens":100}`, 1000, 110, ""},
		{"1.109.1", history.Responses, `{"input":"` + text + `"}`, 40, 10 + 16, `"max_output_tokens":16`},
		{"1.109.1", history.Embeddings, `{"input":[1,2,3,4,5,6,7,8]}`, 1000, 2, ""},
		{"1.88.0", history.Chat, `{}`, 1000, 250, `"max_tokens":250`},
		{"1.88.0", history.Chat, `{"messages":null}`, 100_000, 1, ""},
	} {
		r, err := readRequest(test.endpoint, []byte(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.estimate(release(t, test.version), test.limit); got != test.want {
			t.Errorf("%s, %s, %s: estimated %d, want %d", test.version, test.endpoint, test.body, got, test.want)
		}
		if injected := string(r.bytes()) != test.body; injected != (test.injected != "") || !strings.Contains(string(r.bytes()), test.injected) {
			t.Errorf("%s, %s: %s went upstream as %s", test.version, test.endpoint, test.body, r.bytes())
		}
	}
	if _, err := readRequest(history.Chat, []byte("[]")); err == nil {
		t.Error("a list is a request")
	}
}
