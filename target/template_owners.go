package target

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ratecheck/ratecheck/history"
)

const noncePlaceholder = "nonce"

// limitNames are the placeholders of limits, in the order in which an error
// lists them.
func limitNames() []string { return []string{"rpm", "tpm", "max_parallel"} }

func limitOf(l *history.Limits, name string) **int64 {
	switch name {
	case "rpm":
		return &l.Requests
	case "tpm":
		return &l.Tokens
	default:
		return &l.Parallel
	}
}

// placeholders are those of a scope: the owner's name, whom it is within, and
// what the names of its limits begin with. Empty is none.
type placeholders struct {
	scope                history.Scope
	name, within, prefix string
}

func scopePlaceholders() []placeholders {
	return []placeholders{
		{history.User, "user", "", "user_"},
		{history.Team, "team", "", "team_"},
		{history.TeamMember, "user", "team", "team_member_"},
		{history.EndUser, "end_user", "", "end_user_"},
		{history.ModelPerKey, "", "", "model_"},
		{history.ModelPerTeam, "team", "", "team_model_"},
		{history.ModelPerProject, "project", "", "project_model_"},
		{history.ModelPerOrganization, "organization", "", "organization_model_"},
		{history.Organization, "organization", "", "organization_"},
		{history.Agent, "agent", "", "agent_"},
		{history.AgentSession, "session", "agent", "session_"},
	}
}

// ownerPlaceholders are the placeholders of owners and of their limits.
func ownerPlaceholders() []string {
	var names, limits []string
	for _, s := range scopePlaceholders() {
		if s.name != "" && !slices.Contains(names, s.name) {
			names = append(names, s.name)
		}
		limits = append(limits, s.prefix+"rpm", s.prefix+"tpm")
	}
	return append(names, limits...)
}

func isOwnerName(name string) bool {
	return slices.ContainsFunc(scopePlaceholders(), func(s placeholders) bool { return s.name == name })
}

func listed(names []string) string { return "{" + strings.Join(names, "}, {") + "}" }

// MakeOwned writes a key with its owners and their limits. It is an *OwnerError
// if the template has no place for one of them. An end user or a session without
// a place is named by the requests.
func (t *Template) MakeOwned(ctx context.Context, nonce string, limits history.Limits, owners []history.Owner) (OwnedKey, error) {
	key := OwnedKey{}
	values := valuesOf(limits)
	values[noncePlaceholder] = nonce
	for _, o := range owners {
		at := slices.IndexFunc(scopePlaceholders(), func(s placeholders) bool { return s.scope == o.Scope })
		if at < 0 {
			return OwnedKey{}, &OwnerError{Scope: o.Scope, Why: "it has no placeholders"}
		}
		of := scopePlaceholders()[at]
		told := map[string]string{of.name: o.Name, of.within: o.Of}
		delete(told, "")
		if named := namedByRequests(o.Scope, o.Name); named != nil && !t.has(of.name) {
			delete(told, of.name)
			key.Members = withMembers(key.Members, named)
		}
		for name, limit := range map[string]*int64{"rpm": o.Limits.Requests, "tpm": o.Limits.Tokens, "max_parallel": o.Limits.Parallel} {
			if limit != nil {
				told[of.prefix+name] = strconv.FormatInt(*limit, 10)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(told)) {
			if !t.has(name) {
				return OwnedKey{}, &OwnerError{Scope: o.Scope, Why: fmt.Sprintf("no {%s} in the key template", name)}
			}
			if other, twice := values[name]; twice && other != told[name] {
				return OwnedKey{}, fmt.Errorf("key template %q: a key with two owners in {%s} is wanted", t.text, name)
			}
		}
		maps.Copy(values, told)
	}
	text, err := t.write(values)
	if err != nil {
		return OwnedKey{}, err
	}
	if back, ok := t.read(text); !ok || !maps.Equal(back, values) {
		return OwnedKey{}, fmt.Errorf("key template %q: a key with the nonce %q and its owners could not be read back; "+
			"nonces and names are letters and digits, limits are from 0 to %d, and something else must stand between them", t.text, nonce, int64(maxLimit))
	}
	key.Secret = Secret(text)
	return key, ctx.Err()
}

// OwnersOf reads from a key made by this template the owners that have limits in
// it, in the order of history.Scopes. A name is empty for which the template has
// no place. It is false for a bearer that is no such key.
func (t *Template) OwnersOf(bearer string) ([]history.Owner, bool) {
	values, ok := t.read(bearer)
	if !ok {
		return nil, false
	}
	var owners []history.Owner
	for _, of := range scopePlaceholders() {
		o := history.Owner{Scope: of.scope, Name: values[of.name], Of: values[of.within]}
		for name, limit := range map[string]**int64{"rpm": &o.Limits.Requests, "tpm": &o.Limits.Tokens} {
			if text, there := values[of.prefix+name]; there {
				n, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					return nil, false
				}
				*limit = &n
			}
		}
		if o.Limits.Requests != nil || o.Limits.Tokens != nil {
			owners = append(owners, o)
		}
	}
	return owners, true
}
