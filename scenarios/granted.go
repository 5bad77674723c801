package scenarios

import (
	"errors"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/target"
)

// What scenarios can do with keys whose limits they did not choose.

const (
	// leastGranted and mostGranted bound the limits of a target that scenarios
	// with any limit play with: a limit of one has no half, and a burst of five
	// times more than the other needs more connections than the driver keeps.
	leastGranted = 2
	mostGranted  = 200
	// capPerToken is how many tokens a limiter may reserve for each that a
	// scenario without a token limit plans to use: its prompts are short, and
	// bytes outnumber tokens by four, beside the nonce.
	capPerToken = 8
)

func playable(limit *int64) bool {
	return limit != nil && *limit >= leastGranted && *limit <= mostGranted
}

// anyRequests says whether a key has a request limit to play with, and nothing
// else that would be met.
func (s *Stage) anyRequests(granted history.Limits) bool {
	return playable(granted.Requests) && s.outOfReach(granted, history.Limits{Requests: granted.Requests})
}

// anySlots says whether a key has slots to play with, and nothing else that
// would be met.
func (s *Stage) anySlots(granted history.Limits) bool {
	return playable(granted.Parallel) && s.outOfReach(granted, history.Limits{Parallel: granted.Parallel})
}

// anyOutOfReach says whether nothing of a key's limits would be met.
func (s *Stage) anyOutOfReach(granted history.Limits) bool {
	return s.outOfReach(granted, history.Limits{})
}

// outOfReach says whether the scenario, as it is planned with these limits,
// cannot reach any of them that it does not want.
func (s *Stage) outOfReach(granted, wanted history.Limits) bool {
	plan := s.scenario.planOn(granted)
	for _, kind := range []struct {
		granted, wanted *int64
		most            int64
	}{
		{granted.Requests, wanted.Requests, int64(plan.Requests)},
		{granted.Tokens, wanted.Tokens, capPerToken * plan.Tokens},
		{granted.Parallel, wanted.Parallel, int64(plan.Requests)},
	} {
		if kind.granted != nil && kind.wanted == nil && *kind.granted < kind.most {
			return false
		}
	}
	return true
}

// sameWhere says whether all limits that are wanted are granted as they are.
func sameWhere(wanted, granted history.Limits) bool {
	for _, kind := range [][2]*int64{{wanted.Requests, granted.Requests}, {wanted.Tokens, granted.Tokens}, {wanted.Parallel, granted.Parallel}} {
		if kind[0] != nil && (kind[1] == nil || *kind[0] != *kind[1]) {
			return false
		}
	}
	return true
}

func (s *Scenario) planOn(granted history.Limits) Plan {
	if s.PlanWith == nil {
		return s.Plan
	}
	return s.PlanWith(granted)
}

// On is the scenario as it is planned on a target whose keys all have these
// limits.
func (s Scenario) On(granted history.Limits) Scenario {
	s.Plan, s.PlanWith = s.planOn(granted), nil
	return s
}

// WithoutOwners is the scenario as it is planned on a target whose keys cannot
// belong to anybody: one that needs such keys sends nothing.
func (s Scenario) WithoutOwners() Scenario {
	if s.Owned {
		s.Plan = Plan{}
	}
	return s
}

// perRequests is a plan that grows with the request limit.
func perRequests(usual int, plan func(rpm int) Plan) func(history.Limits) Plan {
	return func(granted history.Limits) Plan {
		if !playable(granted.Requests) {
			return plan(usual)
		}
		return plan(int(*granted.Requests))
	}
}

// besideWhatCan plays parts at the same time, and leaves out those for which
// the target has no key. It is an error if none has one.
func (s *Stage) besideWhatCan(parts ...func() error) error {
	lacking := make([]error, len(parts))
	able := make([]func() error, len(parts))
	for i, part := range parts {
		able[i] = func() error {
			err := part()
			var limits *target.LimitsError
			if errors.As(err, &limits) {
				lacking[i] = err
				return nil
			}
			return err
		}
	}
	if err := s.beside(able...); err != nil {
		return err
	}
	for _, err := range lacking {
		if err == nil {
			return nil
		}
	}
	return lacking[0]
}
