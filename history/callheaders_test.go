package history

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadCallHeaders(t *testing.T) {
	n := func(n int64) *int64 { return &n }
	for name, test := range map[string]struct {
		header map[string]string
		want   CallHeaders
	}{
		"none": {map[string]string{"content-type": "text/plain", "x-litellm-unknown": "?", "x-litellm-call-id": " "}, CallHeaders{}},
		"all of a release": {map[string]string{
			"x-litellm-call-id": "1564b265-4b89", "x-litellm-version": "1.82.3", "x-litellm-key-tpm-limit": "100000", "x-litellm-key-rpm-limit": "100",
			"x-litellm-key-spend": "0.0", "x-litellm-response-duration-ms": "6.5", "x-litellm-overhead-duration-ms": "2.25",
			"x-litellm-attempted-retries": "1", "x-litellm-attempted-fallbacks": "0", "x-litellm-response-cost-discount-amount": "-0.5",
		}, CallHeaders{
			There: 10, CallID: "1564b265-4b89", Retries: n(1), Fallbacks: n(0), RequestsLimit: n(100), TokensLimit: n(100000),
			Durations: []ToldDuration{{"x-litellm-overhead-duration-ms", 2250 * time.Microsecond}, {"x-litellm-response-duration-ms", 6500 * time.Microsecond}},
		}},
		"an amount in exponents":    {map[string]string{"x-litellm-response-cost": "1.5e-05"}, CallHeaders{There: 1}},
		"a duration beyond all":     {map[string]string{"x-litellm-response-duration-ms": "1e300"}, CallHeaders{There: 1, Durations: []ToldDuration{{"x-litellm-response-duration-ms", math.MaxInt64}}}},
		"a duration below 0":        {map[string]string{"x-litellm-response-duration-ms": "-3"}, mistyped("x-litellm-response-duration-ms", "-3", "a number of 0 or more")},
		"a duration that is a word": {map[string]string{"x-litellm-overhead-duration-ms": "None"}, mistyped("x-litellm-overhead-duration-ms", "None", "a number of 0 or more")},
		"no number at all":          {map[string]string{"x-litellm-response-cost": "NaN"}, mistyped("x-litellm-response-cost", "NaN", "a number of 0 or more")},
		"half a retry":              {map[string]string{"x-litellm-attempted-retries": "0.5"}, mistyped("x-litellm-attempted-retries", "0.5", "a whole number of 0 or more")},
		"a margin that is a word":   {map[string]string{"x-litellm-response-cost-margin-percent": "low"}, mistyped("x-litellm-response-cost-margin-percent", "low", "a number")},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, ReadCallHeaders(test.header)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func mistyped(name, value, want string) CallHeaders {
	return CallHeaders{There: 1, Mistyped: []MistypedHeader{{name, value, want}}}
}
