package reference_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/reference"
)

func count(n int64) *int64 { return &n }

// TestRule26EveryScopeIsManaged makes an owner of every kind, and reads the
// policy of a key that has all of them.
func TestRule26EveryScopeIsManaged(t *testing.T) {
	o := newOffice(t)
	o.call("/budget/new", `{"budget_id":"small","rpm_limit":1,"tpm_limit":2,"max_parallel_requests":3}`)
	o.call("/organization/new", `{"organization_id":"org","organization_alias":"o","rpm_limit":10,"tpm_limit":11,"model_rpm_limit":{"m":12},"model_tpm_limit":{"m":13}}`)
	o.call("/team/new", `{"team_id":"team","organization_id":"org","rpm_limit":20,"tpm_limit":21,"metadata":{"model_rpm_limit":{"m":22}},"team_member_rpm_limit":23,"team_member_tpm_limit":24}`)
	o.call("/team/member_add", `{"team_id":"team","member":[{"user_id":"user","role":"user"},{"user_id":"boss","role":"admin"}]}`)
	o.call("/team/member_add", `{"team_id":"team","member":{"user_id":"boss","role":"admin"},"rpm_limit":99}`)
	o.call("/user/new", `{"user_id":"user","rpm_limit":30,"tpm_limit":31,"max_parallel_requests":32,"auto_create_key":false}`)
	o.call("/project/new", `{"project_id":"project","team_id":"team","model_rpm_limit":{"m":40},"model_tpm_limit":{"m":41}}`)
	agent, _ := o.call("/v1/agents", `{"agent_name":"a","agent_card_params":{"name":"a"},"rpm_limit":50,"tpm_limit":51,"session_rpm_limit":52,"session_tpm_limit":53}`)["agent_id"].(string)
	o.call("/customer/new", `{"user_id":"guest","budget_id":"small"}`)

	key := o.key(`{"team_id":"team","user_id":"user","project_id":"project","agent_id":"` + agent + `","budget_id":"small","tpm_limit":60}`)
	got, _ := o.registry.Lookup(key)
	want := reference.Policy{
		Key:          reference.Key{Hash: keyHash(key), Limits: reference.Limits{RPM: count(1), TPM: count(60), MaxParallel: count(3)}, Agent: agent},
		User:         &reference.User{ID: "user", Limits: reference.Limits{RPM: count(30), TPM: count(31), MaxParallel: count(32)}},
		Team:         &reference.Team{ID: "team", Limits: reference.Limits{RPM: count(20), TPM: count(21)}, Models: reference.ModelLimits{RPM: map[string]int64{"m": 22}}},
		TeamMember:   &reference.TeamMember{Limits: reference.Limits{RPM: count(23), TPM: count(24)}},
		Organization: &reference.Organization{ID: "org", Limits: reference.Limits{RPM: count(10), TPM: count(11)}, Models: reference.ModelLimits{RPM: map[string]int64{"m": 12}, TPM: map[string]int64{"m": 13}}},
		Project:      &reference.Project{ID: "project", Models: reference.ModelLimits{RPM: map[string]int64{"m": 40}, TPM: map[string]int64{"m": 41}}},
	}
	want.Key.Spend = new(float64)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
	boss, _ := o.registry.Lookup(o.key(`{"team_id":"team","user_id":"boss"}`))
	if diff := cmp.Diff(&reference.TeamMember{Limits: reference.Limits{RPM: count(99), TPM: count(24)}}, boss.TeamMember); diff != "" {
		t.Errorf("a member with limits of its own (-want +got):\n%s", diff)
	}
	alone, _ := o.registry.Lookup(o.key(`{"user_id":"stranger","model_rpm_limit":{"m":70}}`))
	if alone.Team != nil || alone.TeamMember != nil || alone.User == nil || alone.User.RPM != nil || alone.Key.Models.RPM["m"] != 70 {
		t.Errorf("a key of a user of whom nothing is known: %+v", alone)
	}
	if guest, known := o.registry.EndUser("guest"); !known || *guest.RPM != 1 || *guest.MaxParallel != 3 {
		t.Errorf("the end user: %+v", guest)
	}
	if _, known := o.registry.EndUser("stranger"); known {
		t.Error("an end user whom nobody made")
	}
	if a, known := o.registry.Agent(agent); !known || *a.TPM != 51 || *a.Session.RPM != 52 || *a.Session.TPM != 53 {
		t.Errorf("the agent: %+v", a)
	}
	if _, known := o.registry.Agent("a"); known {
		t.Error("an agent by its name")
	}
}

