package target

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/ratecheck/ratecheck/history"
)

// managedOwner is an owner that may exist on the target.
type managedOwner struct {
	kind managedKind
	// id is how it is deleted; that of an agent is the target's choice, and empty
	// until it is told.
	id, name string
}

// managedKind is how the management API makes and deletes owners of a kind.
type managedKind struct {
	scope history.Scope // for errors
	name  string
	make  string
	// remove is a method and a path; ids is the member of its body that names
	// whom, one by one is a text and else a list. An agent stands in the path.
	method, remove, ids string
	oneByOne            bool
}

// managedKinds are in the order in which they are deleted: who refers to others
// comes before them. A budget that a customer has may not be taken away.
func managedKinds() []managedKind {
	return []managedKind{
		{history.ModelPerProject, "project", "/project/new", http.MethodDelete, "/project/delete", "project_ids", false},
		{history.Team, "team", "/team/new", http.MethodPost, "/team/delete", "team_ids", false},
		{history.User, "user", "/user/new", http.MethodPost, "/user/delete", "user_ids", false},
		{history.EndUser, "customer", "/customer/new", http.MethodPost, "/customer/delete", "user_ids", false},
		{history.EndUser, "budget", "/budget/new", http.MethodPost, "/budget/delete", "id", true},
		{history.Organization, "organization", "/organization/new", http.MethodDelete, "/organization/delete", "organization_ids", false},
		{history.Agent, "agent", "/v1/agents", http.MethodDelete, "/v1/agents", "", true},
	}
}

func managedKindOf(name string) managedKind {
	all := managedKinds()
	return all[slices.IndexFunc(all, func(k managedKind) bool { return k.name == name })]
}

// fields are the members of a call.
type fields map[string]any

// limited are the limits of an owner as members with a prefix.
func limited(prefix string, l history.Limits) fields {
	f := fields{}
	for name, limit := range map[string]*int64{"rpm_limit": l.Requests, "tpm_limit": l.Tokens, "max_parallel_requests": l.Parallel} {
		if limit != nil {
			f[prefix+name] = *limit
		}
	}
	return f
}

// limitedFor are the limits of an owner for the model of the run.
func (m *ManagedKeys) limitedFor(l history.Limits) fields {
	f := fields{}
	for name, limit := range map[string]*int64{"model_rpm_limit": l.Requests, "model_tpm_limit": l.Tokens} {
		if limit != nil {
			f[name] = map[string]int64{m.api.Model: *limit}
		}
	}
	return f
}

// MakeOwned makes a key with these limits that belongs to these owners, and the
// owners that do not exist yet. It is an *OwnerError if the target refuses to, or
// does not tell that it took what was asked for: a limit that it never heard of
// is none that it breaks.
//
// A call that was begun goes on when ctx is cancelled, as that of Make.
func (m *ManagedKeys) MakeOwned(ctx context.Context, nonce string, limits history.Limits, owners []history.Owner) (OwnedKey, error) {
	key, of := OwnedKey{}, fields{}
	for _, o := range owners {
		if err := ctx.Err(); err != nil {
			return OwnedKey{}, err
		}
		belongs, err := m.own(context.WithoutCancel(ctx), o)
		if err != nil {
			return OwnedKey{}, err
		}
		maps.Copy(of, belongs)
		key.Members = withMembers(key.Members, namedByRequests(o.Scope, AliasPrefix+o.Name))
	}
	var err error
	key.Secret, err = m.make(ctx, nonce, limits, of)
	var lacking *untoldError
	if errors.As(err, &lacking) {
		return OwnedKey{}, &OwnerError{Scope: owners[0].Scope, Why: lacking.Error()}
	}
	return key, err
}

