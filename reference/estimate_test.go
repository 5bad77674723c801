package reference

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustEstimate(t *testing.T, body string, smallest int64) estimate {
	t.Helper()
	e, err := chatContent.estimate([]byte(body), smallest)
	if err != nil {
		t.Fatalf("the chat %s: %v", body, err)
	}
	return e
}

func TestRule11InputIsCodePointsOverFour(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       int64
	}{
		{"no content", `{}`, 0},
		{"no messages", `{"messages":[]}`, 0},
		{"empty text", `{"messages":[{"role":"user","content":""}]}`, 0},
		{"null content", `{"messages":[{"role":"assistant","content":null}]}`, 0},
		{"some text is at least 1", `{"messages":[{"role":"user","content":"a"}]}`, 1},
		{"7 is rounded down", `{"messages":[{"role":"user","content":"abcdefg"}]}`, 1},
		{"8", `{"messages":[{"role":"user","content":"abcdefgh"}]}`, 2},
		{"all messages are added before dividing", `{"messages":[{"content":"abc"},{"content":"def"},{"content":"gh"}]}`, 2},
		{"code points, not bytes", `{"messages":[{"content":"üüüüüüü🙂"}]}`, 2},
		{"escapes are one", `{"messages":[{"content":"\n\t\"\\\/\u00fc\ud83d\ude00\uD83D\uDE00"}]}`, 2},
		{"half of a pair is one", `{"messages":[{"content":"\ud83d\ud83d\ude00\ude00\udc00\u0041\ud83dabc"}]}`, 2},
		{"roles and names do not count", `{"messages":[{"role":"assistant","name":"a long name indeed","content":"abcd"}]}`, 1},
		{"parts", `{"messages":[{"content":[{"type":"text","text":"abcd"},{"type":"text","text":"efgh"}]}]}`, 2},
		{"text of other parts", `{"messages":[{"content":[{"type":"refusal","refusal":"abcdefgh"},{"type":"odd","text":"abcdefgh"}]}]}`, 0},
		{"an image", `{"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAAAAAAAAAA"}}]}]}`, imageTokens},
		{"audio", `{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"AAAA"}}]}]}`, audioTokens},
		{"a file", `{"messages":[{"content":[{"type":"file","file":{"file_data":"AAAA"}}]}]}`, fileTokens},
		{"text and images", `{"messages":[{"content":[{"type":"text","text":"abcdefgh"},{"type":"image_url"},{"type":"image_url"}]}]}`, 2*imageTokens + 2},
		{"tools as JSON text", `{"tools":[{"type":"function","function":{"name":"f"}}]}`, int64(len(`[{"type":"function","function":{"name":"f"}}]`)) / 4},
		{"tools however laid out", "{\"tools\": [ {\"type\" : \"function\",\n\t\"function\": {\"name\": \"f\"} } ]}", int64(len(`[{"type":"function","function":{"name":"f"}}]`)) / 4},
		{"space in a tool's text", `{"tools":["a b c d"]}`, int64(len(`["a b c d"]`)) / 4},
		{"no tools", `{"tools":[],"messages":[]}`, 0},
		{"null tools", `{"tools":null}`, 0},
		{"fields of other endpoints", `{"input":"abcdefgh","prompt":"abcdefgh","system":"abcdefgh","messages":[{"content":"abcd"}]}`, 1},
		{"a name with an escape", `{"mess\u0061ges":[{"cont\u0065nt":[{"typ\u0065":"t\u0065xt","text":"abcdefgh"}]}]}`, 2},
		{"names have their case", `{"Messages":[{"content":"abcdefgh"}]}`, 0},
		{"the last of two counts", `{"messages":[{"content":"abcdefghijkl"}],"messages":[{"content":"abcdefghijkl","content":"abcd"}]}`, 1},
		{"messages that are none", `{"messages":"abcdefgh","tools":"abcdefgh"}`, 0},
		{"space everywhere", " \n{ \"messages\" : [ { \"content\" : \"abcdefgh\" } , { } ] } \t", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := mustEstimate(t, tc.body, Unlimited); got.Input != tc.want {
				t.Errorf("input of %s is %d, want %d", tc.body, got.Input, tc.want)
			}
		})
	}
}

