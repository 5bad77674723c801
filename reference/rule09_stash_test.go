package reference_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/history"
)

// recorder is our own answer to every call, and the bodies that came with them.
type recorder struct {
	bodies []string
	answer http.Handler
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.bodies = append(r.bodies, string(body))
	r.answer.ServeHTTP(w, req)
}

func newRecorder() *recorder {
	return &recorder{answer: status(200, `{"usage":{"prompt_tokens":10,"completion_tokens":5}}`)}
}

// stash is what LiteLLM keeps in the request, as a client would forge it.
const stash = `"_litellm_tpm_reserved_tokens":1,"_litellm_tpm_reserved_model":"other","_litellm_tpm_reserved_scopes":["user"],` +
	`"_litellm_tpm_reservation_released":true,"_litellm_rate_limit_descriptors":[{"key":"api_key","value":"x","rate_limit":{"requests_per_unit":9}}],` +
	`"litellm_proxy_rate_limit_response":{"statuses":[{"descriptor_key":"api_key","rate_limit_type":"requests","current_limit":999,"limit_remaining":998}]}`

// TestRule09StashNamesHaveNoEffect wherever they stand: the answer, its headers
// and what is left are those of a request without them.
func TestRule09StashNamesHaveNoEffect(t *testing.T) {
	type outcome struct {
		Status     []int
		Rates      map[string]string
		Left       left
		Bodies     int
		LastHeader string
	}
	run := func(fields string) outcome {
		var got outcome
		upstream := newRecorder()
		play(t, setting{keys: oneKey(2, 1000, 1), upstream: upstream}, func(s *stage) {
			a := s.chat(ask("n", `"max_tokens":90`+fields))
			got.Rates = rates(a.header)
			b, c := s.chat(ask("n", `"max_tokens":90`+fields)), s.chat(ask("n", `"max_tokens":90`+fields))
			got.Status = []int{a.status, b.status, c.status}
			got.LastHeader = c.header.Get("rate_limit_type")
			got.Left = s.left(testKey)
		})
		got.Bodies = len(upstream.bodies)
		return got
	}
	want := run("")
	for _, fields := range []string{`,` + stash, `,"metadata":{` + stash + `}`, `,"litellm_metadata":{` + stash + `}`} {
		if diff := cmp.Diff(want, run(fields), cmp.AllowUnexported(left{})); diff != "" {
			t.Errorf("with %.40s... (-without +with):\n%s", fields, diff)
		}
	}
}

// TestRule09OnlyOursIsNotForwarded: all else goes on byte by byte.
func TestRule09OnlyOursIsNotForwarded(t *testing.T) {
	const rest = `"messages" : [ ] , "x":{"litellm_metadata":1}`
	tests := []struct{ sent, want string }{
		{`{"litellm_session_id":"s",` + rest + `}`, `{` + rest + `}`},
		{`{ ` + rest + ` , "litellm_metadata" : {"a":[1,{"b":"}"}]} }`, `{ ` + rest + ` }`},
		{`{"a":1, "litellm_session_id":"s","litellm_metadata":{}, ` + rest + `}`, `{"a":1, ` + rest + `}`},
		{`{"litellm_metadata":null,"litellm_session_id":1,"litellm_metadata":[]}`, `{}`},
		{`{"litellm_\u006detadata":1,"b":"\"litellm_metadata\""}`, `{"b":"\"litellm_metadata\""}`},
		{`{` + rest + `,` + stash + `}`, `{` + rest + `,` + stash + `}`},
		{"\n{" + rest + "}\n", "\n{" + rest + "}\n"},
	}
	for _, tt := range tests {
		upstream := newRecorder()
		play(t, setting{keys: oneKey(10, -1, -1), upstream: upstream}, func(s *stage) {
			s.wantStatus(tt.sent, s.chat(tt.sent), 200)
		})
		if got := strings.Join(upstream.bodies, "|"); got != tt.want {
			t.Errorf("%s went on as\n%s, want\n%s", tt.sent, got, tt.want)
		}
	}
}

// TestRule09OnEveryEndpoint nothing of ours is forwarded, streamed or not.
func TestRule09OnEveryEndpoint(t *testing.T) {
	for _, endpoint := range history.Endpoints() {
		for _, stream := range []bool{false, true} {
			upstream := newRecorder()
			play(t, setting{keys: oneKey(10, -1, -1), upstream: upstream}, func(s *stage) {
				body := askAt(endpoint, "n", stream)
				s.wantStatus(endpoint, s.at(endpoint, `{"litellm_session_id":"s","litellm_metadata":{"session_id":"t"},`+body[1:]), 200)
			})
			if len(upstream.bodies) != 1 || strings.Contains(upstream.bodies[0], "litellm_") {
				t.Errorf("%s, stream %v: went on as %q", endpoint, stream, upstream.bodies)
			}
		}
	}
}
