package reference

import (
	"encoding/json"
	"slices"
)

// ownerNames are how the management API calls a kind of owner.
type ownerNames struct {
	// name stands in paths and messages; id and alias are fields.
	name, id, alias string
	// ids is the field with those to delete, deleted that of the answer.
	ids, deleted string
}

func (k ownerKind) names() ownerNames {
	switch k {
	case users:
		return ownerNames{"user", "user_id", "user_alias", "user_ids", "deleted_users"}
	case teams:
		return ownerNames{"team", "team_id", "team_alias", "team_ids", "deleted_teams"}
	case organizations:
		return ownerNames{"organization", "organization_id", "organization_alias", "organization_ids", "deleted_organizations"}
	case customers:
		return ownerNames{"customer", "user_id", "alias", "user_ids", "deleted_customers"}
	case budgets:
		return ownerNames{"budget", "budget_id", "", "id", "deleted_budgets"}
	case projects:
		return ownerNames{"project", "project_id", "project_alias", "project_ids", "deleted_projects"}
	default:
		return ownerNames{"agent", "agent_id", "agent_name", "", ""}
	}
}

// mustKnow refuses an id that is nobody's; an empty one refers to nobody.
func (c *adminCall) mustKnow(kind ownerKind, id string) error {
	if _, known := c.owners[kind][id]; id == "" || known {
		return nil
	}
	return notFound(kind.names().id, "no %s has the id %q; make it first", kind.names().name, id)
}

// fillOwner reads the fields of an owner.
func (c *adminCall) fillOwner(kind ownerKind, o *owner) {
	f := c.body
	f.refuseUnenforced()
	if alias := kind.names().alias; alias != "" {
		f.text(alias, &o.alias)
	}
	if kind != projects {
		f.ownLimits(&o.limits)
	} else {
		f.refuse("it limits nothing for a project, which has limits for models alone (model_rpm_limit, model_tpm_limit)", "rpm_limit", "tpm_limit", "max_parallel_requests")
	}
	if kind != budgets && kind != projects {
		f.text("budget_id", &o.budget)
	}
	switch kind {
	case teams:
		f.text("organization_id", &o.organization)
		f.limits("team_member_", &o.perMember)
	case projects:
		f.text("team_id", &o.team)
	case agents:
		f.limits("session_", &o.session)
	}
	hasModels := slices.Contains([]ownerKind{teams, organizations, projects}, kind)
	inside := func(form) {}
	if hasModels {
		inside = func(f form) { f.modelLimits(&o.models) }
	} else {
		f.refuse("it limits keys, teams, projects and organizations alone", "model_rpm_limit", "model_tpm_limit")
	}
	f.metadata(&o.metadata, inside)
	inside(f)
	var models []string
	if f.texts("models", &models); len(models) > 0 {
		f.note("models", "value_error", "the models of a %s are not enforced; set the models of its keys", kind.names().name)
	}
	f.flag("blocked", &o.blocked)
	if o.blocked && kind != teams && kind != projects {
		f.note("blocked", "value_error", "a %s cannot be blocked; block its keys", kind.names().name)
	}
}

// refuse notes the members that mean nothing here.
func (f form) refuse(why string, names ...string) {
	for _, name := range names {
		if f.has(name) {
			f.note(name, "value_error", "%s; leave it out", why)
		}
	}
}

// checkOwner refuses what refers to nobody.
func (c *adminCall) checkOwner(o *owner) error {
	for _, reference := range []struct {
		kind ownerKind
		id   string
	}{{organizations, o.organization}, {teams, o.team}, {budgets, o.budget}} {
		if err := c.mustKnow(reference.kind, reference.id); err != nil {
			return err
		}
	}
	return nil
}

func (c *adminCall) createOwner(kind ownerKind) (any, error) {
	names := kind.names()
	o := &owner{}
	c.body.text(names.id, &o.id)
	c.fillOwner(kind, o)
	withKey := kind == users // LiteLLM makes a key with a user unless told not to
	c.body.flag("auto_create_key", &withKey)
	if kind == agents && o.alias == "" {
		c.body.note(names.alias, "missing", "send a name")
	}
	if kind == customers && o.id == "" {
		c.body.note(names.id, "missing", "send the id that requests carry as their user")
	}
	if err := c.body.err(); err != nil {
		return nil, err
	}
	if o.id == "" {
		id, err := c.newID()
		if err != nil {
			return nil, err
		}
		o.id = id
	}
	if _, taken := c.owners[kind][o.id]; taken {
		return nil, badRequest(names.id, "a %s with the id %q exists; choose another, or delete that one", names.name, o.id)
	}
	for _, other := range c.owners[agents] {
		if kind == agents && other.alias == o.alias {
			return nil, badRequest(names.alias, "an agent with the name %q exists; choose another, or delete that one", o.alias)
		}
	}
	if err := c.checkOwner(o); err != nil {
		return nil, err
	}
	answer := tellOwner(kind, o)
	if withKey && kind == users {
		made, err := c.makeKey("", &keyRecord{user: o.id})
		if err != nil {
			return nil, err
		}
		key, _ := made.(madeKey)
		answer["key"], answer["token"] = key.Key, key.Token
	}
	c.made++
	o.made = c.made
	c.owners[kind][o.id] = o
	return answer, nil
}

