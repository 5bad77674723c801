package faults

import (
	"net/http"
	"strconv"
)

func callHeaderFaults() []Fault {
	const duration, id, retries = "X-Litellm-Response-Duration-Ms", "X-Litellm-Call-Id", "X-Litellm-Attempted-Retries"
	return []Fault{
		{
			Name: "duration-in-nanoseconds", Breaks: "headers/litellm-typed",
			Sentence: "a duration in milliseconds is told in nanoseconds",
			Apply: onHeaders(func(h http.Header, _ int) int {
				if ms, err := strconv.ParseFloat(h.Get(duration), 64); err == nil {
					const nanoseconds = 1e6
					h.Set(duration, strconv.FormatFloat(ms*nanoseconds, 'f', 0, 64))
				}
				return 0
			}),
		},
		{
			Name: "one-call-id", Breaks: "headers/litellm-typed",
			Sentence: "every call is told the same id",
			Apply: onHeaders(func(h http.Header, _ int) int {
				h.Set(id, "00000000-0000-0000-0000-000000000000")
				return 0
			}),
		},
		{
			Name: "key-limit-told-wrong", Breaks: "headers/litellm-typed",
			Sentence: "the key's limit of tokens is told as that of requests",
			Apply: onHeaders(func(h http.Header, _ int) int {
				if tokens := h.Get("X-Litellm-Key-Tpm-Limit"); tokens != "" && h.Get("X-Litellm-Key-Rpm-Limit") != "" {
					h.Set("X-Litellm-Key-Rpm-Limit", tokens)
				}
				return 0
			}),
		},
		{
			Name: "retries-as-none", Breaks: "headers/litellm-typed",
			Sentence: "no retries are told as the text None, as releases of LiteLLM before the first default limiter did with what they did not know",
			Apply: onHeaders(func(h http.Header, _ int) int {
				if h.Get(retries) == "0" {
					h.Set(retries, "None")
				}
				return 0
			}),
		},
	}
}
