package reference_test

import (
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/reference"
)

// TestRule03NegativeIsAnError, wherever it stands, and the error names where.
func TestRule03NegativeIsAnError(t *testing.T) {
	bad := int64(-1)
	models := reference.ModelLimits{TPM: map[string]int64{"m": -5}}
	tests := map[string]struct {
		change func(*reference.Policy)
		names  []string
	}{
		"key":                {func(p *reference.Policy) { p.Key.RPM = &bad }, []string{"key", "rpm_limit", "-1"}},
		"key's models":       {func(p *reference.Policy) { p.Key.Models = models }, []string{"key", "model_tpm_limit", `"m"`, "-5"}},
		"user":               {func(p *reference.Policy) { p.User.TPM = &bad }, []string{"user", "tpm_limit"}},
		"team":               {func(p *reference.Policy) { p.Team.MaxParallel = &bad }, []string{"team", "max_parallel_requests"}},
		"team's models":      {func(p *reference.Policy) { p.Team.Models = models }, []string{"team", "model_tpm_limit"}},
		"team member":        {func(p *reference.Policy) { p.TeamMember.RPM = &bad }, []string{"team member", "rpm_limit"}},
		"organization":       {func(p *reference.Policy) { p.Organization.RPM = &bad }, []string{"organization", "rpm_limit"}},
		"organization model": {func(p *reference.Policy) { p.Organization.Models = models }, []string{"organization", "model_tpm_limit"}},
		"project's models":   {func(p *reference.Policy) { p.Project.Models = models }, []string{"project", "model_tpm_limit"}},
		"limit type":         {func(p *reference.Policy) { p.Key.TPMType = "sometimes" }, []string{"key", "sometimes", "dynamic"}},
		"user without an id": {func(p *reference.Policy) { p.User.ID = "" }, []string{"user", "id"}},
		"team without an id": {func(p *reference.Policy) { p.Team.ID = "" }, []string{"team", "id"}},
		"project without id": {func(p *reference.Policy) { p.Project.ID = "" }, []string{"project", "id"}},
		"organization no id": {func(p *reference.Policy) { p.Organization.ID = "" }, []string{"organization", "id"}},
	}
	for name, tt := range tests {
		p := newOwners().policy
		if err := p.Validate(); err != nil {
			t.Fatalf("a policy without limits: %v", err)
		}
		tt.change(&p)
		err := p.Validate()
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		for _, part := range tt.names {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not name %s", name, err, part)
			}
		}
	}
	p := newOwners().limit(reference.ScopeKey, 0, 0, 0).limit(reference.ScopeModelPerTeam, 0, 0, -1).policy
	p.Key.RPMType, p.Key.TPMType = reference.Dynamic, reference.BestEffortThroughput
	if err := p.Validate(); err != nil {
		t.Errorf("limits of 0: %v", err)
	}
	for name, agent := range map[string]reference.Agent{"agent": {Limits: limits(-1, -1, -1)}, "session": {}} {
		if err := agent.Validate(); err != nil {
			t.Errorf("%s without limits: %v", name, err)
		}
	}
	agent := reference.Agent{Session: reference.Limits{TPM: &bad}}
	if err := agent.Validate(); err == nil || !strings.Contains(err.Error(), "session: tpm_limit is -1") {
		t.Errorf("a session of -1 tokens: %v", err)
	}
}

// TestRule03NegativeThatWasNotValidatedPassesNothing: it must not be taken for
// no limit.
func TestRule03NegativeThatWasNotValidatedPassesNothing(t *testing.T) {
	bad := int64(-1)
	play(t, setting{keys: keyring{testKey: reference.NewPolicy(&bad, nil, nil)}}, func(s *stage) {
		s.wantRefused("request", s.chat(ask("n", "")), reference.ScopeKey, "requests")
	})
}
