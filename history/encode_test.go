package history

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func smallHistory() *History {
	n := func(n int64) *int64 { return &n }
	return &History{
		Run: Run{
			Schema: Schema, Seed: 1<<64 - 1, Window: time.Minute, TokenClass: CheckThenCharge, Ledger: true, LedgerSkew: 3,
			Planned: []Plan{{Scenario: "burst", Asks: []string{"a", "b"}}, {Scenario: "idle", Endpoint: Messages}},
		},
		Keys: []Key{
			{Alias: "k1", Scenario: "burst", Limits: Limits{Requests: n(60), Tokens: n(0)}},
			{Alias: "k2", Scenario: "idle"},
		},
		Attempts: []Attempt{
			{
				ID: 1, Scenario: "burst", Step: "s", Asks: []string{"a"}, Key: "k1", Endpoint: "/v1/chat/completions", Stream: true, Nonce: "n1",
				Cap: 9, Intended: 1, Sent: 2, Headers: 3, FirstByte: 4, Done: 5, Status: 429, Error: Garbled, ErrorText: "caf\u00e9 \u2028",
				Header: map[string]string{"retry-after": "17", "content-type": "a", "x": ""},
				Usage:  &Usage{Prompt: 1, Completion: 2, Total: 3, Cached: 1}, Events: 2, DoneSeen: true, ErrorEvent: true, Excerpt: "{\"e\":\n1}",
				Body: `{"n":1.0,"n":2,"<":"` + "\xff" + `"}`,
			},
			{ID: 2, Key: "k2", Usage: &Usage{}},
		},
		Calls: []Call{
			{
				ID: 1, Nonce: "n1", Endpoint: "/v1/chat/completions", Stream: true, Received: 3, FirstByte: 4, Done: 5, Status: 200,
				Usage: Usage{Prompt: 1, Completion: 2, Total: 3}, Produced: 2, Gone: true, Cut: true, InFlight: 1, Body: `{"a": 0.30000000000000004}`,
			},
			{ID: 2},
		},
		Ends: []End{{Scenario: "burst", At: 6, Error: "x", Fault: true, Interrupted: true}, {Scenario: "idle"}},
	}
}

// smallFile is smallHistory as every release with this Schema must write and
// read it.
const smallFile = `{"kind":"run","schema":"ratecheck.history/v1","seed":18446744073709551615,"window_ns":60000000000,"token_class":"check-then-charge","ledger":true,"ledger_skew_ns":3,"planned":[{"scenario":"burst","asks":["a","b"]},{"scenario":"idle","endpoint":"messages","asks":[]}]}
{"kind":"key","key":"k1","scenario":"burst","limits":{"requests":60,"tokens":0}}
{"kind":"key","key":"k2","scenario":"idle","limits":{}}
{"kind":"attempt","id":1,"scenario":"burst","step":"s","asks":["a"],"key":"k1","endpoint":"/v1/chat/completions","stream":true,"nonce":"n1","cap":9,"intended_ns":1,"sent_ns":2,"headers_ns":3,"first_byte_ns":4,"done_ns":5,"status":429,"error":"garbled","error_text":"café \u2028","header":{"content-type":"a","retry-after":"17","x":""},"usage":{"prompt":1,"completion":2,"total":3,"cached":1},"events":2,"done_seen":true,"error_event":true,"excerpt":"{\"e\":\n1}","body":"{\"n\":1.0,\"n\":2,\"<\":\"\ufffd\"}"}
{"kind":"attempt","id":2,"scenario":"","step":"","key":"k2","endpoint":"","nonce":"","intended_ns":0,"sent_ns":0,"done_ns":0,"usage":{"prompt":0,"completion":0,"total":0}}
{"kind":"call","id":1,"nonce":"n1","endpoint":"/v1/chat/completions","stream":true,"received_ns":3,"first_byte_ns":4,"done_ns":5,"status":200,"usage":{"prompt":1,"completion":2,"total":3},"produced":2,"gone":true,"cut":true,"in_flight":1,"body":"{\"a\": 0.30000000000000004}"}
{"kind":"call","id":2,"nonce":"","endpoint":"","received_ns":0,"done_ns":0,"status":0,"usage":{"prompt":0,"completion":0,"total":0},"produced":0,"in_flight":0}
{"kind":"end","scenario":"burst","at_ns":6,"error":"x","fault":true,"interrupted":true}
{"kind":"end","scenario":"idle","at_ns":0}
`

func TestFormIsPinned(t *testing.T) {
	var got bytes.Buffer
	if err := writeWhole(&got, smallHistory()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.SplitAfter(smallFile, "\n"), strings.SplitAfter(got.String(), "\n")); d != "" {
		t.Errorf("pinned (-), written (+):\n%s", d)
	}
}
