// Package target is what is tested: where it is, how keys with known limits
// come to exist on it, what was declared of it, and the provider behind it
// whose truth we know.
package target

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// Target is the proxy under test.
type Target struct {
	// URL is the base URL without /v1.
	URL *url.URL
	// Transport carries the requests.
	Transport http.RoundTripper
	// Model is the model that is asked for.
	Model string
	// Window is the length of its windows.
	Window time.Duration
	// TokenClass is how it was declared to count tokens; see
	// history.Run.TokenClass.
	TokenClass string
	// Keys makes keys with given limits.
	Keys KeyMaker
	// Provider is the mock provider behind it; nil when there is none of ours.
	Provider Provider
}

// KeyMaker makes keys that nobody has used.
type KeyMaker interface {
	// Make returns a fresh key with these limits. The nonce is unique to the
	// run and consists of lower-case letters and digits.
	Make(ctx context.Context, nonce string, limits history.Limits) (Secret, error)
}

// Secret is a key as it is sent. It prints as [key], so that it cannot slip
// into a log or a report.
type Secret string

// String hides the key.
func (Secret) String() string { return "[key]" }

// GoString hides the key.
func (Secret) GoString() string { return "[key]" }

// Bearer is the key itself, for the Authorization header and for redacting it.
func (s Secret) Bearer() string { return string(s) }

// Provider is the mock provider behind a target.
type Provider interface {
	// Register sets what the calls with this nonce are answered.
	Register(ctx context.Context, nonce string, s history.Script) error

	// Calls returns the ledger's calls that have ended, from the given position
	// on in the order in which they ended, and how many are in flight.
	Calls(ctx context.Context, from int) (calls []history.Call, inFlight int, err error)
}
