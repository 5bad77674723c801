package reference

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The scopes of rule 6, in its order: of several that refuse the first is named
// (rule 24).
const (
	ScopeKey                  = "api_key"
	ScopeUser                 = "user"
	ScopeTeam                 = "team"
	ScopeTeamMember           = "team_member"
	ScopeEndUser              = "end_user"
	ScopeModelPerKey          = "model_per_key"
	ScopeModelPerTeam         = "model_per_team"
	ScopeModelPerProject      = "model_per_project"
	ScopeModelPerOrganization = "model_per_organization"
	ScopeOrganization         = "organization"
	ScopeAgent                = "agent"
	ScopeAgentSession         = "agent_session"
)

// The members of a body that are the proxy's own and are not forwarded (rule
// 9).
const (
	ourSession  = "litellm_session_id"
	ourMetadata = "litellm_metadata"
)

// named is whom and what a request names beside its key (rule 8). What is empty
// was not named.
type named struct {
	model, endUser, agent, session string
}

// named reads a body. Nothing else in it has a say in who is limited (rule 9).
func (f *fields) named() named {
	n := named{model: string(f.model.text()), endUser: bounded(f.user.text())}
	var session jsonValue
	f.metadata.members(func(name []byte, value jsonValue) {
		switch string(name) {
		case "agent_id":
			n.agent = bounded(value.text())
		case "session_id":
			session = value
		}
	})
	n.session = f.sessionID.id()
	if n.session == "" {
		n.session = session.id()
	}
	if n.session == "" {
		session = nil
		f.ourMetadata.members(func(name []byte, value jsonValue) {
			if string(name) == "session_id" {
				session = value
			}
		})
		n.session = session.id()
	}
	return n
}

// id is the id that a value holds: a string, or a number as it was written.
func (v jsonValue) id() string {
	if v.tokenIDs() == 1 {
		return bounded(v)
	}
	return bounded(v.text())
}

// longestID is the longest id of a client's choice that is kept as it is, in
// bytes. Counters go by it, and nobody's ids are longer who does not mean harm.
const longestID = 256

// bounded is an id of a client's choice, or its hash where it is too long.
func bounded(id []byte) string {
	if len(id) <= longestID {
		return string(id)
	}
	return "sha256:" + hashOf(id)
}

func hashOf(secret []byte) string {
	sum := sha256.Sum256(secret)
	return hex.EncodeToString(sum[:])
}

// pair is the value of a scope that two owners name together. The length in
// front keeps ("a:b", "c") and ("a", "b:c") apart (rule 6).
func pair(owner, of string) string {
	return strconv.Itoa(len(owner)) + ":" + owner + ":" + of
}

// caller is whose request it is.
type caller struct {
	Policy
	// hash names the key.
	hash string
}

// allows reports whether the key may ask for a model; a request without one is
// the upstream's to judge.
func (c *caller) allows(model string) bool {
	return model == "" || len(c.Key.AllowedModels) == 0 || slices.Contains(c.Key.AllowedModels, model)
}

// resolver turns a caller and whom it names into items, in the order of rule 6.
type resolver struct {
	window time.Duration
	items  []Item
}

func (r *resolver) add(scope, value string, limits [kinds]int64) {
	if limits != [kinds]int64{Unlimited, Unlimited, Unlimited} {
		r.items = append(r.items, Item{Descriptor: Descriptor{Scope: scope, Value: value, Limits: limits, Window: r.window}})
	}
}

// addModel adds an owner's limits for one model, if there are any (rule 7).
func (r *resolver) addModel(scope, owner, model string, limits ModelLimits) {
	if model == "" || limits.RPM == nil && limits.TPM == nil {
		return
	}
	var of Limits
	if n, limited := limits.RPM[model]; limited {
		of.RPM = &n
	}
	if n, limited := limits.TPM[model]; limited {
		of.TPM = &n
	}
	if of.RPM != nil || of.TPM != nil {
		r.add(scope, pair(owner, model), of.kinds())
	}
}