func TestRule12OutputIsTheLargestMaximumTimesN(t *testing.T) {
	for _, tc := range []struct {
		fields string
		want   int64
	}{
		{`"max_tokens":7`, 7},
		{`"max_completion_tokens":7`, 7},
		{`"max_output_tokens":7`, 7},
		{`"max_tokens":5,"max_completion_tokens":9,"max_output_tokens":7`, 9},
		{`"max_tokens":7,"n":3`, 21},
		{`"max_tokens":7,"n":null`, 7},
		{`"max_tokens":0`, 0},
		{`"max_tokens":-0`, 0},
		{`"max_tokens":0,"n":5`, 0},
		{`"max_tokens":0,"max_completion_tokens":null`, 0},
		{`"max_tokens":7,"input":"an input of another endpoint"`, 7},
		{`"max_tokens":9223372036854775807`, math.MaxInt64},
		{`"max_tokens":9223372036854775808`, math.MaxInt64},
		{`"max_tokens":1000000000000000000000000000000`, math.MaxInt64},
		{`"max_tokens":4611686018427387904,"n":2`, math.MaxInt64},
		{`"max_tokens":4611686018427387903,"n":2`, math.MaxInt64 - 1},
		{`"max_tokens":9223372036854775807,"n":9223372036854775807`, math.MaxInt64},
	} {
		body := `{"messages":[{"content":"abcdefgh"}],` + tc.fields + `}`
		got := mustEstimate(t, body, 1000)
		if got.Output != tc.want || got.Input != 2 {
			t.Errorf("%s: input %d, output %d; want 2 and %d", tc.fields, got.Input, got.Output, tc.want)
		}
		want := int64(math.MaxInt64)
		if tc.want < math.MaxInt64-2 {
			want = tc.want + 2
		}
		if got.Total() != want {
			t.Errorf("%s: total %d, want %d", tc.fields, got.Total(), want)
		}
	}
}

func TestRule12WhatIsNoMaximumIsAnError(t *testing.T) {
	values := []string{`-1`, `-99999999999999999999`, `1.0`, `1.5`, `1e3`, `1E3`, `99999999999999999999.5`, `99999999999999999999e3`, `"7"`, `""`, `true`, `false`, `[7]`, `{}`}
	for _, field := range append([]string{"n"}, mostNames[:]...) {
		bad := values
		if field == "n" {
			bad = append(bad, "0")
		}
		for _, value := range bad {
			body := fmt.Sprintf(`{"messages":[{"content":"abcd"}],"max_tokens":1,"%s":%s}`, field, value)
			e, err := chatContent.estimate([]byte(body), Unlimited)
			if err == nil {
				t.Errorf("%s: %s passed as %+v, want an error", field, value, e)
				continue
			}
			if !strings.HasPrefix(err.Error(), field+" is "+value) {
				t.Errorf("%s: %s: the error is %q, want it to name the field and the value", field, value, err)
			}
		}
	}
	long := fmt.Sprintf(`{"n":"%s"}`, strings.Repeat("é", 5000))
	if _, err := chatContent.estimate([]byte(long), Unlimited); err == nil || len(err.Error()) > 200 || !utf8.ValidString(err.Error()) {
		t.Errorf("a value of 10,000 bytes: %v, want an error of some words", err)
	}
}

