package litellm

import (
	"slices"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

// OwnedKeys tells whom keys belong to, as a custom auth hook tells LiteLLM.
type OwnedKeys interface {
	// OwnersOf returns the owners of a key that have limits, the user of a team
	// as history.TeamMember. It is false for a bearer that is no key.
	OwnersOf(bearer string) ([]history.Owner, bool)
}

// kinds is how many kinds of limits there are.
const kinds = 3

// keyScope is the key's own scope, as headers and refusals name it. The others
// are named as history names them.
const keyScope = "api_key"

// descriptor is an owner that a request is counted for, with its limits by
// reference.Kind.
type descriptor struct {
	scope, value string
	limits       [kinds]int64
}

// owner is what stands in front of the names of its counters.
func (d descriptor) owner() string { return ownerOf(d.scope, d.value) }

func ownerOf(scope, value string) string { return "{" + scope + ":" + value + "}" }

func (d descriptor) limit(kind reference.Kind) (most int64, limited bool) {
	return d.limits[kind], d.limits[kind] != reference.Unlimited
}

// caller is whose request it is.
type caller struct {
	// hash names the key.
	hash   string
	key    reference.Policy
	owners []history.Owner
	// model is what the request asks for; empty is none.
	model string
}

func (c caller) keyOwner() string { return ownerOf(keyScope, c.hash) }

// descriptors are all that a request is counted for, in LiteLLM's order. The
// owners come in the order of history.Scopes, which is the same.
func (c caller) descriptors(release Release) []descriptor {
	list := []descriptor{{keyScope, c.hash, [kinds]int64{
		c.key.KeyLimit(reference.Requests), c.key.KeyLimit(reference.Tokens), c.key.KeyLimit(reference.Slots),
	}}}
	for _, o := range c.owners {
		value := c.valueOf(o)
		if value == "" || release.leavesUnlimited(o.Scope) {
			continue
		}
		d := descriptor{string(o.Scope), value, [kinds]int64{orUnlimited(o.Limits.Requests), orUnlimited(o.Limits.Tokens), reference.Unlimited}}
		list = append(list, d)
		if o.Scope == history.ModelPerTeam && release.Has(TeamModelTwice) {
			list = append(list, d)
		}
	}
	return list
}

func (r Release) leavesUnlimited(scope history.Scope) bool {
	return scope == history.ModelPerTeam && r.Has(TeamModelsUnlimited) || scope == history.Organization && r.Has(OrganizationsUnlimited)
}

func orUnlimited(limit *int64) int64 {
	if limit == nil {
		return reference.Unlimited
	}
	return *limit
}

// valueOf names an owner; empty is one whom the hook cannot tell, or a model
// where none is asked for.
func (c caller) valueOf(o history.Owner) string {
	switch o.Scope {
	case history.User, history.Team, history.EndUser, history.Organization:
		return o.Name
	case history.TeamMember:
		return o.Of + ":" + o.Name
	case history.ModelPerKey:
		return c.ofModel(c.hash)
	case history.ModelPerTeam:
		return c.ofModel(o.Name)
	}
	return ""
}

// ofModel names the model of an owner.
func (c caller) ofModel(owner string) string {
	if owner == "" || c.model == "" {
		return ""
	}
	return owner + ":" + c.model
}

// charged are the owners whose tokens an answer is charged to: all that are
// known, whether or not they have limits.
func (c caller) charged(release Release) []string {
	var user, team, endUser, organization string
	for _, o := range c.owners {
		switch o.Scope {
		case history.User:
			user = o.Name
		case history.Team, history.ModelPerTeam:
			team = o.Name
		case history.TeamMember:
			team, user = o.Of, o.Name
		case history.EndUser:
			endUser = o.Name
		case history.Organization:
			organization = o.Name
		}
	}
	member := ""
	if team != "" && user != "" {
		member = team + ":" + user
	}
	if release.Has(OrganizationTokensUncharged) {
		organization = ""
	}
	owners := []string{c.keyOwner()}
	for _, of := range []struct {
		scope history.Scope
		value string
	}{
		{history.User, user}, {history.Team, team}, {history.TeamMember, member}, {history.EndUser, endUser},
		{history.Organization, organization}, {history.ModelPerKey, c.ofModel(c.hash)}, {history.ModelPerTeam, c.ofModel(team)},
	} {
		if of.value != "" {
			owners = append(owners, ownerOf(string(of.scope), of.value))
		}
	}
	return owners
}

// smallestTokenLimit is the smallest limit of tokens among them; limited is
// false where there is none.
func smallestTokenLimit(list []descriptor) (smallest int64, limited bool) {
	for _, d := range list {
		if most, has := d.limit(reference.Tokens); has && (!limited || most < smallest) {
			smallest, limited = most, true
		}
	}
	return smallest, limited
}

// scopesOf are what the releases note of descriptors.
func scopesOf(list []descriptor) []map[string]string {
	var notes []map[string]string
	for _, d := range list {
		if slices.Max(d.limits[:]) != reference.Unlimited {
			notes = append(notes, map[string]string{"key": d.scope, "value": d.value})
		}
	}
	return notes
}
