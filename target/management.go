package target

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
)

// AliasPrefix is the beginning of the aliases of all keys that a run makes, so
// that who finds one knows where it is from.
const AliasPrefix = "ratecheck-"

const (
	// managementTimeout is how long a call to the management API may take. It
	// writes to a database, which a busy proxy shares with its logs.
	managementTimeout = 15 * time.Second
	// cleanupPatience is how long the deletion of all keys may take.
	cleanupPatience = 30 * time.Second
	// deletionBatch is how many keys are deleted by one call.
	deletionBatch = 100
	// maxManagementAnswer is the most of an answer that is read, in bytes.
	maxManagementAnswer = 1 << 20
)

// Management is a target's management API, as LiteLLM's: /key/generate and
// /key/delete.
type Management struct {
	// URL is the target's base URL.
	URL       *url.URL
	Transport http.RoundTripper
	Clock     clock.Clock
	// AdminKey is the bearer token of the API.
	AdminKey Secret
	// Model is the one that limits for a model are for.
	Model string
	// Lifetime is the duration that keys are given, above a second: the target
	// drops them then if nobody deletes them.
	Lifetime time.Duration
}

// ManagedKeys makes keys and their owners by a target's management API, and
// deletes them.
type ManagedKeys struct {
	api Management

	mu sync.Mutex
	// aliases are those of all keys that may exist.
	aliases []string
	keys    map[string]Secret
	// owners are those that may exist.
	owners []managedOwner
}

// NewManagedKeys returns a maker of keys that has made none.
func NewManagedKeys(api Management) *ManagedKeys {
	return &ManagedKeys{api: api, keys: map[string]Secret{}}
}

// ManagementError is a call to the management API that did not do what it was
// to do.
type ManagementError struct {
	// Call is the call, as POST URL.
	Call string
	// Status is that of the answer; 0 where there was none.
	Status int
	// Text is why, or the beginning of the answer.
	Text string
	Err  error
}

func (e *ManagementError) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("%s: %s; is the proxy running there?", e.Call, e.Text)
	}
	hint := "does this target speak LiteLLM's management API, and has it a database?"
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
		hint = "is this the admin key (--admin-key)?"
	}
	return fmt.Sprintf("%s: status %d: %s; %s", e.Call, e.Status, e.Text, hint)
}

func (e *ManagementError) Unwrap() error { return e.Err }

type generateAnswer struct {
	Key         string `json:"key"`
	RPMLimit    *int64 `json:"rpm_limit"`
	TPMLimit    *int64 `json:"tpm_limit"`
	MaxParallel *int64 `json:"max_parallel_requests"`
}

// Make makes a key with these limits and no others. It is a *ManagementError if
// the target does not, or says that the key has other limits.
//
// A call that was begun goes on when ctx is cancelled: a key must be known to be
// deleted.
func (m *ManagedKeys) Make(ctx context.Context, nonce string, limits history.Limits) (Secret, error) {
	return m.make(ctx, nonce, limits, nil)
}

// make makes a key that has further members. The error is an *untoldError if the
// answer does not tell them.
func (m *ManagedKeys) make(ctx context.Context, nonce string, limits history.Limits, of fields) (Secret, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	alias := AliasPrefix + nonce
	m.mu.Lock()
	m.aliases = append(m.aliases, alias)
	m.mu.Unlock()
	body := limited("", limits)
	maps.Copy(body, of)
	body["key_alias"], body["duration"] = alias, fmt.Sprintf("%ds", max(1, m.api.Lifetime/time.Second))
	var text json.RawMessage
	call := m.call("/key/generate")
	if err := m.post(context.WithoutCancel(ctx), "/key/generate", body, &text); err != nil {
		return "", err
	}
	var made generateAnswer
	var whole any
	if err := errors.Join(json.Unmarshal(text, &made), json.Unmarshal(text, &whole)); err != nil {
		return "", &ManagementError{Call: call, Status: http.StatusOK, Text: "its answer is not that of LiteLLM: " + err.Error(), Err: err}
	}
	if made.Key == "" {
		return "", &ManagementError{Call: call, Status: http.StatusOK, Text: "its answer has no key"}
	}
	key := Secret(made.Key)
	m.mu.Lock()
	m.keys[alias] = key
	m.mu.Unlock()
	got := history.Limits{Requests: made.RPMLimit, Tokens: made.TPMLimit, Parallel: made.MaxParallel}
	if !sameLimits(got, limits) {
		return "", &ManagementError{Call: call, Status: http.StatusOK, Text: fmt.Sprintf("a key with %s was asked for, and one with %s was made", describe(limits), describe(got))}
	}
	return key, tells(whole, of)
}

