package reference_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// Pieces of a stream as an upstream sends them; piece is 40 code points.
const (
	piece     = `data: {"choices":[{"index":0,"delta":{"content":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}]}` + "\n\n"
	usageOf50 = `data: {"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":40,"total_tokens":50}}` + "\n\n"
	streamEnd = "data: [DONE]\n\n"
)

func TestRule15WholeStreamIsSettled(t *testing.T) {
	tests := []struct {
		name, fields string
		pieces       []string
		want         string // left of 1000
		dropped      bool   // the usage is not passed on
	}{
		{"usage asked for by the client", `"max_tokens":90,"stream":true,"stream_options":{"include_usage":true}`, []string{piece, usageOf50, streamEnd}, "950", false},
		{"usage asked for by the proxy", `"max_tokens":90,"stream":true`, []string{piece, usageOf50, streamEnd}, "950", true},
		{"the client asked for none", `"max_tokens":90,"stream":true,"stream_options":{"include_usage":false}`, []string{piece, usageOf50, streamEnd}, "950", true},
		{"usage in a chunk with text stays", `"max_tokens":90,"stream":true`, []string{strings.Replace(piece, `]}`, `],"usage":{"total_tokens":50}}`, 1), streamEnd}, "950", false},
		{"no usage: the reservation stands", `"max_tokens":90,"stream":true`, []string{piece, streamEnd}, "900", false},
		{"usage null in every chunk", `"max_tokens":90,"stream":true`, []string{strings.Replace(piece, `]}`, `],"usage":null}`, 1), streamEnd}, "900", false},
		{"usage beside a field of an odd type", `"max_tokens":90,"stream":true`, []string{`data: {"choices":[{"delta":{"content":["a"]}}],"usage":{"total_tokens":50}}` + "\n\n", streamEnd}, "950", false},
		{"usage above the reservation", `"max_tokens":90,"stream":true`, []string{piece, strings.Replace(piece, `]}`, `],"usage":{"total_tokens":400}}`, 1), streamEnd}, "600", false},
		{"usage behind a byte order mark", `"max_tokens":90,"stream":true,"stream_options":{"include_usage":true}`, []string{"\ufeff" + usageOf50, streamEnd}, "950", false},
		{"usage over several lines", `"max_tokens":90,"stream":true`, []string{"data: {\"usage\":\r\ndata:{\"total_tokens\":50},\r\ndata:\"choices\":[1]}\r\n\r\n", streamEnd}, "950", false},
		{"[DONE] without its blank line", `"max_tokens":90,"stream":true`, []string{piece, "data: [DONE]\n"}, "900", false},
		{"[DONE] without its line end", `"max_tokens":90,"stream":true`, []string{piece, "data: [DONE]"}, "900", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, setting{keys: oneKey(-1, 1000, -1), upstream: says("text/event-stream", false, nil, tt.pieces...)}, func(s *stage) {
				a := s.chat(ask("n", tt.fields))
				want := strings.Join(tt.pieces, "")
				if tt.dropped {
					want = strings.ReplaceAll(want, usageOf50, "")
				}
				if a.status != 200 || a.err != nil || a.body != want {
					s.Errorf("got %d (%v)\n%s\nwant\n%s", a.status, a.err, a.body, want)
				}
				s.wantLeft("afterwards", left{tokens: tt.want})
			})
		})
	}
}

