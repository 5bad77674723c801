package faults

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"

	"github.com/ratecheck/ratecheck/sim"
)

func streamFaults() []Fault {
	stream := []byte(`"stream":true`)
	options := []byte(`"stream_options"`)
	return []Fault{
		{
			Name: "streams-free", Breaks: "tokens/streams-counted",
			Sentence: "streams cost nothing, as where usage is read from plain answers only (AISIX 688)",
			Apply:    freeWhere(func(body []byte) bool { return bytes.Contains(body, stream) && bytes.Contains(body, options) }),
		},
		{
			Name: "silent-streams-free", Breaks: "tokens/streams-without-usage-counted",
			Sentence: "streams whose client does not ask for usage cost nothing",
			Apply:    freeWhere(func(body []byte) bool { return bytes.Contains(body, stream) && !bytes.Contains(body, options) }),
		},
	}
}

// freeKey marks the context of a request whose usage is to be lost.
type freeKey struct{}

// freeWhere loses the usage of the requests whose body, as the client sent it,
// is of a kind.
func freeWhere(kind func(body []byte) bool) func(*sim.Parts) {
	return func(p *sim.Parts) {
		p.Transport = &usageLoser{next: p.Transport}
		p.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
					return
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				if kind(body) {
					r = r.WithContext(context.WithValue(r.Context(), freeKey{}, true))
				}
				next.ServeHTTP(w, r)
			})
		}
	}
}

// usageLoser makes usage nothing in the answers to marked requests.
type usageLoser struct{ next http.RoundTripper }

func (t *usageLoser) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(req)
	if err == nil && req.Context().Value(freeKey{}) != nil {
		content, readErr := io.ReadAll(res.Body)
		if readErr != nil {
			return nil, readErr
		}
		if err := res.Body.Close(); err != nil {
			return nil, err
		}
		count := regexp.MustCompile(`"(prompt|completion|total)_tokens":[0-9]+`)
		content = count.ReplaceAll(content, []byte(`"${1}_tokens":0`))
		res.Body = io.NopCloser(bytes.NewReader(content))
	}
	return res, err
}
