package provider_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/history"
)

// bodyFor is a request to an endpoint whose text carries a directive.
func bodyFor(endpoint, directive string, more ...string) string {
	text := `"[[` + directive + `]] the the"`
	fields := map[string]string{
		history.Chat:        `"messages":[{"role":"user","content":` + text + `}]`,
		history.Completions: `"prompt":` + text,
		history.Embeddings:  `"input":` + text,
		history.Responses:   `"input":` + text,
		history.Messages:    `"messages":[{"role":"user","content":` + text + `}]`,
	}
	return "{" + strings.Join(append([]string{`"model":"m"`, fields[endpoint]}, more...), ",") + "}"
}

func (w *world) at(endpoint, body string) answer {
	return w.call(context.Background(), http.MethodPost, history.EndpointPath(endpoint), body)
}

// fields reads members of a JSON text by their paths; a number is an index.
func fields(t *testing.T, text string, paths ...string) []string {
	t.Helper()
	var top any
	if err := json.Unmarshal([]byte(text), &top); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	var found []string
	for _, path := range paths {
		at := top
		for name := range strings.SplitSeq(path, ".") {
			switch v := at.(type) {
			case map[string]any:
				at = v[name]
			case []any:
				at = v[0]
			}
		}
		value, err := json.Marshal(at)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, path+" "+string(value))
	}
	return found
}

func TestPlainAnswersOfEndpoints(t *testing.T) {
	script := history.Script{PromptTokens: 7, CompletionTokens: 2, CachedTokens: 3}
	for endpoint, want := range map[string][]string{
		history.Completions: {
			`object "text_completion"`, `choices.0.text " the the"`, `choices.0.finish_reason "stop"`,
			`usage.prompt_tokens 7`, `usage.completion_tokens 2`, `usage.total_tokens 9`, `usage.prompt_tokens_details.cached_tokens 3`,
		},
		history.Embeddings: {
			`object "list"`, `data.0.object "embedding"`, `data.0.embedding [0.1,0.2,0.3]`,
			`usage.prompt_tokens 7`, `usage.completion_tokens null`, `usage.total_tokens 7`,
		},
		history.Responses: {
			`object "response"`, `status "completed"`, `error null`, `output.0.type "message"`, `output.0.content.0.text " the the"`,
			`usage.input_tokens 7`, `usage.output_tokens 2`, `usage.total_tokens 9`, `usage.input_tokens_details.cached_tokens 3`,
		},
		history.Messages: {
			`type "message"`, `role "assistant"`, `content.0.type "text"`, `content.0.text " the the"`, `stop_reason "end_turn"`,
			`usage.input_tokens 4`, `usage.output_tokens 2`, `usage.cache_read_input_tokens 3`,
		},
	} {
		t.Run(endpoint, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.provider.Register("n1", script)
				a := w.at(endpoint, bodyFor(endpoint, "n1"))
				var paths []string
				for _, field := range want {
					path, _, _ := strings.Cut(field, " ")
					paths = append(paths, path)
				}
				if d := cmp.Diff(want, fields(t, a.body, paths...)); d != "" || a.status != 200 {
					t.Errorf("status %d (-want +got)\n%s", a.status, d)
				}
				total := int64(9)
				if endpoint == history.Embeddings {
					total = 7
				}
				if c := w.last(); c.Endpoint != endpoint || c.Nonce != "n1" || c.Usage.Total != total || c.Status != 200 || c.Stream {
					t.Errorf("ledger %+v", c)
				}
			})
		})
	}
}

// event is an event of a stream; one without a name has none.
type event struct{ name, data string }

func eventsOf(body string) []event {
	var list []event
	for text := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		var e event
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch name {
			case "event":
				e.name = value
			case "data":
				e.data = value
			}
		}
		list = append(list, e)
	}
	return list
}

func TestStreamsOfEndpoints(t *testing.T) {
	script := history.Script{PromptTokens: 7, CompletionTokens: 2, Chunks: 2, Latency: time.Second, ChunkDelay: time.Second}
	for endpoint, c := range map[string]struct {
		more  []string
		names []string
		// told are fields of the event at a place from the end.
		fromEnd int
		told    []string
	}{
		history.Completions: {
			[]string{streamed, withUsage}, []string{"", "", "", "", ""}, 2,
			[]string{`object "text_completion"`, `choices []`, `usage.total_tokens 9`},
		},
		history.Responses: {
			[]string{streamed},
			[]string{
				"response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
				"response.output_text.delta", "response.output_text.delta", "response.output_text.done",
				"response.content_part.done", "response.output_item.done", "response.completed",
			}, 1,
			[]string{`type "response.completed"`, `sequence_number 9`, `response.status "completed"`, `response.usage.input_tokens 7`, `response.usage.output_tokens 2`, `response.usage.total_tokens 9`},
		},
		history.Messages: {
			[]string{streamed},
			[]string{
				"message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta",
				"content_block_stop", "message_delta", "message_stop",
			}, 2,
			[]string{`type "message_delta"`, `delta.stop_reason "end_turn"`, `usage.output_tokens 2`},
		},
	} {
		t.Run(endpoint, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.provider.Register("n1", script)
				a := w.at(endpoint, bodyFor(endpoint, "n1", c.more...))
				list := eventsOf(a.body)
				var names, paths []string
				for _, e := range list {
					names = append(names, e.name)
				}
				if d := cmp.Diff(c.names, names); d != "" || a.err != nil {
					t.Fatalf("%v, events (-want +got)\n%s", a.err, d)
				}
				for _, field := range c.told {
					path, _, _ := strings.Cut(field, " ")
					paths = append(paths, path)
				}
				if d := cmp.Diff(c.told, fields(t, list[len(list)-c.fromEnd].data, paths...)); d != "" {
					t.Errorf("(-want +got)\n%s", d)
				}
				if strings.Count(a.body, "[DONE]") != map[bool]int{true: 1, false: 0}[endpoint == history.Completions] {
					t.Errorf("[DONE] in %s", a.body)
				}
				if g := w.last(); g.Endpoint != endpoint || !g.Stream || g.Produced != 2 || g.Usage.Total != 9 || g.Done < 2*time.Second {
					t.Errorf("ledger %+v", g)
				}
			})
		})
	}
}

