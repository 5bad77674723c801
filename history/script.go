package history

import "time"

// Script is what the mock provider is told to answer to the calls that carry
// one nonce. The zero Script answers at once with an empty completion.
type Script struct {
	PromptTokens     int64 `json:"prompt_tokens,omitempty"`
	CompletionTokens int64 `json:"completion_tokens,omitempty"`
	// CachedTokens are the part of PromptTokens that is told as cached.
	CachedTokens int64 `json:"cached_tokens,omitempty"`
	// Latency is the wait before the answer, or before a stream's first chunk.
	Latency time.Duration `json:"latency_ns,omitempty"`
	// Status, when it is not 0 or 200, is answered with an error body.
	Status int `json:"status,omitempty"`
	// FailFirst limits Status (500 when it is 0) to the first calls of the
	// nonce; 0 is no limit.
	FailFirst int `json:"fail_first,omitempty"`
	// Chunks is how many chunks a stream's text is cut into; 0 is 3.
	Chunks int `json:"chunks,omitempty"`
	// ChunkDelay is the wait between two chunks.
	ChunkDelay time.Duration `json:"chunk_delay_ns,omitempty"`
	// CutAfter breaks the connection after that many chunks of a stream, or
	// instead of an answer that is not streamed; 0 is never.
	CutAfter int `json:"cut_after,omitempty"`
	// WithoutUsage leaves the usage out of the answer, even where the request
	// asks for it.
	WithoutUsage bool `json:"without_usage,omitempty"`
	// RateHeaders are headers of the provider's own: rate headers and the like.
	RateHeaders map[string]string `json:"rate_headers,omitempty"`
	// KeepBody records the body that the provider received in its Call.
	KeepBody bool `json:"keep_body,omitempty"`
	// Handshake makes the provider answer the nonce itself, so that whoever
	// asks knows that it is this provider that answers.
	Handshake bool `json:"handshake,omitempty"`
}
