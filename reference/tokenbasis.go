package reference

import (
	"fmt"
	"math"
)

// TokenBasis says which tokens the token limits count: token_rate_limit_type
// (rule 13).
type TokenBasis int

// The values of token_rate_limit_type.
const (
	TotalTokens TokenBasis = iota
	InputTokens
	OutputTokens
)

// ParseTokenBasis reads token_rate_limit_type: total, input or output; empty is
// total. Anything else is an error, fit for the operator to read: a limiter
// that took it for total would count what nobody meant.
func ParseTokenBasis(text string) (TokenBasis, error) {
	switch text {
	case "", "total":
		return TotalTokens, nil
	case "input":
		return InputTokens, nil
	case "output":
		return OutputTokens, nil
	}
	return TotalTokens, fmt.Errorf("token_rate_limit_type is %q; write total, input or output, or leave it out", text)
}

// String is the basis as it is written in a configuration.
func (b TokenBasis) String() string { return [...]string{"total", "input", "output"}[b] }

// usage is what an upstream says a request cost, in tokens, 0 or more.
type usage struct {
	input, output, total int64
	// cached is the part of the input that was read from a cache, where the
	// input counts it.
	cached int64
}

// newUsage makes numbers as an upstream tells them consistent: a total that is
// missing is the sum, and a part that is missing is the rest of the total.
func newUsage(input, output, total, cached int64) usage {
	u := usage{max(0, input), max(0, output), max(0, total), max(0, cached)}
	switch {
	case total < 0:
		// Nonsense is not added up.
	case u.total == 0:
		u.total = addTokens(u.input, u.output)
	case u.input == 0:
		u.input = max(0, u.total-u.output)
	case u.output == 0:
		u.output = max(0, u.total-u.input)
	}
	return u
}

// of is what is charged by a basis (rule 13): what came from a cache is not,
// where the input counts.
func (u usage) of(basis TokenBasis) int64 {
	switch basis {
	case InputTokens:
		return max(0, u.input-u.cached)
	case OutputTokens:
		return u.output
	}
	return max(0, u.total-u.cached)
}

// addTokens is a+b, neither of them negative, and at most the largest int64.
func addTokens(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