// TestMessageStreamTellsItsInputFirst: Anthropic's clients read the input from
// the first event.
func TestMessageStreamTellsItsInputFirst(t *testing.T) {
	inWorld(t, func(w *world) {
		w.provider.Register("n1", history.Script{PromptTokens: 7, CompletionTokens: 2, CachedTokens: 3})
		first := eventsOf(w.at(history.Messages, bodyFor(history.Messages, "n1", streamed)).body)[0]
		want := []string{`message.usage.input_tokens 4`, `message.usage.cache_read_input_tokens 3`, `message.usage.output_tokens 0`}
		if d := cmp.Diff(want, fields(t, first.data, "message.usage.input_tokens", "message.usage.cache_read_input_tokens", "message.usage.output_tokens")); d != "" {
			t.Error(d)
		}
	})
}

// TestScriptsOnEveryEndpoint: failures, cuts, latency and rate headers are those
// of chat.
func TestScriptsOnEveryEndpoint(t *testing.T) {
	for _, endpoint := range history.Endpoints() {
		t.Run(endpoint, func(t *testing.T) {
			inWorld(t, func(w *world) {
				headers := map[string]string{"X-Ratelimit-Limit-Requests": "10000"}
				w.provider.Register("n1", history.Script{Status: 503, FailFirst: 1, Latency: time.Second, RateHeaders: headers})
				a := w.at(endpoint, bodyFor(endpoint, "n1"))
				if a.status != 503 || a.header.Get("X-Ratelimit-Limit-Requests") != "10000" || !strings.Contains(a.body, `"message":"mock provider: told to fail"`) {
					t.Errorf("status %d, %v: %s", a.status, a.header, a.body)
				}
				if anthropic := strings.Contains(a.body, `"type":"error"`); anthropic != (endpoint == history.Messages) {
					t.Errorf("the error is %s", a.body)
				}
				if a := w.at(endpoint, bodyFor(endpoint, "n1")); a.status != 200 {
					t.Errorf("the second call: status %d", a.status)
				}
				w.provider.Register("n2", history.Script{CompletionTokens: 9, CutAfter: 1})
				if a := w.at(endpoint, bodyFor(endpoint, "n2", streamed)); a.err == nil || !w.last().Cut {
					t.Errorf("cut: %v, %s, ledger %+v", a.err, a.body, w.last())
				}
				w.provider.Register("n3", history.Script{PromptTokens: 3, CompletionTokens: 9, WithoutUsage: true})
				for _, more := range [][]string{nil, {streamed, withUsage}} {
					if a := w.at(endpoint, bodyFor(endpoint, "n3", more...)); a.err != nil || strings.Contains(a.body, `_tokens"`) || w.last().Usage.Prompt != 3 {
						t.Errorf("without usage: %s, ledger %+v", a.body, w.last())
					}
				}
			})
		})
	}
}

func TestEmbeddingsOfManyInputs(t *testing.T) {
	for input, want := range map[string]int{
		`"a"`: 1, `["a","b","c"]`: 3, `[1,2,3]`: 1, `[[1,2],[3]]`: 2, `[]`: 1, `null`: 1,
	} {
		inWorld(t, func(w *world) {
			a := w.at(history.Embeddings, `{"model":"m","stream":true,"input":`+input+`}`)
			if n := strings.Count(a.body, `"embedding":[`); n != want || w.last().Stream || w.last().Usage.Completion != 0 {
				t.Errorf("%s: %d embeddings, want %d; ledger %+v", input, n, want, w.last())
			}
		})
	}
	inWorld(t, func(w *world) {
		if a := w.at(history.Embeddings, `{"model":"m","encoding_format":"base64","input":"a"}`); !strings.Contains(a.body, `"embedding":"zczMPc3MTD6amZk+"`) {
			t.Errorf("base64: %s", a.body)
		}
	})
}

// TestUnscriptedKeepsToTheMaximum on every endpoint that has one.
func TestUnscriptedKeepsToTheMaximum(t *testing.T) {
	for _, endpoint := range slices.DeleteFunc(history.Endpoints(), func(e string) bool { return e == history.Embeddings }) {
		field := `"max_tokens":5`
		if endpoint == history.Responses {
			field = `"max_output_tokens":5`
		}
		inWorld(t, func(w *world) {
			w.at(endpoint, bodyFor(endpoint, "nobody", field))
			if got := w.last().Usage.Completion; got != 5 {
				t.Errorf("%s: %d tokens", endpoint, got)
			}
		})
	}
}
