package history

// Scope is a way to own a key, or what a key's requests name beside it: what has
// the same owner shares what the owner is allowed (docs/reference.md rule 6).
type Scope string

// The scopes beside the key itself.
const (
	User                 Scope = "user"
	Team                 Scope = "team"
	TeamMember           Scope = "team_member"
	EndUser              Scope = "end_user"
	ModelPerKey          Scope = "model_per_key"
	ModelPerTeam         Scope = "model_per_team"
	ModelPerProject      Scope = "model_per_project"
	ModelPerOrganization Scope = "model_per_organization"
	Organization         Scope = "organization"
	Agent                Scope = "agent"
	AgentSession         Scope = "agent_session"
)

// Scopes are all scopes beside the key itself.
func Scopes() []Scope {
	return []Scope{
		User, Team, TeamMember, EndUser, ModelPerKey, ModelPerTeam, ModelPerProject, ModelPerOrganization, Organization, Agent, AgentSession,
	}
}

// Owner is one that the requests of a key are counted for, beside the key. Its
// limits of a model scope are those for the run's model alone.
type Owner struct {
	Scope Scope `json:"scope"`
	// Of is the team of a team member or the agent of a session; else empty.
	Of string `json:"of,omitempty"`
	// Name tells owners of one scope apart. It is unique to the run and consists
	// of lower-case letters and digits.
	Name   string `json:"name"`
	Limits Limits `json:"limits"`
}
