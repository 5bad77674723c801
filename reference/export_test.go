package reference

// Scopes are the scopes of rule 6 in its order.
func Scopes() []string {
	return []string{
		ScopeKey, ScopeUser, ScopeTeam, ScopeTeamMember, ScopeEndUser, ScopeModelPerKey, ScopeModelPerTeam,
		ScopeModelPerProject, ScopeModelPerOrganization, ScopeOrganization, ScopeAgent, ScopeAgentSession,
	}
}
