package reference

import (
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// decodedEstimate is what an estimate of a chat should say, by way of
// encoding/json.
func decodedEstimate(body []byte, smallest int64) (input, output int64, ok bool) {
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber()
	var object map[string]any
	if !json.Valid(body) || decoder.Decode(&object) != nil || object == nil {
		return 0, 0, false
	}
	var text, media int64
	count := func(v any) {
		s, _ := v.(string)
		text += int64(utf8.RuneCountInString(s))
	}
	messages, _ := object["messages"].([]any)
	for _, m := range messages {
		message, _ := m.(map[string]any)
		count(message["content"])
		parts, _ := message["content"].([]any)
		for _, p := range parts {
			part, _ := p.(map[string]any)
			switch part["type"] {
			case "text":
				count(part["text"])
			case "image_url":
				media += imageTokens
			case "input_audio":
				media += audioTokens
			case "file":
				media += fileTokens
			}
		}
	}
	if text > 0 {
		input = max(1, text/4)
	}
	input += media
	given := false
	integer := func(name string, least int64) *big.Int {
		if object[name] == nil {
			return big.NewInt(least)
		}
		number, _ := object[name].(json.Number)
		n, isInteger := new(big.Int).SetString(number.String(), 10)
		if !isInteger || n.Cmp(big.NewInt(least)) < 0 {
			ok = false
			return big.NewInt(least)
		}
		given = given || name != "n"
		return n
	}
	ok = true
	most := slices.MaxFunc([]*big.Int{
		integer("max_tokens", 0), integer("max_completion_tokens", 0), integer("max_output_tokens", 0),
	}, (*big.Int).Cmp)
	most.Mul(most, integer("n", 1))
	output = math.MaxInt64
	if most.IsInt64() {
		output = most.Int64()
	}
	if !given && input > 0 {
		output = guessOutput(input, smallest, TotalTokens)
	}
	return input, output, ok
}

func FuzzEstimateChat(f *testing.F) {
	for _, seed := range []string{
		`{"model":"m","messages":[{"role":"user","content":"hello \ud83d\ude00 \\\" there"}],"max_tokens":5,"n":2}`,
		`{"messages":[{"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"x"}},{"type":"file"}]}]}`,
		`{"n":888888899988999988999}`, `{"max_tokens":99999999999999999999,"n":3}`, `{"max_tokens":99999999999999999999e3}`, `{"max_completion_tokens":-1}`, `{"n":0}`, `{"max_tokens":1e3}`, `{"tools":[{"a":[1,2,{"b":null}]}],"messages":null}`,
		`{"a":{"b":[1,"]}",{}]},"messages":[[],"x",{"content":7},{"content":["x",["y"]]}]}`, `{"stream_options":{"include_usage":true}}`, `[`, ``,
		`{"messages":[{"content":"\\\\"},{"content":"\\"}],"messages ":1}`, "{\"messages\":[{\"content\":\"\xff\xfe\xc3\"}]}",
	} {
		f.Add([]byte(seed), int64(100))
	}
	f.Fuzz(func(t *testing.T, body []byte, smallest int64) {
		e, err := chatContent.estimate(body, smallest)
		if err != nil {
			if e != (estimate{}) {
				t.Fatalf("an error comes with %+v", e)
			}
			if json.Valid(body) == strings.Contains(err.Error(), "not valid JSON") {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if e.Total() < 1 || e.Input < 0 || e.Output < 0 {
			t.Fatalf("%q is estimated as %+v", body, e)
		}
		// Tools are counted as they were sent, which the decoded body does not
		// tell; an escape may hide their name.
		if strings.Contains(string(body), "ools") || strings.Contains(string(body), `\u`) {
			return
		}
		input, output, ok := decodedEstimate(body, smallest)
		if !ok || input != e.Input || output != e.Output {
			t.Fatalf("%q is estimated as %+v; decoded it is input %d, output %d, valid %v", body, e, input, output, ok)
		}
	})
}

// A string's code points are those of its decoded content, whatever escapes,
// broken halves and broken bytes it was sent with.
func TestLawCodePointsAreThoseOfTheDecodedText(t *testing.T) {
	pieces := rapid.SampledFrom([]string{
		"a", "ü", "🙂", `\n`, `\\`, `\"`, `\/`, `\u0041`, `\uD83D`, `\ud83d`, `\uDE00`, `\ude00`, `\udbff`, `\udfff`, `\ud7ff`, `\ue000`, "\xff", "\xc3", " ", "u", "0",
	})
	rapid.Check(t, func(t *rapid.T) {
		text := `"` + strings.Join(rapid.SliceOf(pieces).Draw(t, "pieces"), "") + `"`
		var decoded string
		if err := json.Unmarshal([]byte(text), &decoded); err != nil {
			t.Fatalf("the test wrote no JSON: %v", err)
		}
		if got, want := jsonValue(text).codePoints(), int64(utf8.RuneCountInString(decoded)); got != want {
			t.Fatalf("%s has %d code points, want %d", text, got, want)
		}
		if got := string(jsonValue(text).text()); utf8.ValidString(text) && got != decoded {
			t.Fatalf("%s reads %q, want %q", text, got, decoded)
		}
		if got := jsonValue(text + " , 7").end(0); got != len(text) {
			t.Fatalf("%s ends at %d, want %d", text, got, len(text))
		}
	})
}