// own makes an owner where there is none yet, and returns the members of a key
// that belongs to it.
func (m *ManagedKeys) own(ctx context.Context, o history.Owner) (fields, error) {
	id := AliasPrefix + o.Name
	within := AliasPrefix + o.Of
	var err error
	switch o.Scope {
	case history.User:
		_, err = m.owner(ctx, "user", id, fields{"user_id": id, "auto_create_key": false}, limited("", o.Limits))
		return fields{"user_id": id}, err
	case history.Team:
		_, err = m.owner(ctx, "team", id, fields{"team_id": id, "team_alias": id}, limited("", o.Limits))
		return fields{"team_id": id}, err
	case history.ModelPerTeam:
		_, err = m.owner(ctx, "team", id, fields{"team_id": id, "team_alias": id}, m.limitedFor(o.Limits))
		return fields{"team_id": id}, err
	case history.TeamMember:
		return fields{"team_id": within, "user_id": id}, m.ownMember(ctx, within, id, o.Limits)
	case history.EndUser:
		if _, err = m.owner(ctx, "budget", id, fields{"budget_id": id}, limited("", o.Limits)); err == nil {
			_, err = m.owner(ctx, "customer", id, fields{"user_id": id, "budget_id": id}, nil)
		}
		return nil, err
	case history.ModelPerKey:
		return m.limitedFor(o.Limits), nil
	case history.ModelPerProject:
		if _, err = m.owner(ctx, "team", id, fields{"team_id": id, "team_alias": id}, nil); err == nil {
			_, err = m.owner(ctx, "project", id, fields{"project_id": id, "project_alias": id, "team_id": id}, m.limitedFor(o.Limits))
		}
		return fields{"project_id": id, "team_id": id}, err
	case history.Organization:
		_, err = m.owner(ctx, "organization", id, fields{"organization_id": id, "organization_alias": id}, limited("", o.Limits))
		return fields{"organization_id": id}, err
	case history.ModelPerOrganization:
		_, err = m.owner(ctx, "organization", id, fields{"organization_id": id, "organization_alias": id}, m.limitedFor(o.Limits))
		return fields{"organization_id": id}, err
	case history.Agent:
		given, err := m.owner(ctx, "agent", id, agentCard(id), limited("", o.Limits))
		return fields{"agent_id": given}, err
	case history.AgentSession:
		given, err := m.owner(ctx, "agent", within, agentCard(within), limited("session_", o.Limits))
		return fields{"agent_id": given}, err
	}
	return nil, &OwnerError{Scope: o.Scope, Why: "the management API is not known to have it"}
}

// ownMember makes a team that limits its members, and one of them.
func (m *ManagedKeys) ownMember(ctx context.Context, team, user string, limits history.Limits) error {
	if _, err := m.owner(ctx, "team", team, fields{"team_id": team, "team_alias": team}, limited("team_member_", limits)); err != nil {
		return err
	}
	if m.exists(managedOwner{managedKindOf("user"), user, user}) {
		return nil
	}
	if _, err := m.owner(ctx, "user", user, fields{"user_id": user, "auto_create_key": false}, nil); err != nil {
		return err
	}
	err := m.post(ctx, "/team/member_add", fields{"team_id": team, "member": fields{"role": "user", "user_id": user}}, nil)
	return asOwnerError(history.TeamMember, err)
}

// agentCard is what an agent is made of beside its limits: the members that the
// A2A protocol asks for.
func agentCard(name string) fields {
	return fields{"agent_name": name, "agent_card_params": fields{
		"protocolVersion": "0.3.0", "name": name, "description": "a test of rate limits", "url": "http://127.0.0.1:1/", "version": "1",
		"capabilities": fields{}, "skills": []any{}, "defaultInputModes": []string{"text"}, "defaultOutputModes": []string{"text"},
	}}
}

// owner makes an owner that does not exist yet, and returns its id on the
// target.
func (m *ManagedKeys) owner(ctx context.Context, kind, id string, of, limits fields) (string, error) {
	o := managedOwner{managedKindOf(kind), id, id}
	if kind == "agent" {
		o.id = ""
	}
	if m.exists(o) {
		return m.idOf(o), nil
	}
	m.mu.Lock()
	m.owners = append(m.owners, o)
	m.mu.Unlock()
	body := maps.Clone(of)
	maps.Copy(body, limits)
	var answer map[string]any
	if err := m.post(ctx, o.kind.make, body, &answer); err != nil {
		err = asOwnerError(o.kind.scope, err)
		var lacking *OwnerError
		if errors.As(err, &lacking) {
			m.forget(o) // it was refused, so there is nothing to delete
		}
		return "", err
	}
	if kind == "agent" {
		given, _ := answer["agent_id"].(string)
		m.mu.Lock()
		at := slices.Index(m.owners, o)
		o.id = given
		m.owners[at] = o
		m.mu.Unlock()
	}
	if err := tells(answer, limits); err != nil {
		return "", &OwnerError{Scope: o.kind.scope, Why: "the answer to POST " + o.kind.make + " does not tell it: " + err.Error()}
	}
	return o.id, nil
}

// asOwnerError makes of a call that the target refused a property of the target.
func asOwnerError(scope history.Scope, err error) error {
	var failed *ManagementError
	if errors.As(err, &failed) && failed.Status >= http.StatusBadRequest && failed.Status < http.StatusInternalServerError && failed.Status != http.StatusUnauthorized {
		return &OwnerError{Scope: scope, Why: fmt.Sprintf("%s: status %d: %s", failed.Call, failed.Status, failed.Text)}
	}
	return err
}

func (m *ManagedKeys) find(o managedOwner) int {
	return slices.IndexFunc(m.owners, func(other managedOwner) bool { return other.kind == o.kind && other.name == o.name })
}

func (m *ManagedKeys) exists(o managedOwner) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(o) >= 0
}

func (m *ManagedKeys) idOf(o managedOwner) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owners[m.find(o)].id
}

func (m *ManagedKeys) forget(o managedOwner) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := m.find(o); at >= 0 {
		m.owners = slices.Delete(m.owners, at, at+1)
	}
}
