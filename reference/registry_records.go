package reference

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// keyRecord is a key. A record that is in a Registry is never written to: a
// change replaces it.
type keyRecord struct {
	hash string
	// name is what people know the key by: its beginning and its last
	// characters.
	name, alias string
	// made counts the keys of the registry, so that lists have an order.
	made             int64
	created, updated time.Time
	// expires is when the key is gone; zero is never.
	expires          time.Time
	limits           Limits
	models           ModelLimits
	rpmType, tpmType LimitType
	user, team       string
	organization     string
	project, agent   string
	budget           string
	allowed          []string
	metadata         map[string]json.RawMessage
	blocked          bool
}

func (k *keyRecord) expired(now time.Time) bool {
	return !k.expires.IsZero() && !now.Before(k.expires)
}

// ownerKind is what an owner is.
type ownerKind int

const (
	users ownerKind = iota
	teams
	organizations
	customers
	budgets
	projects
	agents
	ownerKinds
)

// owner is whom keys belong to, or whom requests name. Records are replaced, as
// those of keys are.
type owner struct {
	id, alias string
	made      int64
	limits    Limits
	models    ModelLimits
	// perMember is what each member of a team is allowed who has no limits of
	// its own.
	perMember Limits
	members   []member
	// session is what each session of an agent is allowed.
	session      Limits
	organization string
	team         string
	budget       string
	metadata     map[string]json.RawMessage
	blocked      bool
}

type member struct {
	user, role string
	limits     Limits
}

// policyOf gathers what a key and its owners are allowed. Who calls it holds the
// lock.
func (r *Registry) policyOf(k *keyRecord) Policy {
	p := Policy{Key: Key{
		Hash: k.hash, Limits: r.limitsOf(k.limits, k.budget), Models: k.models, RPMType: k.rpmType, TPMType: k.tpmType,
		Agent: k.agent, Blocked: k.blocked, AllowedModels: k.allowed,
	}}
	if slices.Contains(k.allowed, allModels) {
		p.Key.AllowedModels = nil
	}
	if k.user != "" {
		p.User = &User{ID: k.user}
		if u, known := r.owners[users][k.user]; known {
			p.User.Limits = r.limitsOf(u.limits, u.budget)
		}
	}
	organization := k.organization
	if t, known := r.owners[teams][k.team]; known {
		p.Team = &Team{ID: t.id, Limits: r.limitsOf(t.limits, t.budget), Models: t.models}
		p.Key.Blocked = p.Key.Blocked || t.blocked
		if k.user != "" {
			p.TeamMember = &TeamMember{Limits: t.memberLimits(k.user)}
		}
		if organization == "" {
			organization = t.organization
		}
	}
	if o, known := r.owners[organizations][organization]; known {
		p.Organization = &Organization{ID: o.id, Limits: r.limitsOf(o.limits, o.budget), Models: o.models}
	}
	if o, known := r.owners[projects][k.project]; known {
		p.Project = &Project{ID: o.id, Models: o.models}
		p.Key.Blocked = p.Key.Blocked || o.blocked
	}
	return p
}

// allModels among the models of a key allows any.
const allModels = "all-proxy-models"

// limitsOf fills up limits from a budget: what an owner says itself goes first.
func (r *Registry) limitsOf(own Limits, budget string) Limits {
	if b, known := r.owners[budgets][budget]; known {
		return own.or(b.limits)
	}
	return own
}

// or takes the other limit of each kind where there is none.
func (l Limits) or(other Limits) Limits {
	if l.RPM == nil {
		l.RPM = other.RPM
	}
	if l.TPM == nil {
		l.TPM = other.TPM
	}
	if l.MaxParallel == nil {
		l.MaxParallel = other.MaxParallel
	}
	return l
}

func (o *owner) memberLimits(user string) Limits {
	for _, m := range o.members {
		if m.user == user {
			return m.limits.or(o.perMember)
		}
	}
	return o.perMember
}

// keyInfo is a key as the management API tells it. Limits of models and limit
// types stand in the metadata, where LiteLLM has them.
type keyInfo struct {
	Token          string         `json:"token"`
	KeyName        string         `json:"key_name"`
	KeyAlias       *string        `json:"key_alias"`
	Spend          *float64       `json:"spend"`
	Expires        *time.Time     `json:"expires"`
	Models         []string       `json:"models"`
	UserID         *string        `json:"user_id"`
	TeamID         *string        `json:"team_id"`
	OrganizationID *string        `json:"organization_id"`
	ProjectID      *string        `json:"project_id"`
	AgentID        *string        `json:"agent_id"`
	BudgetID       *string        `json:"budget_id"`
	RPMLimit       *int64         `json:"rpm_limit"`
	TPMLimit       *int64         `json:"tpm_limit"`
	MaxParallel    *int64         `json:"max_parallel_requests"`
	Metadata       map[string]any `json:"metadata"`
	Blocked        bool           `json:"blocked"`
	CreatedAt      time.Time      `json:"created_at"`
	UpdatedAt      time.Time      `json:"updated_at"`
}

func (k *keyRecord) info() keyInfo {
	info := keyInfo{
		Token: k.hash, KeyName: k.name, KeyAlias: textOrNull(k.alias), Models: append([]string{}, k.allowed...),
		UserID: textOrNull(k.user), TeamID: textOrNull(k.team), OrganizationID: textOrNull(k.organization),
		ProjectID: textOrNull(k.project), AgentID: textOrNull(k.agent), BudgetID: textOrNull(k.budget),
		RPMLimit: k.limits.RPM, TPMLimit: k.limits.TPM, MaxParallel: k.limits.MaxParallel,
		Metadata: tellMetadata(k.metadata, k.models), Blocked: k.blocked, CreatedAt: k.created.UTC(), UpdatedAt: k.updated.UTC(),
	}
	for name, t := range map[string]LimitType{"rpm_limit_type": k.rpmType, "tpm_limit_type": k.tpmType} {
		if t != "" {
			info.Metadata[name] = t
		}
	}
	if !k.expires.IsZero() {
		expires := k.expires.UTC()
		info.Expires = &expires
	}
	return info
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func tellMetadata(metadata map[string]json.RawMessage, models ModelLimits) map[string]any {
	told := map[string]any{}
	for name, value := range metadata {
		told[name] = value
	}
	for name, limits := range map[string]map[string]int64{"model_rpm_limit": models.RPM, "model_tpm_limit": models.TPM} {
		if len(limits) > 0 {
			told[name] = maps.Clone(limits)
		}
	}
	return told
}
