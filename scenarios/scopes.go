package scenarios

import (
	"context"

	"github.com/ratecheck/ratecheck/history"
)

// The scopes beside the key: who owns keys, and what requests name beside them.

const (
	// scopeLimit is what an owner is allowed, and scopeSharers how many of its
	// keys ask for it at once: three, for two windows on the clock may meet
	// within a burst, so that twice the limit proves nothing.
	scopeLimit, scopeSharers = 3, 3
	// sharerAsks is what each of them asks for, more than the limit.
	sharerAsks = 4
	// controlLimit is what another owner is allowed, and controlAsks what it asks
	// for: less, and more than would be left if it shared the others' counter.
	controlLimit, controlAsks = 5, 4
)

// scope asks what the owners of one scope are allowed of several keys of one
// owner, and of a key of another.
type scope struct {
	of       history.Scope
	name     string
	sentence string
	asks     []string
	// within says that both owners are within one other. They are allowed the
	// same then, and the other asks for all of it.
	within bool
}

func scopeScenarios() []Scenario {
	return []Scenario{
		scope{of: history.User, name: "scope-user", sentence: "three keys of a user", asks: []string{"scopes/user"}}.scenario(),
		scope{of: history.Team, name: "scope-team", sentence: "three keys of a team", asks: []string{"scopes/team"}}.scenario(),
		scope{of: history.TeamMember, name: "scope-team-member", sentence: "three keys of a member of a team", asks: []string{"scopes/team-member"}, within: true}.scenario(),
		scope{of: history.EndUser, name: "scope-end-user", sentence: "three keys that name an end user", asks: []string{"scopes/end-user"}}.scenario(),
		scope{of: history.ModelPerKey, name: "scope-model-per-key", sentence: "a key with a limit for the model", asks: []string{"scopes/model-per-key"}}.scenario(),
		scope{of: history.ModelPerTeam, name: "scope-model-per-team", sentence: "three keys of a team with a limit for the model", asks: []string{"scopes/model-per-team", "scopes/team-model-limit"}}.scenario(),
		scope{of: history.ModelPerProject, name: "scope-model-per-project", sentence: "three keys of a project with a limit for the model", asks: []string{"scopes/model-per-project"}}.scenario(),
		scope{of: history.ModelPerOrganization, name: "scope-model-per-organization", sentence: "three keys of an organization with a limit for the model", asks: []string{"scopes/model-per-organization"}}.scenario(),
		scope{of: history.Organization, name: "scope-organization", sentence: "three keys of an organization", asks: []string{"scopes/organization"}}.scenario(),
		scope{of: history.Agent, name: "scope-agent", sentence: "three keys of an agent", asks: []string{"scopes/agent"}}.scenario(),
		scope{of: history.AgentSession, name: "scope-agent-session", sentence: "three keys that name a session of an agent", asks: []string{"scopes/agent-session"}, within: true}.scenario(),
		scopeTightest(),
		scopeTeamTokens(),
	}
}

// sharers is how many keys share the owner: a key shares its own limits with
// nobody.
func (c scope) sharers() int {
	if c.of == history.ModelPerKey {
		return 1
	}
	return scopeSharers
}

func (c scope) scenario() Scenario {
	const n = scopeSharers*sharerAsks + controlAsks
	return Scenario{
		Name: c.name, Asks: c.asks, Owned: true,
		Sentence: c.sentence + " ask at once for four times what it is allowed, and another for less than it is",
		Plan:     Plan{Keys: c.sharers() + 1, Requests: n, Tokens: 8 * n, Windows: 0.7, Seconds: 2},
		Play:     c.play,
	}
}

func (c scope) play(ctx context.Context, s *Stage) error {
	shared, other := s.Owner(c.of, history.Limits{Requests: limit(scopeLimit)}), s.Owner(c.of, history.Limits{Requests: limit(controlLimit)})
	otherAsks := controlAsks
	if c.within {
		shared.Of = s.runner.nextOwner()
		other.Of, other.Limits, otherAsks = shared.Of, shared.Limits, scopeLimit
	}
	var asked []Asked
	for range c.sharers() {
		key, err := s.OwnedKey(ctx, history.Limits{}, shared)
		if err != nil {
			return err
		}
		asked = append(asked, Asked{key, scopeSharers * sharerAsks / c.sharers(), cheap("shared", c.asks, false)})
	}
	control, err := s.OwnedKey(ctx, history.Limits{}, other)
	if err != nil {
		return err
	}
	return s.BurstAcross(ctx, append(asked, Asked{control, otherAsks, cheap("control", c.asks, false)}))
}

// scopeTightest gives a key and its team different limits, once the team the
// smaller one and once the key.
func scopeTightest() Scenario {
	// The larger one is more than twice the smaller: see scopeSharers. What is
	// asked for is three times the smaller and more than either.
	const small, large, asks = 4, 9, 13
	return Scenario{
		Name: "scope-tightest", Asks: []string{"scopes/tightest"}, Owned: true,
		Sentence: "a key in a team that is allowed less, and one in a team that is allowed more, each ask for more than either limit",
		Plan:     Plan{Keys: 2, Requests: 2 * asks, Tokens: 16 * asks, Windows: 0.7, Seconds: 2},
		Play: func(ctx context.Context, s *Stage) error {
			var asked []Asked
			for _, c := range []struct {
				step      string
				key, team int64
			}{{"team-is-tighter", large, small}, {"key-is-tighter", small, large}} {
				key, err := s.OwnedKey(ctx, history.Limits{Requests: limit(c.key)}, s.Owner(history.Team, history.Limits{Requests: limit(c.team)}))
				if err != nil {
					return err
				}
				asked = append(asked, Asked{key, asks, cheap(c.step, nil, false)})
			}
			return s.BurstAcross(ctx, asked)
		},
	}
}

// scopeTeamTokens asks for three times a team's tokens, one request after the
// other and each on another of its keys.
func scopeTeamTokens() Scenario {
	const (
		tpm, each = 300, 150
		asks      = 3 * tpm / each
	)
	return Scenario{
		Name: "scope-team-tokens", Asks: []string{"scopes/team-tokens"}, Owned: true, NeedsProvider: true,
		Sentence: "three keys of a team ask in turn for three times its tokens",
		Plan:     Plan{Keys: scopeSharers, Requests: asks, Tokens: asks * each, Windows: 0.7, Seconds: asks},
		Play: func(ctx context.Context, s *Stage) error {
			team := s.Owner(history.Team, history.Limits{Tokens: limit(tpm)})
			var keys []*Key
			for range scopeSharers {
				key, err := s.OwnedKey(ctx, history.Limits{}, team)
				if err != nil {
					return err
				}
				keys = append(keys, key)
			}
			for i := range asks {
				if _, err := s.Send(ctx, keys[i%len(keys)], Shot{
					Step: "ask", MaxTokens: each / 2, Script: history.Script{PromptTokens: each / 2, CompletionTokens: each / 2},
				}); err != nil {
					return err
				}
				if err := s.Wait(ctx, settleTime); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
