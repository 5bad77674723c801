// Package history is what happened: the attempts that were made, what the
// provider behind the target saw of them, and what the target had promised. It
// is the word list of the house; a verdict is a pure function of it.
//
// Times are offsets from the start of the run. A history holds no wall time, no
// host, no port, no process, no path and no key.
package history

import "time"

// Schema is the version of the file format.
const Schema = "ratecheck.history/v1"

// Run is the contract record: what was declared before anything was sent. It is
// the first record of a history.
type Run struct {
	Schema string `json:"schema"`
	Seed   uint64 `json:"seed"`
	// Window is the length of the target's windows.
	Window time.Duration `json:"window_ns"`
	// TokenClass is how the target was declared to count tokens; empty when
	// nothing was declared.
	TokenClass string `json:"token_class,omitempty"`
	// Ledger says that the provider behind the target is ours and its calls are
	// part of the history.
	Ledger bool `json:"ledger"`
	// LedgerSkew bounds how far the times of ledger records may be off, where
	// the provider runs in another process.
	LedgerSkew time.Duration `json:"ledger_skew_ns,omitempty"`
	// Planned are the scenarios that are to be played, each with the
	// requirements it asks.
	Planned []Plan `json:"planned"`
}

// Plan is one scenario that is to be played.
type Plan struct {
	Scenario string `json:"scenario"`
	// Endpoint is the one that it asks, where it is not Chat.
	Endpoint string   `json:"endpoint,omitempty"`
	Asks     []string `json:"asks"`
}

// CheckThenCharge is the TokenClass of a target that checks before a request
// and charges after it, and says so.
const CheckThenCharge = "check-then-charge"

// Limits are the limits of one key. Nil is no limit; 0 is a limit that nothing
// passes.
type Limits struct {
	Requests *int64 `json:"requests,omitempty"`
	Tokens   *int64 `json:"tokens,omitempty"`
	Parallel *int64 `json:"max_parallel,omitempty"`
}

// Key is a key that a scenario got, under the name it has in this history.
type Key struct {
	Alias    string `json:"key"`
	Scenario string `json:"scenario"`
	Limits   Limits `json:"limits"`
	// Owners are those that its requests are counted for too, each with its own
	// limits; nil is none.
	Owners []Owner `json:"owners,omitempty"`
}

// Attempt is one request and all that came of it.
type Attempt struct {
	// ID numbers the attempts of a run from 1 in the order in which they were
	// started.
	ID       int    `json:"id"`
	Scenario string `json:"scenario"`
	// Step is the part of the scenario that sent it.
	Step string `json:"step"`
	// Asks are the requirements it was sent for.
	Asks []string `json:"asks,omitempty"`
	// Key is the key's alias.
	Key string `json:"key"`
	// Endpoint is one of Endpoints.
	Endpoint string `json:"endpoint"`
	Stream   bool   `json:"stream,omitempty"`
	// Nonce joins the attempt to the provider's calls.
	Nonce string `json:"nonce"`
	// Cap is the most tokens the attempt could cost by any lawful count: the
	// bytes of its prompt and its max_tokens.
	Cap int64 `json:"cap,omitempty"`
	// MaxTokens is the max_tokens that was sent; nil where none was.
	MaxTokens *int64 `json:"max_tokens,omitempty"`

	// Intended is when it was to be sent.
	Intended time.Duration `json:"intended_ns"`
	// Sent is when a connection was had and the request began to be written.
	Sent time.Duration `json:"sent_ns"`
	// Headers is when the final response's headers were there.
	Headers time.Duration `json:"headers_ns,omitempty"`
	// FirstByte is when the first byte of the body was there.
	FirstByte time.Duration `json:"first_byte_ns,omitempty"`
	// Done is when the attempt was over, one way or the other.
	Done time.Duration `json:"done_ns"`

	// Status is 0 when no final response came.
	Status int `json:"status,omitempty"`
	// Error is why the answer is not a whole one; empty when it is.
	Error ErrorClass `json:"error,omitempty"`
	// ErrorText is the error in the words of whoever reported it.
	ErrorText string `json:"error_text,omitempty"`
	// Header holds the rate-related, x-litellm-* and llm_provider-* headers and
	// content-type, in lower case; several lines of one name are joined by
	// ", ".
	Header map[string]string `json:"header,omitempty"`
	// Usage is what the answer said of tokens.
	Usage *Usage `json:"usage,omitempty"`
	// Events counts the events of a stream, Done included.
	Events int `json:"events,omitempty"`
	// DoneSeen says that the stream ended as those of its endpoint do: with
	// [DONE], response.completed, response.incomplete or message_stop.
	DoneSeen bool `json:"done_seen,omitempty"`
	// ErrorEvent says that the first event of a stream was an error.
	ErrorEvent bool `json:"error_event,omitempty"`
	// Excerpt is the beginning of the body of an answer that was no success.
	Excerpt string `json:"excerpt,omitempty"`

	// Body is what was sent, where the step is about that (Script.KeepBody). It
	// is text and no nested JSON, for what arrives in its place may be broken.
	Body string `json:"body,omitempty"`
}

