// Package target is what is tested: where it is, how keys with known limits
// come to exist on it, what was declared of it, and the provider behind it
// whose truth we know.
package target

import (
	"context"
	"fmt"
	"io"
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

// Secret is a key as it is sent. It prints and encodes as [key], so that it
// cannot slip into a log or a report. What is left open is what looks at the
// string and asks no method: package fmt in an unexported field of a struct, and
// encoding/json in the key of a map.
type Secret string

const hidden = "[key]"

// String hides the key.
func (Secret) String() string { return hidden }

// GoString hides the key.
func (Secret) GoString() string { return hidden }

// Format hides the key from every verb, those too that package fmt would report
// as wrong together with the value.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText hides the key from encoders, JSON's among them.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

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
