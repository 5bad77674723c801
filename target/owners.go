package target

import (
	"context"
	"fmt"
	"maps"

	"github.com/ratecheck/ratecheck/history"
)

// OwnedKeyMaker is a KeyMaker whose keys can belong to somebody.
type OwnedKeyMaker interface {
	KeyMaker
	// MakeOwned returns a fresh key with these limits that belongs to these
	// owners, which exist then with theirs. It is an *OwnerError if the target
	// can have no such owner.
	MakeOwned(ctx context.Context, nonce string, limits history.Limits, owners []history.Owner) (OwnedKey, error)
}

// OwnedKey is a key that belongs to somebody.
type OwnedKey struct {
	Secret Secret
	// Members are those of a body by which each request names an owner whom the
	// key does not; nil is none.
	Members map[string]any
}

// OwnerError says that a target can have no key with such an owner. It is a
// property of the target and no fault.
type OwnerError struct {
	Scope history.Scope
	Why   string
}

func (e *OwnerError) Error() string {
	return fmt.Sprintf("the target has no key with limits of scope %s: %s", e.Scope, e.Why)
}

// Unowned makes keys that belong to nobody, although its target may know such.
type Unowned struct {
	KeyMaker
	// Why is told by the *OwnerError.
	Why string
}

// MakeOwned makes a key with owners where the maker can, and is an *OwnerError
// where it makes keys without.
func MakeOwned(ctx context.Context, keys KeyMaker, nonce string, limits history.Limits, owners []history.Owner) (OwnedKey, error) {
	if len(owners) == 0 {
		secret, err := keys.Make(ctx, nonce, limits)
		return OwnedKey{Secret: secret}, err
	}
	switch maker := keys.(type) {
	case OwnedKeyMaker:
		return maker.MakeOwned(ctx, nonce, limits, owners)
	case Unowned:
		return OwnedKey{}, &OwnerError{Scope: owners[0].Scope, Why: maker.Why}
	}
	return OwnedKey{}, &OwnerError{Scope: owners[0].Scope, Why: "its keys belong to nobody; --admin-key, or placeholders for owners in a key template, would make such"}
}

// namedByRequests are the members of a body by which a request names an owner
// of this scope by its id; nil where the key does.
func namedByRequests(scope history.Scope, id string) map[string]any {
	switch scope {
	case history.EndUser:
		return map[string]any{"user": id}
	case history.AgentSession:
		return map[string]any{"litellm_session_id": id}
	}
	return nil
}

func withMembers(members, more map[string]any) map[string]any {
	if members == nil {
		return more
	}
	maps.Copy(members, more)
	return members
}
