package reference_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/reference"
)

// managed is a stage whose keys are those of a registry.
func managed(o *office) setting {
	return setting{configure: func(c *reference.ProxyConfig) { c.Keys, c.Directory = o.registry, o.registry }}
}

// TestRule26EveryScopeIsEnforced gives each scope alone a limit of one request,
// by the management API, and sends two.
func TestRule26EveryScopeIsEnforced(t *testing.T) {
	for scope, c := range map[string]struct {
		calls [][2]string
		key   string
	}{
		reference.ScopeKey:                  {nil, `{"rpm_limit":1}`},
		reference.ScopeUser:                 {[][2]string{{"/user/new", `{"user_id":"u","rpm_limit":1}`}}, `{"user_id":"u"}`},
		reference.ScopeTeam:                 {[][2]string{{"/team/new", `{"team_id":"t","rpm_limit":1}`}}, `{"team_id":"t"}`},
		reference.ScopeTeamMember:           {[][2]string{{"/team/new", `{"team_id":"t","team_member_rpm_limit":1}`}}, `{"team_id":"t","user_id":"u"}`},
		reference.ScopeEndUser:              {[][2]string{{"/budget/new", `{"budget_id":"b","rpm_limit":1}`}, {"/customer/new", `{"user_id":"e1","budget_id":"b"}`}}, `{}`},
		reference.ScopeModelPerKey:          {nil, `{"model_rpm_limit":{"m":1}}`},
		reference.ScopeModelPerTeam:         {[][2]string{{"/team/new", `{"team_id":"t","model_rpm_limit":{"m":1}}`}}, `{"team_id":"t"}`},
		reference.ScopeModelPerProject:      {[][2]string{{"/project/new", `{"project_id":"p","model_rpm_limit":{"m":1}}`}}, `{"project_id":"p"}`},
		reference.ScopeModelPerOrganization: {[][2]string{{"/organization/new", `{"organization_id":"o","model_rpm_limit":{"m":1}}`}}, `{"organization_id":"o"}`},
		reference.ScopeOrganization:         {[][2]string{{"/organization/new", `{"organization_id":"o","rpm_limit":1}`}}, `{"organization_id":"o"}`},
		reference.ScopeAgent:                {[][2]string{{"/v1/agents", `{"agent_id":"a1","agent_name":"a","rpm_limit":1}`}}, `{}`},
		reference.ScopeAgentSession:         {[][2]string{{"/v1/agents", `{"agent_id":"a1","agent_name":"a","session_rpm_limit":1}`}}, `{"agent_id":"a1"}`},
	} {
		t.Run(scope, func(t *testing.T) {
			o := newOffice(t)
			for _, call := range c.calls {
				o.call(call[0], call[1])
			}
			key := o.key(c.key)
			play(t, managed(o), func(s *stage) {
				send := func() answer {
					return s.send(context.Background(), http.MethodPost, "/v1/chat/completions", key, asking("n1", `"max_tokens":5`))
				}
				s.wantStatus("the first", send(), http.StatusOK)
				s.wantRefused("the second", send(), scope, "requests")
			})
		})
	}
	if want := 12; len(reference.Scopes()) != want {
		t.Errorf("there are %d scopes, and %d were tested", len(reference.Scopes()), want)
	}
}

// TestKeysThatMayNot: keys that were made and may not be used any more, or not
// for this model.
func TestKeysThatMayNot(t *testing.T) {
	o := newOffice(t)
	keys := map[string]int{
		o.key(`{"models":["m"]}`):                 http.StatusOK,
		o.key(`{"models":["all-proxy-models"]}`):  http.StatusOK,
		o.key(`{"models":["m2"]}`):                http.StatusForbidden,
		o.key(`{"blocked":true}`):                 http.StatusForbidden,
		o.key(`{"duration":"10s"}`):               http.StatusUnauthorized,
		o.key(`{"duration":"11s"}`):               http.StatusOK,
		o.key(`{"key":"sk-own","rpm_limit":0}`):   http.StatusTooManyRequests,
		adminKey:                                  http.StatusUnauthorized,
		"sk-elsewhere":                            http.StatusTooManyRequests, // its tokens are few
		keyHash("sk-own"):                         http.StatusUnauthorized,
		o.key(`{"key":"sk-gone"}`) + "and-more":   http.StatusUnauthorized,
		o.key(`{"user_id":"nobody"}`):             http.StatusOK,
		o.key(`{"max_parallel_requests":1}`):      http.StatusOK,
		o.key(`{"tpm_limit":5,"rpm_limit":1000}`): http.StatusTooManyRequests,
	}
	o.clock.now = o.clock.now.Add(10 * time.Second)
	play(t, managed(o), func(s *stage) {
		for key, status := range keys {
			a := s.send(context.Background(), http.MethodPost, "/v1/chat/completions", key, ask("n1", `"max_tokens":5`))
			s.wantStatus(key, a, status)
		}
	})
}
