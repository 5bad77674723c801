package faults

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ratecheck/ratecheck/sim"
)

func leavingFaults() []Fault {
	charged := func(tokens int) func(*sim.Parts) {
		return func(p *sim.Parts) { p.Transport = &leaverCharger{next: p.Transport, tokens: tokens} }
	}
	return []Fault{
		{
			Name: "leaver-pays-one-token", Breaks: "refund/disconnect",
			Sentence: "a client that leaves in the middle of a stream is charged one token (LiteLLM 1.82.3)",
			Apply:    charged(1),
		},
		{
			Name: "leaver-pays-too-much", Breaks: "refund/disconnect",
			Sentence: "a client that leaves in the middle of a stream is charged far more than could have come",
			Apply:    charged(900),
		},
	}
}

// leaverCharger has the usage of streams whose clients left be another.
type leaverCharger struct {
	next   http.RoundTripper
	tokens int
}

func (t *leaverCharger) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(req)
	if err == nil && strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		usage := fmt.Sprintf("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n", t.tokens, t.tokens)
		res.Body = &leftBody{ReadCloser: res.Body, ctx: req.Context(), last: strings.NewReader(usage)}
	}
	return res, err
}

// leftBody ends with one more event when nobody waits for it any longer.
type leftBody struct {
	io.ReadCloser
	ctx  context.Context
	last *strings.Reader
}

func (b *leftBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && b.ctx.Err() != nil && b.last.Len() > 0 {
		more, _ := b.last.Read(p[n:])
		return n + more, nil
	}
	return n, err
}
