package faults

import (
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
)

func scopeFaults() []Fault {
	return []Fault{
		{
			Name: "user-ignored", Breaks: "scopes/user",
			Sentence: "the limits of users are not enforced",
			Apply: onPolicies(func(p *reference.Policy, _ string) {
				if p.User != nil {
					p.User.Limits = reference.Limits{}
				}
			}),
		},
		{
			Name: "team-counted-per-key", Breaks: "scopes/team",
			Sentence: "each key has a copy of its team's counter of requests for itself",
			Apply: onPolicies(func(p *reference.Policy, key string) {
				if p.Team != nil && p.Team.RPM != nil {
					p.Team.ID += " " + key
				}
			}),
		},
		{
			Name: "one-too-many-for-a-team", Breaks: "scopes/team",
			Sentence: "a team is admitted one request more than its limit",
			Apply:    onScope(reference.ScopeTeam, func(it *reference.Item) { shift(it, reference.Requests, 1) }),
		},
		{
			Name: "team-tokens-ignored", Breaks: "scopes/team-tokens",
			Sentence: "the tokens of teams are not limited",
			Apply: onPolicies(func(p *reference.Policy, _ string) {
				if p.Team != nil {
					p.Team.TPM = nil
				}
			}),
		},
		{
			Name: "members-share-a-counter", Breaks: "scopes/team-member",
			Sentence: "the limit of a member is counted for the team, so that its members take it from each other",
			Apply: onScope(reference.ScopeTeamMember, func(it *reference.Item) {
				it.Value = ownerOfPair(it.Value)
			}),
		},
		{
			Name: "end-user-ignored", Breaks: "scopes/end-user",
			Sentence: "the body's user has no limits",
			Apply:    func(p *sim.Parts) { p.Directory = noEndUsers{p.Directory} },
		},
		{
			Name: "model-of-key-ignored", Breaks: "scopes/model-per-key",
			Sentence: "a key's limits for models are not enforced",
			Apply:    onPolicies(func(p *reference.Policy, _ string) { p.Key.Models = reference.ModelLimits{} }),
		},
		{
			Name: "team-model-for-each-key", Breaks: "scopes/model-per-team",
			Sentence: "a team's limits for models are taken for those of each of its keys",
			Apply: onPolicies(func(p *reference.Policy, _ string) {
				if p.Team != nil && p.Team.Models.RPM != nil {
					p.Key.Models, p.Team.Models = p.Team.Models, reference.ModelLimits{}
				}
			}),
		},
		{
			Name: "team-model-counted-twice", Breaks: "scopes/team-model-limit",
			Sentence: "a team's descriptor for a model stands there twice, so that its limit is halved (LiteLLM 37789)",
			Apply: onScope(reference.ScopeModelPerTeam, func(it *reference.Item) {
				for kind := range it.Amounts {
					it.Amounts[kind] *= 2
				}
			}),
		},
		{
			Name: "model-of-project-ignored", Breaks: "scopes/model-per-project",
			Sentence: "the limits of projects are not enforced",
			Apply:    onPolicies(func(p *reference.Policy, _ string) { p.Project = nil }),
		},
		{
			Name: "model-of-organization-ignored", Breaks: "scopes/model-per-organization",
			Sentence: "an organization's limits for models are not enforced",
			Apply: onPolicies(func(p *reference.Policy, _ string) {
				if p.Organization != nil {
					p.Organization.Models = reference.ModelLimits{}
				}
			}),
		},
		{
			Name: "organizations-share-a-counter", Breaks: "scopes/organization",
			Sentence: "all organizations are counted as one",
			Apply:    onScope(reference.ScopeOrganization, func(it *reference.Item) { it.Value = "" }),
		},
		{
			Name: "agent-ignored", Breaks: "scopes/agent",
			Sentence: "the limits of agents are not enforced, those of their sessions are",
			Apply:    func(p *sim.Parts) { p.Directory = noAgentLimits{p.Directory} },
		},
		{
			Name: "sessions-share-a-counter", Breaks: "scopes/agent-session",
			Sentence: "the limit of a session is counted for the agent, so that its sessions take it from each other",
			Apply: onScope(reference.ScopeAgentSession, func(it *reference.Item) {
				it.Value = ownerOfPair(it.Value)
			}),
		},
		{
			Name: "loosest-of-several", Breaks: "scopes/tightest",
			Sentence: "of the limits of a key and of its team the larger one is enforced",
			Apply: onPolicies(func(p *reference.Policy, _ string) {
				if p.Team != nil && p.Team.RPM != nil && p.Key.RPM != nil {
					largest := max(*p.Team.RPM, *p.Key.RPM)
					p.Team.RPM, p.Key.RPM = &largest, &largest
				}
			}),
		},
		{
			Name: "key-before-team", Breaks: "scopes/tightest",
			Sentence: "the limit of a key takes the place of its team's",
			Apply: onPolicies(func(p *reference.Policy, _ string) {
				if p.Team != nil && p.Key.RPM != nil {
					p.Team = nil
				}
			}),
		},
	}
}

// onPolicies changes what each key and its owners are allowed.
func onPolicies(change func(p *reference.Policy, key string)) func(*sim.Parts) {
	return func(p *sim.Parts) { p.Keys = changedPolicies{p.Keys, change} }
}

type changedPolicies struct {
	reference.Keys
	change func(p *reference.Policy, key string)
}

// Lookup is the changed policy. Policies share their owners, so that those are
// copied first.
func (k changedPolicies) Lookup(bearer string) (reference.Policy, bool) {
	p, known := k.Keys.Lookup(bearer)
	if p.Team != nil {
		team := *p.Team
		p.Team = &team
	}
	if p.User != nil {
		user := *p.User
		p.User = &user
	}
	if p.Organization != nil {
		organization := *p.Organization
		p.Organization = &organization
	}
	k.change(&p, bearer)
	return p, known
}

// onScope changes what is counted for one scope.
func onScope(scope string, change func(*reference.Item)) func(*sim.Parts) {
	return func(p *sim.Parts) {
		p.Store = &altered{Store: p.Store, alter: func(it *reference.Item, _ time.Time) {
			if it.Scope == scope {
				change(it)
			}
		}}
	}
}

// ownerOfPair is the first of the two that a value of the reference names: its
// length, itself, the other.
func ownerOfPair(value string) string {
	_, rest, _ := strings.Cut(value, ":")
	owner, _, _ := strings.Cut(rest, ":")
	return owner
}

type noEndUsers struct{ reference.Directory }

func (noEndUsers) EndUser(string) (reference.EndUser, bool) { return reference.EndUser{}, false }

type noAgentLimits struct{ reference.Directory }

func (d noAgentLimits) Agent(id string) (reference.Agent, bool) {
	a, known := d.Directory.Agent(id)
	a.Limits = reference.Limits{}
	return a, known
}