func TestRule15BrokenStreamIsChargedWhatItProduced(t *testing.T) {
	const kind = "text/event-stream"
	tests := []struct {
		name   string
		cut    bool
		pieces []string
		want   string // left of 1000, of which 100 are reserved
	}{
		{"cut after two pieces", true, []string{piece, piece}, "970"},
		{"ended after two pieces without [DONE]", false, []string{piece, piece}, "970"},
		{"produced more than was reserved", true, []string{strings.Repeat(piece, 30)}, "900"},
		{"usage told before the cut", true, []string{piece, usageOf50}, "950"},
		{"usage above the reservation told before the cut", true, []string{strings.ReplaceAll(usageOf50, `"total_tokens":50`, `"total_tokens":400`)}, "900"},
		{"no output: all comes back", true, []string{": hello\n\n", `data: {"choices":[{"delta":{"role":"assistant"}}]}` + "\n\n"}, "1000"},
		{"nothing at all", true, []string{""}, "1000"},
		{"ended with nothing at all", false, []string{""}, "1000"},
		{"cut within an event", true, []string{piece, piece[:50]}, "980"},
		{"cut within a line that reads [DONE", true, []string{piece, "data: [DONE"}, "980"},
		{"cut behind [DONE] without a line end", true, []string{piece, "data: [DONE]"}, "980"},
		{"[DONE] within a longer event", true, []string{piece, "data: [DONE]\ndata: x\n\n"}, "980"},
		{"tool calls are output", true, []string{`data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"find","arguments":"` + strings.Repeat("a", 36) + `"}}]}}]}` + "\n\n"}, "980"},
		{"so are refusals and reasoning", true, []string{`data: {"choices":[{"delta":{"refusal":"` + strings.Repeat("a", 20) + `","reasoning_content":"` + strings.Repeat("b", 20) + `"}}]}` + "\n\n"}, "980"},
		{"[DONE] within a longer event, with CRLF", true, []string{piece, "data: [DONE]\r\ndata: x\r\n\r\n"}, "980"},
		{"[DONE] in two lines", true, []string{piece, "data: [DO\ndata: NE]\n\n"}, "980"},
		{"an event that is no JSON", true, []string{"data: {\n\n", piece}, "980"},
		{"an error within the stream", false, []string{piece, `data: {"error":{"message":"overloaded"}}` + "\n\n"}, "980"},
		{"an event beyond all bounds", false, []string{piece, "data: " + strings.Repeat("a", 5<<20) + "\n\n", streamEnd}, "980"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, setting{keys: oneKey(10, 1000, 1), upstream: says(kind, tt.cut, nil, tt.pieces...)}, func(s *stage) {
				a := s.chat(ask("n", `"max_tokens":90,"stream":true`))
				if a.status != 200 || a.err == nil {
					s.Errorf("got %d (%v), want a broken stream", a.status, a.err)
				}
				if strings.Contains(a.body, "[DONE]\n\n") {
					s.Errorf("a broken stream got a [DONE]: %q", a.body)
				}
				s.wantLeft("afterwards", left{"9", tt.want, "1"})
			})
		})
	}
}

func TestRule15SilentStreamIsBroken(t *testing.T) {
	play(t, setting{keys: oneKey(-1, 1000, 1), window: time.Hour}, func(s *stage) {
		s.script("n", history.Script{PromptTokens: 10, CompletionTokens: 20, Chunks: 2, ChunkDelay: time.Hour})
		a := s.chat(ask("n", `"max_tokens":90,"stream":true`))
		if a.err == nil || strings.Contains(a.body, "[DONE]") {
			s.Errorf("the client takes the stream for a whole one: %q", a.body)
		}
		s.wantLeft("afterwards", left{tokens: "980", slots: "1"})
	})
}

// The client has to pay what was produced for it, however it leaves, and the
// provider's ledger says how much that was.
func TestRule15ClientThatLeavesAStreamPaysWhatWasProduced(t *testing.T) {
	for _, reserved := range []string{`"max_tokens":900`, `"max_tokens":0`} {
		for leaves := 500 * time.Millisecond; leaves < 9*time.Second; leaves += 1700 * time.Millisecond {
			t.Run(reserved+" "+leaves.String(), func(t *testing.T) {
				play(t, setting{keys: oneKey(10, 10_000, 1), window: time.Minute}, func(s *stage) {
					s.script("n", history.Script{
						PromptTokens: askInput, CompletionTokens: 500, Latency: time.Second, Chunks: 10, ChunkDelay: time.Second,
					})
					a := s.chatFor(leaves, ask("n", reserved+`,"stream":true`))
					s.sleep(100 * time.Millisecond)
					calls, inFlight := s.provider.Finished(0)
					if inFlight != 0 || len(calls) != 1 || !calls[0].Gone {
						s.Errorf("the upstream was not told to stop")
						return
					}
					got := *s.store.last().settled
					received := askInput + int64(strings.Count(a.body, " the"))
					if want := askInput + calls[0].Produced; got != want || got < received {
						s.Errorf("charged %d; produced with the input were %d, received %d", got, want, received)
					}
				})
			})
		}
	}
}