// TestOwnersChange: what is changed shows in the policies of keys at once.
func TestOwnersChange(t *testing.T) {
	o := newOffice(t)
	o.call("/team/new", `{"team_id":"t","rpm_limit":5}`)
	key := o.key(`{"team_id":"t"}`)
	if p, _ := o.registry.Lookup(key); *p.Team.RPM != 5 {
		t.Fatalf("%+v", p.Team)
	}
	o.call("/team/update", `{"team_id":"t","rpm_limit":6,"model_tpm_limit":{"m":1}}`)
	if p, _ := o.registry.Lookup(key); *p.Team.RPM != 6 || p.Team.Models.TPM["m"] != 1 {
		t.Errorf("after an update: %+v", p.Team)
	}
	o.call("/team/update", `{"team_id":"t","blocked":true}`)
	if p, _ := o.registry.Lookup(key); !p.Key.Blocked {
		t.Error("a key of a blocked team")
	}
	user := o.call("/user/new", `{"rpm_limit":7}`)
	made, _ := user["key"].(string)
	if p, known := o.registry.Lookup(made); !known || *p.User.RPM != 7 || p.User.ID != user["user_id"] {
		t.Errorf("the key that came with a user: %+v", p)
	}
	agent, _ := o.call("/v1/agents", `{"agent_name":"a"}`)["agent_id"].(string)
	rec := o.ask(adminKey, http.MethodPatch, "/v1/agents/"+agent, strings.NewReader(`{"rpm_limit":8}`))
	if a, _ := o.registry.Agent(agent); rec.Code != http.StatusOK || a.RPM == nil || *a.RPM != 8 {
		t.Errorf("a changed agent: %d %+v", rec.Code, a)
	}
	if rec := o.ask(adminKey, http.MethodGet, "/v1/agents", nil); !strings.Contains(rec.Body.String(), agent) {
		t.Errorf("the agents: %s", rec.Body)
	}
	if rec := o.ask(adminKey, http.MethodGet, "/v1/agents/"+agent, nil); !strings.Contains(rec.Body.String(), `"rpm_limit":8`) {
		t.Errorf("the agent: %s", rec.Body)
	}
	if rec := o.ask(adminKey, http.MethodDelete, "/v1/agents/"+agent, nil); rec.Code != http.StatusOK {
		t.Errorf("deleting it: %s", rec.Body)
	}
	if _, known := o.registry.Agent(agent); known {
		t.Error("it outlives its deletion")
	}
}

// TestOwnersLeave: keys go with their owner, and never live on without its
// limits.
func TestOwnersLeave(t *testing.T) {
	o := newOffice(t)
	o.call("/budget/new", `{"budget_id":"b"}`)
	o.call("/organization/new", `{"organization_id":"o"}`)
	o.call("/team/new", `{"team_id":"t","organization_id":"o"}`)
	o.call("/team/new", `{"team_id":"t2"}`)
	o.call("/user/new", `{"user_id":"u","auto_create_key":false}`)
	o.call("/project/new", `{"project_id":"p","team_id":"t"}`)
	o.call("/customer/new", `{"user_id":"c","budget_id":"b"}`)
	byOrganization, byTeam, byUser := o.key(`{"organization_id":"o"}`), o.key(`{"team_id":"t"}`), o.key(`{"user_id":"u"}`)
	byTeam2, byProject := o.key(`{"team_id":"t2"}`), o.key(`{"project_id":"p"}`)

	if rec := o.ask(adminKey, http.MethodDelete, "/project/delete", strings.NewReader(`{"project_ids":["p"]}`)); rec.Code != http.StatusBadRequest {
		t.Errorf("deleting a project with a key: %d", rec.Code)
	}
	gone := func(path, body string, want map[string]bool) {
		t.Helper()
		o.call(path, body)
		for key, known := range want {
			if _, got := o.registry.Lookup(key); got != known {
				t.Errorf("after %s a key is known: %t", path, got)
			}
		}
	}
	gone("/user/delete", `{"user_ids":["u"]}`, map[string]bool{byUser: false, byTeam: true})
	gone("/team/delete", `{"team_ids":["t2"]}`, map[string]bool{byTeam2: false, byTeam: true})
	gone("/organization/delete", `{"organization_ids":["o"]}`, map[string]bool{byOrganization: false, byTeam: false, byProject: true})
	gone("/key/delete", `{"keys":["`+byProject+`"]}`, map[string]bool{byProject: false})
	gone("/project/delete", `{"project_ids":["p"]}`, nil)
	gone("/customer/delete", `{"user_ids":["c"]}`, nil)
	gone("/budget/delete", `{"id":"b"}`, nil)
	if len(o.keys()) != 0 {
		t.Errorf("left: %v", o.keys())
	}
	for _, path := range []string{"/budget/new", "/organization/new", "/project/new"} {
		o.call(path, `{"budget_id":"b","organization_id":"o","project_id":"p"}`) // the ids are free again
	}
}

// TestSpendIsCounted: what keys cost is told, and dies with them.
func TestSpendIsCounted(t *testing.T) {
	o := newOffice(t)
	key := o.key(`{"key":"sk-mine"}`)
	spend := func() any {
		info, _ := o.call("/key/info?key="+key, "")["info"].(map[string]any)
		if p, _ := o.registry.Lookup(key); p.Key.Spend == nil || *p.Key.Spend != info["spend"] {
			t.Errorf("looked up %v, told %v", p.Key.Spend, info["spend"])
		}
		return info["spend"]
	}
	if got := spend(); got != 0.0 {
		t.Errorf("at first %v", got)
	}
	held, _ := o.registry.Lookup(key)
	o.registry.Spent(keyHash(key), 0.5)
	o.registry.Spent(keyHash(key), 0.25)
	o.registry.Spent(keyHash(key), -1)
	o.registry.Spent(keyHash("sk-nobody"), 7)
	if got := spend(); got != 0.75 || *held.Key.Spend != 0 {
		t.Errorf("%v, and a policy that is in use changed to %v", got, *held.Key.Spend)
	}
	o.call("/key/update", `{"key":"sk-mine","rpm_limit":3,"duration":"5s"}`)
	if got := spend(); got != 0.75 {
		t.Errorf("after an update %v", got)
	}
	o.clock.now = o.clock.now.Add(5 * time.Second)
	o.key(`{"key":"sk-mine"}`)
	if got := spend(); got != 0.0 {
		t.Errorf("a new key begins with %v", got)
	}
}
