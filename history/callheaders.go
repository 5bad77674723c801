package history

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CallHeaders is what an answer tells of its own call under the names that
// LiteLLM documents (x-litellm-*), as far as it is there and of the documented
// type.
type CallHeaders struct {
	// There counts the documented headers of the answer.
	There int
	// Mistyped are those of another type than the documented one, by name.
	Mistyped []MistypedHeader
	// Durations are in order of their names; none is negative.
	Durations []ToldDuration
	// Retries and Fallbacks are how many attempts and other models were tried
	// beyond the first.
	Retries, Fallbacks *int64
	// RequestsLimit and TokensLimit are the key's.
	RequestsLimit, TokensLimit *int64
	// CallID is unique to the call; empty where there is none.
	CallID string
}

// MistypedHeader is a header whose value is not of the documented type.
type MistypedHeader struct {
	Name, Value string
	// Want is the documented type.
	Want string
}

// ToldDuration is a duration that a header tells in milliseconds.
type ToldDuration struct {
	Name string
	Took time.Duration
}

// callHeaderType is the documented type of a header's value.
type callHeaderType int

const (
	isText callHeaderType = iota
	isCount
	isAmount // a number of dollars or of milliseconds
	isNumber
)

// What a documented type asks of a value.
const (
	wantCount  = "a whole number of 0 or more"
	wantAmount = "a number of 0 or more"
	wantNumber = "a number"
)

// callHeaderPrefix begins the names of all of them.
const callHeaderPrefix = "x-litellm-"

// callHeaderTypes are the documented headers without their prefix. What may be
// negative, as a discount may, is a number.
func callHeaderTypes() map[string]callHeaderType {
	return map[string]callHeaderType{
		"response-duration-ms": isAmount, "overhead-duration-ms": isAmount, "callback-duration-ms": isAmount,
		"attempted-retries": isCount, "attempted-fallbacks": isCount, "max-fallbacks": isCount,
		"response-cost": isAmount, "response-cost-original": isAmount, "key-spend": isAmount, "key-max-budget": isAmount,
		"response-cost-discount-amount": isNumber, "response-cost-margin-amount": isNumber, "response-cost-margin-percent": isNumber,
		"key-rpm-limit": isCount, "key-tpm-limit": isCount, "timeout": isAmount,
		"call-id": isText, "model-id": isText, "version": isText, "model-group": isText,
	}
}

// ReadCallHeaders reads what an answer tells of its call. Names are in lower
// case; a header without a value is not there.
func ReadCallHeaders(header map[string]string) CallHeaders {
	var told CallHeaders
	types := callHeaderTypes()
	for _, full := range slices.Sorted(maps.Keys(header)) {
		name, ours := strings.CutPrefix(full, callHeaderPrefix)
		kind, documented := types[name]
		value := strings.TrimSpace(header[full])
		if !ours || !documented || value == "" {
			continue
		}
		told.There++
		if want := told.read(name, value, kind); want != "" {
			told.Mistyped = append(told.Mistyped, MistypedHeader{Name: full, Value: value, Want: want})
		}
	}
	return told
}

// read takes in one header, and says what its value should have been.
func (t *CallHeaders) read(name, value string, kind callHeaderType) (want string) {
	switch kind {
	case isCount:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return wantCount
		}
		switch name {
		case "attempted-retries":
			t.Retries = &n
		case "attempted-fallbacks":
			t.Fallbacks = &n
		case "key-rpm-limit":
			t.RequestsLimit = &n
		case "key-tpm-limit":
			t.TokensLimit = &n
		}
	case isAmount, isNumber:
		x, err := strconv.ParseFloat(value, 64)
		sensible := err == nil && !math.IsNaN(x) && !math.IsInf(x, 0)
		if kind == isNumber && !sensible {
			return wantNumber
		}
		if kind == isAmount && (!sensible || x < 0) {
			return wantAmount
		}
		if strings.HasSuffix(name, "-ms") {
			t.Durations = append(t.Durations, ToldDuration{Name: callHeaderPrefix + name, Took: milliseconds(x)})
		}
	case isText:
		if name == "call-id" {
			t.CallID = value
		}
	}
	return ""
}

// milliseconds is x ms, and the longest duration where that is too long for one.
func milliseconds(x float64) time.Duration {
	ns := x * float64(time.Millisecond)
	if ns >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(ns)
}