// A usage that came before the client left is the truth.
func TestRule15ClientThatLeavesAfterTheUsage(t *testing.T) {
	wait := func(time.Duration) {}
	upstream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		says("text/event-stream", false, wait, piece, usageOf50, streamEnd).ServeHTTP(w, r)
	})
	play(t, setting{keys: oneKey(-1, 1000, 1), upstream: upstream}, func(s *stage) {
		wait = s.sleep
		s.chatFor(1500*time.Millisecond, ask("n", `"max_tokens":90,"stream":true,"stream_options":{"include_usage":true}`))
		s.sleep(time.Millisecond)
		s.wantLeft("afterwards", left{tokens: "950", slots: "1"})
	})
}

// Everything but the question for the usage goes upstream byte for byte.
func TestRule15BodyIsForwardedAsItWasSent(t *testing.T) {
	const asked = `"stream_options":{"include_usage":true}`
	tests := []struct{ name, body, want string }{
		{"not a stream", `{ "model":"m" , "max_tokens":5}` + "\n", ""},
		{"stream false", `{"stream":false}`, ""},
		{"asked by the client", `{"stream":true, ` + asked + ` }`, ""},
		{"asked with a twist", `{"stream":true,"stream_options":{"other":[1, 2],"include_usage" : true}}`, ""},
		{"not a stream, options given", `{"stream_options":{"include_usage":false}}`, ""},
		{"no options", `{"stream":true}`, `{` + asked + `,"stream":true}`},
		{"space before and within", " \r\n{\t\"stream\" : true,\"x\":\"<&>\u2028\"}", " \r\n{" + asked + ",\t\"stream\" : true,\"x\":\"<&>\u2028\"}"},
		{"options without the field", `{"z":1,"stream":true,"stream_options":{ "other": "é<" },"a":1.50}`, `{"z":1,"stream":true,"stream_options":{"include_usage":true, "other": "é<" },"a":1.50}`},
		{"options empty", `{"stream":true,"stream_options":{ }}`, `{"stream":true,"stream_options":{"include_usage":true }}`},
		{"options null", `{"stream_options": null ,"stream":true}`, `{"stream_options": {"include_usage":true} ,"stream":true}`},
		{"false", `{"b":[{}],"stream":true,"stream_options":{"include_usage": false},"a":{"stream_options":null}}`, `{"b":[{}],"stream":true,"stream_options":{"include_usage": true},"a":{"stream_options":null}}`},
		{"null", `{"stream":true,"stream_options":{"include_usage":null,"o":1}}`, `{"stream":true,"stream_options":{"include_usage":true,"o":1}}`},
		{"twice, the last counts", `{"stream_options":{"include_usage":true},"stream":true,"stream_options":{"include_usage":false}}`, `{"stream_options":{"include_usage":true},"stream":true,"stream_options":{"include_usage":true}}`},
		{"an escaped name", `{"stream":true,"stream\u005foptions":{"include_usage":false}}`, `{"stream":true,"stream\u005foptions":{"include_usage":true}}`},
		{"options of a wrong type are the upstream's to refuse", `{"stream":true,"stream_options":[1]}`, ""},
		{"so is a field of a wrong type", `{"stream":true,"stream_options":{"include_usage":"yes"}}`, ""},
		{"only nested options", `{"stream":true,"metadata":{"stream_options":{"include_usage":true}}}`, `{` + asked + `,"stream":true,"metadata":{"stream_options":{"include_usage":true}}}`},
		{"numbers keep their spelling", `{"stream":true,"seed":12345678901234567890,"t":1e0,"u":-0.0}`, `{` + asked + `,"stream":true,"seed":12345678901234567890,"t":1e0,"u":-0.0}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			upstream := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				got = string(body)
				status(200, `{}`).ServeHTTP(w, r)
			})
			play(t, setting{keys: oneKey(-1, -1, -1), upstream: upstream}, func(s *stage) {
				s.wantStatus("request", s.chat(tt.body), 200)
				want := tt.want
				if want == "" {
					want = tt.body
				}
				if got != want {
					s.Errorf("upstream got\n%s\nwant\n%s", got, want)
				}
			})
		})
	}
}
