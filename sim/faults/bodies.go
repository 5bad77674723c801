package faults

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"github.com/ratecheck/ratecheck/sim"
)

func bodyFaults() []Fault {
	return []Fault{
		{
			Name: "max-tokens-added", Breaks: "forwarding/body-unchanged",
			Sentence: "a request without a maximum of tokens goes upstream with one (LiteLLM from 1.88)",
			Apply: onBodies(func(body map[string]any) {
				if body["max_tokens"] == nil && body["max_completion_tokens"] == nil {
					body["max_tokens"] = 975
				}
			}),
		},
		{
			Name: "temperature-dropped", Breaks: "forwarding/body-unchanged",
			Sentence: "temperature does not reach the provider",
			Apply:    onBodies(func(body map[string]any) { delete(body, "temperature") }),
		},
		{
			Name: "internal-field", Breaks: "forwarding/no-internal-fields",
			Sentence: "the body that goes upstream carries the proxy's own member",
			Apply:    onBodies(func(body map[string]any) { body["litellm_call_id"] = "0c6a7c39" }),
		},
		{
			Name: "internal-field-in-metadata", Breaks: "forwarding/no-internal-fields",
			Sentence: "the metadata that goes upstream carries what was reserved (LiteLLM 27913)",
			Apply: onBodies(func(body map[string]any) {
				body["metadata"] = map[string]any{"_litellm_tpm_reserved_model": body["model"]}
			}),
		},
	}
}

// onBodies changes what goes to the provider.
func onBodies(change func(body map[string]any)) func(*sim.Parts) {
	return func(p *sim.Parts) { p.Transport = &bodyChanger{p.Transport, change} }
}

type bodyChanger struct {
	next   http.RoundTripper
	change func(map[string]any)
}

func (t *bodyChanger) RoundTrip(req *http.Request) (*http.Response, error) {
	content, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	var body map[string]any
	if err := d.Decode(&body); err != nil {
		return nil, err
	}
	t.change(body)
	if content, err = json.Marshal(body); err != nil {
		return nil, err
	}
	changed := req.Clone(req.Context())
	changed.Body, changed.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
	return t.next.RoundTrip(changed)
}
