package repro

import (
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/scenarios"
)

// Catalogue returns all repros, the most asked for first.
func Catalogue() []Repro {
	return []Repro{
		windowKey(), memoryLockout(), concurrentBypass(), outputOnly(),
		headersOnStreams(), headersOnMessages(),
		smallLimit(), rolloverRefund(), inFlightReset(), inFlightBelowZero(), refusalCharged(),
		responsesUncounted(), responsesBurst(), embeddingsUncounted(),
		internalFields(), internalMetadata(), localReset(),
	}
}

// The ends of the ranges that several repros share.
const (
	v3Default = "1.77.2"
	reserves  = "1.85.0"
	gauge     = "1.94.0"
	resetsAll = "1.103.0"
	newest    = "1.109.1"
)

const lastBroken = "1.82.3" // the release that most threads name

func n(limit int64) *int64 { return &limit }

// chat is a request that costs prompt and completion, with a max_tokens that is
// honest.
func chat(prompt, completion int64) scenarios.Shot {
	return scenarios.Shot{
		MaxTokens: completion,
		Script:    history.Script{PromptTokens: prompt, CompletionTokens: completion},
	}
}

// on sends it to another endpoint.
func on(endpoint string, s scenarios.Shot) scenarios.Shot {
	s.Endpoint = endpoint
	return s
}

func slow(latency time.Duration, s scenarios.Shot) scenarios.Shot {
	s.Script.Latency = latency
	return s
}

func streamed(s scenarios.Shot) scenarios.Shot {
	s.Stream = true
	return s
}

// settled is a pause after which the releases have charged an answer, which
// they do some 0.2 s behind it.
const settled = 600 * time.Millisecond

// requestLimit is a request limit that no story comes near.
const requestLimit = 1000