// Delete deletes all keys that were made and then their owners, also when ctx is
// cancelled. It takes half a minute at the most. The error names the aliases of
// the keys, and the owners, that may be left.
func (m *ManagedKeys) Delete(ctx context.Context) error {
	ctx, cancel := clock.WithTimeout(context.WithoutCancel(ctx), m.api.Clock, cleanupPatience)
	defer cancel()
	m.mu.Lock()
	aliases := slices.Clone(m.aliases)
	m.mu.Unlock()
	var left []string
	var why error
	for batch := range slices.Chunk(aliases, deletionBatch) {
		err := m.deleteAll(ctx, batch)
		for i := 0; err != nil && i < len(batch); i++ {
			one := m.deleteOne(ctx, batch[i])
			if one == nil {
				continue
			}
			left, why = append(left, batch[i]), one
			var failed *ManagementError
			if ctx.Err() != nil || errors.As(one, &failed) && failed.Status == 0 {
				left = append(left, batch[i+1:]...) // nobody is there to be asked
				break
			}
		}
	}
	m.mu.Lock()
	m.aliases = left
	m.mu.Unlock()
	if left != nil {
		why = fmt.Errorf("test keys may be left on the target, which drops them %s after they were made: %s: %w",
			m.api.Lifetime.Round(time.Second), strings.Join(left, ", "), why)
	}
	if owners, err := m.deleteOwners(ctx); err != nil {
		why = errors.Join(why, fmt.Errorf("owners of test keys may be left on the target: %s: %w", strings.Join(owners, ", "), err))
	}
	return why
}

func (m *ManagedKeys) deleteAll(ctx context.Context, aliases []string) error {
	return m.post(ctx, "/key/delete", map[string]any{"key_aliases": aliases}, nil)
}

// deleteOne deletes a key by its alias, or by itself where aliases are not
// known to the target. One that is not there was never made or has expired.
func (m *ManagedKeys) deleteOne(ctx context.Context, alias string) error {
	err := m.deleteAll(ctx, []string{alias})
	m.mu.Lock()
	key := m.keys[alias]
	m.mu.Unlock()
	if err == nil || isGone(err) {
		return nil
	}
	if key == "" {
		return err
	}
	err = m.post(ctx, "/key/delete", map[string]any{"keys": []string{key.Bearer()}}, nil)
	if isGone(err) {
		return nil
	}
	return err
}

func isGone(err error) bool {
	var failed *ManagementError
	return errors.As(err, &failed) && failed.Status == http.StatusNotFound
}

func (m *ManagedKeys) call(path string) string {
	return "POST " + m.api.URL.JoinPath(path).Redacted()
}

// post sends a call and decodes its answer; a nil body is none, and a nil into
// leaves the answer.
func (m *ManagedKeys) post(ctx context.Context, path string, body, into any) error {
	return m.send(ctx, http.MethodPost, path, body, into)
}

func (m *ManagedKeys) send(ctx context.Context, method, path string, body, into any) error {
	failed := func(status int, text string, err error) error {
		return &ManagementError{Call: method + " " + m.api.URL.JoinPath(path).Redacted(), Status: status, Text: text, Err: err}
	}
	var encoded []byte
	if body != nil {
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			return failed(0, "encoding the call: "+err.Error(), err)
		}
	}
	ctx, cancel := clock.WithTimeout(ctx, m.api.Clock, managementTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, m.api.URL.JoinPath(path).String(), bytes.NewReader(encoded))
	if err != nil {
		return failed(0, err.Error(), err)
	}
	req.Header.Set("Authorization", "Bearer "+m.api.AdminKey.Bearer())
	req.Header.Set("Content-Type", "application/json")
	res, err := m.api.Transport.RoundTrip(req)
	if err != nil {
		return failed(0, m.why(ctx, err), err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxManagementAnswer))
	if err != nil {
		return failed(0, "reading the answer: "+m.why(ctx, err), err)
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusCreated {
		return failed(res.StatusCode, m.excerpt(answer), nil)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		// What is in the answer is not told: it may be a key.
		return failed(res.StatusCode, "its answer is not that of LiteLLM: "+err.Error(), err)
	}
	return nil
}

// why tells a timeout by its name.
func (m *ManagedKeys) why(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return fmt.Sprintf("no answer within %s", managementTimeout)
	}
	return err.Error()
}

// excerpt is the beginning of a refusal, without the keys that the target may
// have written into it.
func (m *ManagedKeys) excerpt(answer []byte) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := strings.ReplaceAll(string(answer), m.api.AdminKey.Bearer(), hidden)
	for _, key := range m.keys {
		text = strings.ReplaceAll(text, key.Bearer(), hidden)
	}
	return fmt.Sprintf("%q", strings.ToValidUTF8(text[:min(len(text), refusalExcerpt)], ""))
}