func TestRule12GuessWithoutAMaximum(t *testing.T) {
	text := func(tokens int) string {
		return fmt.Sprintf(`{"n":5,"messages":[{"content":"%s"}]}`, strings.Repeat("word", tokens))
	}
	for _, tc := range []struct {
		name     string
		body     string
		smallest int64
		want     estimate
	}{
		{"no limit", text(10), Unlimited, estimate{Input: 10, Output: 1024}},
		{"no limit, long input", text(3000), Unlimited, estimate{Input: 3000, Output: 3000}},
		{"wide limit", text(10), 100_000, estimate{Input: 10, Output: 1024}},
		{"a quarter of 4,096 is the floor", text(10), 4096, estimate{Input: 10, Output: 1024}},
		{"a quarter", text(10), 4095, estimate{Input: 10, Output: 1023}},
		{"a quarter of a small limit", text(10), 100, estimate{Input: 10, Output: 25}},
		{"input above the quarter", text(40), 100, estimate{Input: 40, Output: 40}},
		{"shrinks to fit", text(60), 100, estimate{Input: 60, Output: 40}},
		{"shrinks to one", text(99), 100, estimate{Input: 99, Output: 1}},
		{"shrinks to nothing", text(100), 100, estimate{Input: 100}},
		{"unfit by its input alone", text(101), 100, estimate{Input: 101}},
		{"a limit of 3", text(1), 3, estimate{Input: 1, Output: 1}},
		{"a limit of 1", text(1), 1, estimate{Input: 1}},
		{"a limit of 0", text(1), 0, estimate{Input: 1}},
		{"no content at all", `{"messages":[{"content":""}]}`, 100_000, estimate{}},
		{"no content, no limit", `{}`, Unlimited, estimate{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := mustEstimate(t, tc.body, tc.smallest)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("estimate under a limit of %d (-want +got):\n%s", tc.smallest, diff)
			}
			if want := max(1, tc.want.Input+tc.want.Output); got.Total() != want {
				t.Errorf("total %d, want %d", got.Total(), want)
			}
		})
	}
}

// The guess alone makes no request unfit, and it is never less than the floor
// where there is room.
func TestLawTheGuessAlwaysFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		input, smallest := rapid.Int64Range(1, 5000).Draw(t, "input"), rapid.Int64Range(0, 20_000).Draw(t, "limit")
		guess := guessOutput(input, smallest, TotalTokens)
		if guess < 0 || input <= smallest && input+guess > smallest {
			t.Fatalf("a guess of %d beside an input of %d under a limit of %d", guess, input, smallest)
		}
		want := max(input, min(outputFloor, max(1, smallest/4)))
		if input+want <= smallest && guess != want {
			t.Fatalf("a guess of %d though %d fits", guess, want)
		}
	})
}

func TestEstimateTellsHowToAnswer(t *testing.T) {
	for _, tc := range []struct {
		body string
		want estimate
	}{
		{`{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true}}`, estimate{Stream: true, StreamUsage: true, Model: "gpt-4o"}},
		{`{"model":"m\u00fc","stream":true,"stream_options":{"include_usage":false}}`, estimate{Stream: true, Model: "mü"}},
		{`{"stream":false,"stream_options":null,"model":null}`, estimate{}},
		{`{"stream":"true","stream_options":{"include_usage":1},"model":7}`, estimate{}},
		{`{"metadata":{"stream":true,"model":"x","max_tokens":9}}`, estimate{}},
	} {
		if diff := cmp.Diff(tc.want, mustEstimate(t, tc.body, Unlimited)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.body, diff)
		}
	}
}

func TestWhatIsNoObjectIsAnError(t *testing.T) {
	for body, want := range map[string]string{
		``:                  "at byte 0",
		`{"messages":[}`:    "at byte 14",
		`{"a":1} x`:         "at byte 9",
		`{"a":"` + "\x01":   "at byte 7",
		`[{"messages":[]}]`: "send one JSON object",
		`"text"`:            "send one JSON object",
		`null`:              "send one JSON object",
		`12`:                "send one JSON object",
	} {
		if _, err := chatContent.estimate([]byte(body), Unlimited); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", body, err, want)
		}
	}
}
