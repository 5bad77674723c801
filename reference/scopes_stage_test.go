package reference_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/ratecheck/ratecheck/reference"
)

// directory is whom requests may name.
type directory struct {
	endUsers map[string]reference.EndUser
	agents   map[string]reference.Agent
}

func (d *directory) EndUser(id string) (reference.EndUser, bool) {
	e, known := d.endUsers[id]
	return e, known
}

func (d *directory) Agent(id string) (reference.Agent, bool) {
	a, known := d.agents[id]
	return a, known
}

// owners are a key and all whom it can belong to, none of them limited yet. The
// requests of asking name the end user e1, the agent a1, the session s1 and the
// model m.
type owners struct {
	policy    reference.Policy
	directory directory
}

func newOwners() *owners {
	o := &owners{directory: directory{endUsers: map[string]reference.EndUser{}, agents: map[string]reference.Agent{}}}
	o.policy = reference.Policy{
		User: &reference.User{ID: "u1"}, Team: &reference.Team{ID: "t1"}, TeamMember: &reference.TeamMember{},
		Organization: &reference.Organization{ID: "o1"}, Project: &reference.Project{ID: "p1"},
	}
	return o
}

// number is a limit; below 0 it is none.
func number(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func limits(requests, tokens, slots int64) reference.Limits {
	return reference.Limits{RPM: number(requests), TPM: number(tokens), MaxParallel: number(slots)}
}

// limit gives a scope limits; a negative number is none. Models have no limit of
// slots.
func (o *owners) limit(scope string, requests, tokens, slots int64) *owners {
	of := limits(requests, tokens, slots)
	models := reference.ModelLimits{RPM: map[string]int64{}, TPM: map[string]int64{}}
	if requests >= 0 {
		models.RPM["m"] = requests
	}
	if tokens >= 0 {
		models.TPM["m"] = tokens
	}
	agent := o.directory.agents["a1"]
	switch scope {
	case reference.ScopeKey:
		o.policy.Key.Limits = of
	case reference.ScopeUser:
		o.policy.User.Limits = of
	case reference.ScopeTeam:
		o.policy.Team.Limits = of
	case reference.ScopeTeamMember:
		o.policy.TeamMember.Limits = of
	case reference.ScopeEndUser:
		o.directory.endUsers["e1"] = reference.EndUser{Limits: of}
	case reference.ScopeModelPerKey:
		o.policy.Key.Models = models
	case reference.ScopeModelPerTeam:
		o.policy.Team.Models = models
	case reference.ScopeModelPerProject:
		o.policy.Project.Models = models
	case reference.ScopeModelPerOrganization:
		o.policy.Organization.Models = models
	case reference.ScopeOrganization:
		o.policy.Organization.Limits = of
	case reference.ScopeAgent:
		agent.Limits = of
		o.directory.agents["a1"] = agent
	case reference.ScopeAgentSession:
		agent.Session = of
		o.directory.agents["a1"] = agent
	}
	return o
}

// setting is a stage on which testKey has these owners.
func (o *owners) setting() setting {
	return setting{
		keys:      keyring{testKey: o.policy},
		configure: func(c *reference.ProxyConfig) { c.Directory = &o.directory },
	}
}

// asking is ask by a request that names everyone.
func asking(nonce, fields string) string {
	if fields != "" {
		fields = "," + fields
	}
	return ask(nonce, `"user":"e1","metadata":{"agent_id":"a1","session_id":"s1"}`+fields)
}

// hasSlots reports whether a scope can limit requests in flight.
func hasSlots(scope string) bool { return !strings.HasPrefix(scope, "model_per_") }

// remaining is what an answer says that a scope has left; -1 where it says
// nothing.
func remaining(a answer, scope, kind string) int64 {
	n, err := strconv.ParseInt(a.header.Get("x-ratelimit-"+scope+"-remaining-"+kind), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// wantRefused says that an answer is a refusal by this scope and kind.
func (s *stage) wantRefused(what string, a answer, scope, kind string) {
	s.Helper()
	if want := "Rate limit exceeded for " + scope + ": "; a.status != 429 || !strings.Contains(a.body, want) || a.header.Get("rate_limit_type") != kind {
		s.Errorf("%s: got %d %s with the type %q (%v), want a refusal by the %s of %s", what, a.status, a.body, a.header.Get("rate_limit_type"), a.err, kind, scope)
	}
}

// modelOf is the model that an upstream is asked for.
func modelOf(r *http.Request) string {
	var asked struct {
		Model string `json:"model"`
	}
	_ = json.NewDecoder(r.Body).Decode(&asked)
	return asked.Model
}