// Usage is a count of tokens as a provider or an answer states it.
type Usage struct {
	Prompt     int64 `json:"prompt"`
	Completion int64 `json:"completion"`
	Total      int64 `json:"total"`
	Cached     int64 `json:"cached,omitempty"`
}

// ErrorClass names what kept an attempt from having a whole answer.
type ErrorClass string

// The error classes.
const (
	// Unreachable: no connection could be made.
	Unreachable ErrorClass = "unreachable"
	// Deadline: the attempt's own time was up.
	Deadline ErrorClass = "deadline"
	// Left: the client left before the answer was whole, as it was told to.
	Left ErrorClass = "left"
	// Cancelled: the run was interrupted.
	Cancelled ErrorClass = "cancelled"
	// Reset: the connection broke before the response's headers were there.
	Reset ErrorClass = "reset"
	// Cut: the body broke off, or a stream ended without its last event.
	Cut ErrorClass = "cut"
	// Oversized: an event or a body was larger than is read.
	Oversized ErrorClass = "oversized"
	// Garbled: the body is not what its status and endpoint call for.
	Garbled ErrorClass = "garbled"
)

// Call is a ledger record: one request as the provider saw it. What it says was
// sent is the truth.
type Call struct {
	// ID numbers the calls of a provider from 1 in the order of their arrival.
	ID    int    `json:"id"`
	Nonce string `json:"nonce"`
	// Endpoint is the one that was called. A proxy may translate, so it need
	// not be the attempt's.
	Endpoint string `json:"endpoint"`
	Stream   bool   `json:"stream,omitempty"`

	Received  time.Duration `json:"received_ns"`
	FirstByte time.Duration `json:"first_byte_ns,omitempty"`
	Done      time.Duration `json:"done_ns"`

	Status int `json:"status"`
	// Usage is what the call cost, whether or not the answer said so.
	Usage Usage `json:"usage"`
	// Produced is how many completion tokens had been sent when the call ended.
	Produced int64 `json:"produced"`
	// Chunks is in how many events they were sent; 0 when the answer was no
	// stream, or its provider did not say.
	Chunks int `json:"chunks,omitempty"`
	// Gone says that the caller left before the answer was whole.
	Gone bool `json:"gone,omitempty"`
	// Cut says that the provider broke the answer off, as it was told to.
	Cut bool `json:"cut,omitempty"`
	// InFlight is how many calls were in flight when this one had arrived,
	// itself included.
	InFlight int `json:"in_flight"`
	// RateHeaders are the headers of its own that the provider answered with, as
	// Script.RateHeaders says.
	RateHeaders map[string]string `json:"rate_headers,omitempty"`
	// Body is the body that the provider received, where its script says that
	// it is to be kept and it has at most MaxKeptBody bytes; else empty.
	Body string `json:"body,omitempty"`
}

// MaxKeptBody is the longest body of a call that is kept, in bytes: far more
// than what a scenario sends with all that a proxy may add, and little beside
// MaxLine.
const MaxKeptBody = 64 << 10

// End is the last record of a scenario.
type End struct {
	Scenario string `json:"scenario"`
	// At is when it ended.
	At time.Duration `json:"at_ns"`
	// Error is why it did not play to its end; empty when it did.
	Error string `json:"error,omitempty"`
	// Fault says that the error is this tool's own.
	Fault bool `json:"fault,omitempty"`
	// Interrupted says that the run was broken off from outside.
	Interrupted bool `json:"interrupted,omitempty"`
}

// History is all records of a run. Attempts and calls are in the order of their
// ids, all else in the order in which it was written.
type History struct {
	Run      Run
	Keys     []Key
	Attempts []Attempt
	Calls    []Call
	Ends     []End
	// Torn is the number of bytes of an unfinished last line that were left
	// out.
	Torn int
}