// owner finds one that exists.
func (c *adminCall) owner(kind ownerKind, id string) (*owner, error) {
	if o, known := c.owners[kind][id]; known {
		return o, nil
	}
	return nil, notFound(kind.names().id, "no %s has the id %q", kind.names().name, id)
}

func (c *adminCall) changeOwner(kind ownerKind, id string) (any, error) {
	old, err := c.owner(kind, id)
	if err != nil {
		return nil, err
	}
	o := *old
	c.fillOwner(kind, &o)
	if err := c.body.err(); err != nil {
		return nil, err
	}
	if err := c.checkOwner(&o); err != nil {
		return nil, err
	}
	c.owners[kind][o.id] = &o
	return tellOwner(kind, &o), nil
}

func (c *adminCall) updateTeam() (any, error) {
	var id string
	c.body.text("team_id", &id)
	if id == "" {
		c.body.note("team_id", "missing", "send the id of the team")
		return nil, c.body.err()
	}
	return c.changeOwner(teams, id)
}

// addMembers adds users to a team, or gives members other limits.
func (c *adminCall) addMembers() (any, error) {
	var id string
	c.body.text("team_id", &id)
	c.body.refuseUnenforced()
	var limits Limits
	c.body.limits("", &limits)
	var added []struct {
		UserID string `json:"user_id"`
		Role   string `json:"role"`
	}
	if raw := c.body.members["member"]; len(raw) > 0 && raw[0] == '{' {
		c.body.members["member"] = slices.Concat(json.RawMessage("["), raw, json.RawMessage("]"))
	}
	if !c.body.has("member") || !c.body.read("member", "list_type", "an object with user_id and role, or a list of them", &added) || len(added) == 0 {
		c.body.note("member", "missing", "send an object with user_id and role, or a list of them")
	}
	for _, m := range added {
		if mistake := nameMistake(m.UserID); mistake != "" {
			c.body.note("member", "value_error", "a user_id: %s", mistake)
		}
		if !slices.Contains([]string{"", "user", "admin"}, m.Role) {
			c.body.note("member", "value_error", "a role is user or admin")
		}
	}
	if err := c.body.err(); err != nil {
		return nil, err
	}
	old, err := c.owner(teams, id)
	if err != nil {
		return nil, err
	}
	team := *old
	team.members = slices.Clone(old.members)
	for _, m := range added {
		fresh := member{user: m.UserID, role: m.Role, limits: limits}
		if fresh.role == "" {
			fresh.role = "user"
		}
		if at := slices.IndexFunc(team.members, func(m member) bool { return m.user == fresh.user }); at >= 0 {
			team.members[at] = fresh
		} else {
			team.members = append(team.members, fresh)
		}
	}
	c.owners[teams][id] = &team
	return tellOwner(teams, &team), nil
}

// tellOwner is an owner as the management API tells it.
func tellOwner(kind ownerKind, o *owner) map[string]any {
	names := kind.names()
	told := map[string]any{names.id: o.id, "metadata": tellMetadata(o.metadata, o.models)}
	if names.alias != "" {
		told[names.alias] = textOrNull(o.alias)
	}
	if kind != budgets && kind != projects {
		told["budget_id"] = textOrNull(o.budget)
	}
	if kind != projects {
		told["rpm_limit"], told["tpm_limit"], told["max_parallel_requests"] = o.limits.RPM, o.limits.TPM, o.limits.MaxParallel
	}
	switch kind {
	case teams:
		told["organization_id"], told["blocked"] = textOrNull(o.organization), o.blocked
		told["team_member_rpm_limit"], told["team_member_tpm_limit"] = o.perMember.RPM, o.perMember.TPM
		members := []map[string]string{}
		for _, m := range o.members {
			members = append(members, map[string]string{"user_id": m.user, "role": m.role})
		}
		told["members_with_roles"] = members
	case projects:
		told["team_id"], told["blocked"] = textOrNull(o.team), o.blocked
	case agents:
		told["session_rpm_limit"], told["session_tpm_limit"] = o.session.RPM, o.session.TPM
	}
	return told
}
