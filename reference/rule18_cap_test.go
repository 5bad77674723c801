package reference_test

import (
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

// capped is what an endpoint's upstream is sent of a body, and what the answer
// tells, where outputs are capped or not.
func capped(t *testing.T, endpoint, body string, tokens int64, on bool) (sent, told string) {
	upstream := newRecorder()
	c := setting{keys: oneKey(-1, tokens, -1), upstream: upstream, configure: func(c *reference.ProxyConfig) { c.CapOutput = on }}
	play(t, c, func(s *stage) {
		a := s.at(endpoint, body)
		s.wantStatus(endpoint, a, 200)
		told = a.header.Get("x-ratecheck-output-cap")
	})
	return strings.Join(upstream.bodies, "|"), told
}

// TestRule18CapOutput: only where no maximum is given, where the endpoint has
// an output and where the floor is below 1024, in the endpoint's own field.
func TestRule18CapOutput(t *testing.T) {
	text := func(fields string) string { return strings.TrimSuffix(ask("n", fields), "}") }
	bodies := map[string]string{
		history.Chat: ask("n", ""), history.Completions: `{"prompt":"` + strings.Repeat("a", 40) + `"}`,
		history.Responses: `{"input":"` + strings.Repeat("a", 40) + `"}`, history.Messages: ask("n", ""),
		history.Embeddings: `{"input":"` + strings.Repeat("a", 40) + `"}`,
	}
	tests := []struct {
		name, endpoint, body string
		tokens               int64
		field, told          string // empty for no cap
	}{
		{"chat", history.Chat, bodies[history.Chat], 1000, `"max_tokens":250,`, "250"},
		{"completions", history.Completions, bodies[history.Completions], 1000, `"max_tokens":250,`, "250"},
		{"responses", history.Responses, bodies[history.Responses], 1000, `"max_output_tokens":250,`, "250"},
		{"messages", history.Messages, bodies[history.Messages], 1000, `"max_tokens":250,`, "250"},
		{"embeddings", history.Embeddings, bodies[history.Embeddings], 1000, ``, ""},
		{"two choices share", history.Chat, ask("n", `"n":2`), 1000, `"max_tokens":125,`, "125"},
		{"the floor is not below 1024", history.Chat, bodies[history.Chat], 4096, ``, ""},
		{"just below", history.Chat, bodies[history.Chat], 4092, `"max_tokens":1023,`, "1023"},
		{"no limit", history.Chat, bodies[history.Chat], -1, ``, ""},
		{"a maximum under any of its names", history.Chat, ask("n", `"max_completion_tokens":5`), 1000, ``, ""},
		{"a maximum of 0", history.Chat, ask("n", `"max_tokens":0`), 1000, ``, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.body
			if tt.field != "" {
				want = "{" + tt.field + tt.body[1:]
			}
			if sent, told := capped(t, tt.endpoint, tt.body, tt.tokens, true); sent != want || told != tt.told {
				t.Errorf("went on as\n%s, want\n%s; told %q, want %q", sent, want, told, tt.told)
			}
			if sent, told := capped(t, tt.endpoint, tt.body, tt.tokens, false); sent != tt.body || told != "" {
				t.Errorf("off by default, and yet\n%s\nwent on as\n%s; told %q", tt.body, sent, told)
			}
		})
	}
	sent, _ := capped(t, history.Chat, text(`"max_tokens":null`)+"}", 1000, true)
	if want := text(`"max_tokens":250`) + "}"; sent != want {
		t.Errorf("a maximum of null went on as %s, want %s", sent, want)
	}
}
