package reference

import (
	"slices"
)

// deleteOwners deletes all that are named, or none.
//
// The keys of a user, a team or an organization go with it, as in LiteLLM: alone
// they would be without their owner's limits. A budget, a project or an agent
// that somebody refers to stays, for the same reason.
func (c *adminCall) deleteOwners(kind ownerKind) (any, error) {
	names := kind.names()
	var ids []string
	if kind == budgets {
		var id string
		if c.body.text(names.ids, &id); id != "" {
			ids = []string{id}
		}
	} else {
		c.body.texts(names.ids, &ids)
	}
	if len(ids) == 0 {
		c.body.note(names.ids, "missing", "name whom to delete")
	}
	if err := c.body.err(); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if _, err := c.owner(kind, id); err != nil {
			return nil, err
		}
		if err := c.mustBeUnused(kind, id); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		c.dropOwner(kind, id)
	}
	return map[string]any{names.deleted: ids}, nil
}

// mustBeUnused refuses to take limits away from those who refer to them.
func (c *adminCall) mustBeUnused(kind ownerKind, id string) error {
	refers := func(string, string, string) bool { return false }
	switch kind {
	case budgets:
		refers = func(budget, _, _ string) bool { return budget == id }
	case projects:
		refers = func(_, project, _ string) bool { return project == id }
	case agents:
		refers = func(_, _, agent string) bool { return agent == id }
	}
	used := 0
	for _, k := range c.live(c.now) {
		if refers(k.budget, k.project, k.agent) {
			used++
		}
	}
	for _, all := range c.owners {
		for _, o := range all {
			if refers(o.budget, "", "") {
				used++
			}
		}
	}
	if used == 0 {
		return nil
	}
	return badRequest(kind.names().ids, "the %s %q is that of %d others, which would lose their limits; change or delete them first", kind.names().name, id, used)
}

// dropOwner deletes an owner and what goes with it.
func (c *adminCall) dropOwner(kind ownerKind, id string) {
	delete(c.owners[kind], id)
	if kind == organizations {
		for _, team := range c.owners[teams] {
			if team.organization == id {
				c.dropOwner(teams, team.id)
			}
		}
	}
	if kind == teams {
		for _, project := range c.owners[projects] {
			if project.team == id {
				without := *project
				without.team = ""
				c.owners[projects][project.id] = &without
			}
		}
	}
	for _, k := range c.keys {
		if kind == users && k.user == id || kind == teams && k.team == id || kind == organizations && k.organization == id {
			c.remove(k)
		}
	}
}

func (c *adminCall) listAgents() (any, error) {
	list := []*owner{}
	for _, o := range c.owners[agents] {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b *owner) int { return int(a.made - b.made) })
	told := []map[string]any{}
	for _, o := range list {
		told = append(told, tellOwner(agents, o))
	}
	return told, nil
}

func (c *adminCall) agentInfo() (any, error) {
	o, err := c.owner(agents, c.request.PathValue("agent"))
	if err != nil {
		return nil, err
	}
	return tellOwner(agents, o), nil
}

func (c *adminCall) updateAgent() (any, error) {
	return c.changeOwner(agents, c.request.PathValue("agent"))
}

func (c *adminCall) deleteAgent() (any, error) {
	id := c.request.PathValue("agent")
	o, err := c.owner(agents, id)
	if err != nil {
		return nil, err
	}
	if err := c.mustBeUnused(agents, id); err != nil {
		return nil, err
	}
	c.dropOwner(agents, id)
	return tellOwner(agents, o), nil
}
