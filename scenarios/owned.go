package scenarios

import (
	"context"
	"fmt"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/target"
)

// Owner names a fresh owner. It comes to exist with the first key of its.
func (s *Stage) Owner(scope history.Scope, limits history.Limits) history.Owner {
	return history.Owner{Scope: scope, Name: s.runner.nextOwner(), Limits: limits}
}

// OwnedKey makes a fresh key with exactly these limits that belongs to these
// owners. Where the target can have none the error is a *target.OwnerError.
func (s *Stage) OwnedKey(ctx context.Context, limits history.Limits, owners ...history.Owner) (*Key, error) {
	r := s.runner
	nonce, alias := r.nextKey()
	made, err := target.MakeOwned(ctx, r.Target.Keys, nonce, limits, owners)
	if err != nil {
		return nil, fmt.Errorf("making a key for scenario %s: %w", s.scenario.Name, err)
	}
	r.noteSecret(made.Secret)
	if err := r.History.Key(history.Key{Alias: alias, Scenario: s.scenario.Name, Limits: limits, Owners: owners}); err != nil {
		return nil, err
	}
	return &Key{Alias: alias, Limits: limits, secret: made.Secret, members: made.Members}, nil
}

// BurstAcross sends n requests to each of these keys, all at once, and waits for
// all answers. It takes its turn as Burst does.
func (s *Stage) BurstAcross(ctx context.Context, asked []Asked) error {
	if err := s.runner.turn.take(ctx, s.runner.Clock); err != nil {
		return err
	}
	defer s.runner.turn.give()
	var parts []func() error
	for _, a := range asked {
		parts = append(parts, func() error {
			_, err := s.together(ctx, a.Key, a.N, func(int) Shot { return a.Shot })
			return err
		})
	}
	return s.beside(parts...)
}

// Asked is what a burst asks of one key.
type Asked struct {
	Key  *Key
	N    int
	Shot Shot
}
