package reference

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzBody: of any object what is ours is taken out and the model's name put
// in, and nothing else of it changes.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		`{}`, `{"model":"a","litellm_metadata":{"a":1},"b":[1,2]}`, ` { "litellm_session_id" : 1 , "model":null } `,
		`{"litellm_metadata":1,"litellm_metadata":2}`, `{"a":{"litellm_metadata":1},"\u006dodel":"x"}`, `{"a":"}","b":"\\\""}`,
	} {
		f.Add([]byte(body), "spare")
	}
	f.Fuzz(func(t *testing.T, body []byte, model string) {
		if _, err := readObject(body); err != nil {
			t.Skipf("%q is no JSON object: the proxy refuses it before it takes anything out", body)
		}
		var before, after map[string]json.RawMessage
		if err := json.Unmarshal(body, &before); err != nil {
			t.Skipf("%q is an object to the proxy and none to encoding/json, which the test compares with: %v", body, err)
		}
		got := without(body, ourSession, ourMetadata)
		if err := json.Unmarshal(got, &after); err != nil {
			t.Fatalf("%s became %s: %v", body, got, err)
		}
		delete(before, ourSession)
		delete(before, ourMetadata)
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s became %s (-want +got):\n%s", body, got, diff)
		}
		got = replaceModel(body, model)
		if !json.Valid(got) {
			t.Errorf("with another model %s became %s", body, got)
		}
		jsonValue(got).says(regexp.MustCompile("x"))
	})
}

// TestReplaceModel: the name as JSON writes it, where the last one stands, or in
// front where there is none.
func TestReplaceModel(t *testing.T) {
	for body, want := range map[string]string{
		`{}`:                         `{"model":"\"é"}`,
		`{"a":1}`:                    `{"model":"\"é","a":1}`,
		`{"model":"a","model" :"b"}`: `{"model":"a","model" :"\"é"}`,
		`{"model":null , "a":1}`:     `{"model":"\"é" , "a":1}`,
	} {
		if got := string(replaceModel([]byte(body), `"é`)); got != want {
			t.Errorf("%s became %s, want %s", body, got, want)
		}
	}
}
