package faults

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/sim"
)

func streamFaults() []Fault {
	stream := []byte(`"stream":true`)
	options := []byte(`"stream_options"`)
	return []Fault{
		{
			Name: "streams-free", Breaks: "tokens/streams-counted",
			Sentence: "streams cost nothing, as where usage is read from plain answers only (AISIX 688)",
			Apply: freeWhere(func(_ *http.Request, body []byte) bool {
				return bytes.Contains(body, stream) && bytes.Contains(body, options)
			}),
		},
		{
			Name: "silent-streams-free", Breaks: "tokens/streams-without-usage-counted",
			Sentence: "streams whose client does not ask for usage cost nothing",
			Apply: freeWhere(func(r *http.Request, body []byte) bool {
				return isOf(r, history.Chat) && bytes.Contains(body, stream) && !bytes.Contains(body, options)
			}),
		},
	}
}

// freeKey marks the context of a request whose usage is to be lost.
type freeKey struct{}

// freeWhere loses the usage of the requests that are, with their body as the
// client sent it, of a kind.
func freeWhere(kind func(r *http.Request, body []byte) bool) func(*sim.Parts) {
	return usageWhere("0", kind)
}

// usageWhere is freeWhere with another total than nothing.
func usageWhere(total string, kind func(r *http.Request, body []byte) bool) func(*sim.Parts) {
	return func(p *sim.Parts) {
		p.Transport = &usageLoser{next: p.Transport, total: total}
		p.Wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
					return
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				if kind(r, body) {
					r = r.WithContext(context.WithValue(r.Context(), freeKey{}, true))
				}
				next.ServeHTTP(w, r)
			})
		}
	}
}

// usageLoser makes the parts of usage nothing in the answers to marked requests,
// and their total another.
type usageLoser struct {
	next  http.RoundTripper
	total string
}

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
		part := regexp.MustCompile(`"(prompt|completion|input|output)_tokens":[0-9]+`)
		content = part.ReplaceAll(content, []byte(`"${1}_tokens":0`))
		total := regexp.MustCompile(`"total_tokens":[0-9]+`)
		content = total.ReplaceAll(content, []byte(`"total_tokens":`+t.total))
		res.Body = io.NopCloser(bytes.NewReader(content))
	}
	return res, err
}