// resolve is all that limits a request, without amounts (rules 6 to 8). The
// key's item comes first, and is there although it may have no limit. Failing
// tells whether a deployment of the model fails (rule 10); it is asked only
// where that matters.
func (p *Proxy) resolve(c *caller, n named, failing func(model string) bool) []Item {
	r := resolver{window: p.Window, items: make([]Item, 0, c.most())}
	key := Descriptor{Scope: ScopeKey, Value: c.hash, Limits: c.Key.kinds(), Window: p.Window}
	if (c.Key.RPMType == Dynamic || c.Key.TPMType == Dynamic) && !failing(n.model) {
		key.CountOnly = [kinds]bool{Requests: c.Key.RPMType == Dynamic, Tokens: c.Key.TPMType == Dynamic}
	}
	r.items = append(r.items, Item{Descriptor: key})
	user, team := c.User, c.Team
	if user != nil {
		r.add(ScopeUser, user.ID, user.kinds())
	}
	if team != nil {
		r.add(ScopeTeam, team.ID, team.kinds())
	}
	if c.TeamMember != nil && team != nil && user != nil {
		r.add(ScopeTeamMember, pair(team.ID, user.ID), c.TeamMember.kinds())
	}
	if n.endUser != "" && p.Directory != nil {
		if e, known := p.Directory.EndUser(n.endUser); known {
			r.add(ScopeEndUser, n.endUser, e.kinds())
		}
	}
	r.addModel(ScopeModelPerKey, c.hash, n.model, c.Key.Models)
	if team != nil {
		r.addModel(ScopeModelPerTeam, team.ID, n.model, team.Models)
	}
	if o := c.Project; o != nil {
		r.addModel(ScopeModelPerProject, o.ID, n.model, o.Models)
	}
	if o := c.Organization; o != nil {
		r.addModel(ScopeModelPerOrganization, o.ID, n.model, o.Models)
		r.add(ScopeOrganization, o.ID, o.kinds())
	}
	p.addAgent(&r, c, n)
	return r.items
}

// addAgent adds the agent's limits: the key's agent goes before one that the
// request names, so that no client leaves its own (rule 8).
func (p *Proxy) addAgent(r *resolver, c *caller, n named) {
	id := c.Key.Agent
	if id == "" {
		id = n.agent
	}
	if id == "" || p.Directory == nil {
		return
	}
	a, known := p.Directory.Agent(id)
	if !known {
		return
	}
	r.add(ScopeAgent, id, a.kinds())
	if n.session != "" {
		r.add(ScopeAgentSession, pair(id, n.session), a.Session.kinds())
	}
}

// most is how many items a request of the caller has at most, as far as its
// policy tells. The directory's three are rare and may cost an allocation more.
func (c *caller) most() int {
	most := 1
	for _, scope := range []struct {
		there bool
		items int
	}{
		{c.User != nil, 1}, {c.Team != nil, 2}, {c.TeamMember != nil, 1}, {c.Project != nil, 1}, {c.Organization != nil, 2},
		{c.Key.Models.RPM != nil || c.Key.Models.TPM != nil, 1},
	} {
		if scope.there {
			most += scope.items
		}
	}
	return most
}

// smallestTokenLimit is the smallest limit that the tokens of items are charged
// to, or Unlimited.
func smallestTokenLimit(items []Item) int64 {
	smallest := Unlimited
	for i := range items {
		if limit := items[i].Limits[Tokens]; limit != Unlimited && (smallest == Unlimited || limit < smallest) {
			smallest = limit
		}
	}
	return smallest
}

// shownValue is an owner as a refusal tells it. A key's value is a hash
// already; the others are other people's names, or a client's words.
func (d *Descriptor) shownValue() string {
	if d.Scope == ScopeKey {
		return d.Value
	}
	return hashOf([]byte(d.Value))
}

// isPlain reports whether a text may stand in a header as it is.
func isPlain(text string) bool {
	return len(text) <= longestID && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}
