package target

import (
	"context"
	"fmt"

	"github.com/ratecheck/ratecheck/history"
)

// Granter is a KeyMaker that cannot be asked for limits: all its keys have the
// same ones.
type Granter interface {
	KeyMaker
	// Granted are the limits of every key.
	Granted() history.Limits
}

// Fixed makes keys for a target that has one policy for all of them: a reverse
// proxy, or a gateway without keys of its own. It was declared, and is not
// asked.
type Fixed struct {
	// Template writes the keys; it names no limits.
	Template *Template
	// Limits are what every fresh key is declared to have.
	Limits history.Limits
}

// Granted are the limits of every key.
func (f Fixed) Granted() history.Limits { return f.Limits }

// Make writes a key. What limits are wanted changes nothing.
func (f Fixed) Make(ctx context.Context, nonce string, _ history.Limits) (Secret, error) {
	return f.Template.Make(ctx, nonce, history.Limits{})
}

// LimitsError says that a target cannot have a key with the limits that are
// wanted. It is a property of the target and no fault.
type LimitsError struct {
	Granted, Wanted history.Limits
}

func (e *LimitsError) Error() string {
	return fmt.Sprintf("the target's keys all have %s; this needs a key with %s", describe(e.Granted), describe(e.Wanted))
}
