package target_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/target"
)

// ownersOf are an owner of each scope that is allowed 7 requests and 70 tokens.
func ownersOf(name string) []history.Owner {
	var owners []history.Owner
	for i, scope := range history.Scopes() {
		o := history.Owner{Scope: scope, Name: fmt.Sprintf("%s%d", name, i), Limits: history.Limits{Requests: limit(7), Tokens: limit(70)}}
		if scope == history.TeamMember || scope == history.AgentSession {
			o.Of = fmt.Sprintf("within%d", i)
		}
		owners = append(owners, o)
	}
	return owners
}

// enforced is what a policy and a directory limit for a scope, the model being
// m, and the owner by its name.
func enforced(b *bureau, p reference.Policy, members map[string]any, scope history.Scope) (id string, rpm, tpm *int64) {
	model := func(m reference.ModelLimits) (r, t *int64) {
		if n, there := m.RPM["m"]; there {
			r = &n
		}
		if n, there := m.TPM["m"]; there {
			t = &n
		}
		return r, t
	}
	switch scope {
	case history.User:
		return p.User.ID, p.User.RPM, p.User.TPM
	case history.Team:
		return p.Team.ID, p.Team.RPM, p.Team.TPM
	case history.TeamMember:
		return p.Team.ID + " " + p.User.ID, p.TeamMember.RPM, p.TeamMember.TPM
	case history.EndUser:
		id, _ := members["user"].(string)
		e, _ := b.registry.EndUser(id)
		return id, e.RPM, e.TPM
	case history.ModelPerKey:
		rpm, tpm = model(p.Key.Models)
		return "", rpm, tpm
	case history.ModelPerTeam:
		rpm, tpm = model(p.Team.Models)
		return p.Team.ID, rpm, tpm
	case history.ModelPerProject:
		rpm, tpm = model(p.Project.Models)
		return p.Project.ID, rpm, tpm
	case history.ModelPerOrganization:
		rpm, tpm = model(p.Organization.Models)
		return p.Organization.ID, rpm, tpm
	case history.Organization:
		return p.Organization.ID, p.Organization.RPM, p.Organization.TPM
	case history.Agent:
		a, _ := b.registry.Agent(p.Key.Agent)
		return p.Key.Agent, a.RPM, a.TPM
	default:
		a, _ := b.registry.Agent(p.Key.Agent)
		return fmt.Sprint(p.Key.Agent, " ", members["litellm_session_id"]), a.Session.RPM, a.Session.TPM
	}
}

// keeping notes the owners that exist: made by a call and not deleted by one.
func keeping(owners map[string]bool) func(*bureau, http.Handler) http.Handler {
	return func(_ *bureau, api http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(sent))
			rec := httptest.NewRecorder()
			api.ServeHTTP(rec, r)
			kind, what, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
			var body, answer map[string]any
			_ = json.Unmarshal(sent, &body)
			_ = json.Unmarshal(rec.Body.Bytes(), &answer)
			ids := map[string]string{"user": "user_id", "team": "team_id", "customer": "user_id", "budget": "budget_id", "project": "project_id", "organization": "organization_id"}
			switch {
			case rec.Code != http.StatusOK:
			case what == "new":
				owners[fmt.Sprint(kind, " ", answer[ids[kind]])] = true
			case what == "delete" && kind == "budget":
				delete(owners, fmt.Sprint(kind, " ", body["id"]))
			case what == "delete":
				for _, list := range body {
					some, _ := list.([]any)
					for _, id := range some {
						delete(owners, fmt.Sprint(kind, " ", id))
					}
				}
			case r.URL.Path == "/v1/agents" && r.Method == http.MethodPost:
				owners[fmt.Sprint("agent ", answer["agent_id"])] = true
			case r.Method == http.MethodDelete:
				delete(owners, "agent "+strings.TrimPrefix(r.URL.Path, "/v1/agents/"))
			}
			maps.Copy(w.Header(), rec.Header())
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes())
		})
	}
}

// TestManagedOwners makes three keys for owners of each scope: two share one, the
// third has another. Nothing is left when they are deleted.
func TestManagedOwners(t *testing.T) {
	owners := map[string]bool{}
	manage(t, keeping(owners), func(b *bureau) {
		for i, first := range ownersOf("a") {
			second := ownersOf("b")[i]
			var ids []string
			for n, o := range []history.Owner{first, first, second} {
				key, err := b.keys.MakeOwned(context.Background(), fmt.Sprintf("k%dx%d", i, n), history.Limits{Requests: limit(9)}, []history.Owner{o})
				if err != nil {
					t.Fatalf("%s: %v", o.Scope, err)
				}
				p, known := b.registry.Lookup(key.Secret.Bearer())
				if !known || p.Key.RPM == nil || *p.Key.RPM != 9 {
					t.Fatalf("%s: made %+v", o.Scope, p.Key)
				}
				id, rpm, tpm := enforced(b, p, key.Members, o.Scope)
				if rpm == nil || tpm == nil || *rpm != 7 || *tpm != 70 {
					t.Errorf("%s: is allowed %v and %v", o.Scope, rpm, tpm)
				}
				ids = append(ids, id)
			}
			if ids[0] != ids[1] || (ids[0] == ids[2]) != (first.Scope == history.ModelPerKey) {
				t.Errorf("%s: the owners are %q", first.Scope, ids)
			}
		}
		if len(owners) < 20 {
			t.Errorf("made %v", slices.Sorted(maps.Keys(owners)))
		}
		cancelled, cancel := context.WithCancel(context.Background())
		cancel()
		if err := b.keys.Delete(cancelled); err != nil || len(owners) > 0 || len(b.left()) > 0 {
			t.Errorf("left %v and %v, %v", slices.Sorted(maps.Keys(owners)), b.left(), err)
		}
		calls := len(b.calls)
		if err := b.keys.Delete(cancelled); err != nil || len(b.calls) != calls {
			t.Errorf("nothing to delete: %v, %v", err, b.calls[calls:])
		}
		if _, err := b.keys.MakeOwned(cancelled, "c", history.Limits{}, ownersOf("c")[:1]); !errors.Is(err, context.Canceled) || len(owners) > 0 {
			t.Errorf("made when it was over: %v", err)
		}
	})
}

// TestSeveralOwnersOfOneKey: a key may belong to a user, an organization and an
// agent at once.
func TestSeveralOwnersOfOneKey(t *testing.T) {
	manage(t, nil, func(b *bureau) {
		owners := slices.DeleteFunc(ownersOf("a"), func(o history.Owner) bool {
			return !slices.Contains([]history.Scope{history.User, history.Organization, history.EndUser, history.AgentSession, history.ModelPerKey}, o.Scope)
		})
		key, err := b.keys.MakeOwned(context.Background(), "k", history.Limits{}, owners)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := b.registry.Lookup(key.Secret.Bearer())
		for _, o := range owners {
			if _, rpm, _ := enforced(b, p, key.Members, o.Scope); rpm == nil || *rpm != 7 {
				t.Errorf("%s is allowed %v", o.Scope, rpm)
			}
		}
		if len(key.Members) != 2 {
			t.Errorf("requests name %v", key.Members)
		}
	})
}

// TestOwnersThatATargetCannotHave: a refusal and a limit that the target does
// not tell of are properties of the target; an outage is none. What was not made
// is not deleted, and what may have been is.
func TestOwnersThatATargetCannotHave(t *testing.T) {
	for name, c := range map[string]struct {
		scope     history.Scope
		path      string
		status    int
		text      string
		says      string
		asOwner   bool
		isDeleted bool
	}{
		"no such call":          {history.ModelPerProject, "/project/new", 404, "not found", "status 404", true, true}, // its team was made
		"for payers alone":      {history.Organization, "/organization/new", 403, "enterprise only", "enterprise only", true, false},
		"another form":          {history.Agent, "/v1/agents", 422, `{"detail":[]}`, "status 422", true, false},
		"a limit is not taken":  {history.Team, "/team/new", 200, `{"team_id":"x","rpm_limit":null}`, "rpm_limit 7 was asked for", true, true},
		"another limit":         {history.User, "/user/new", 200, `{"rpm_limit":8}`, "rpm_limit 7 was asked for", true, true},
		"not the key's owner":   {history.User, "/key/generate", 200, `{"key":"sk-x","user_id":"y"}`, "user_id ratecheck-a0 was asked for", true, true},
		"no member":             {history.TeamMember, "/team/member_add", 400, "no such team", "status 400", true, true},
		"not the model's limit": {history.ModelPerKey, "/key/generate", 200, `{"key":"sk-x","metadata":{"model_rpm_limit":{"other":7}}}`, "model_rpm_limit map[m:7] was asked for", true, false},
		"it is down":            {history.Team, "/team/new", 500, "no database", "status 500", false, true},
		"it has no budgets":     {history.EndUser, "/budget/new", 405, "no", "status 405", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			manage(t, answer(c.path, "", c.status, c.text), func(b *bureau) {
				o := ownersOf("a")[slices.Index(history.Scopes(), c.scope)]
				o.Limits.Tokens = nil
				_, err := b.keys.MakeOwned(context.Background(), "k", history.Limits{}, []history.Owner{o})
				var owner *target.OwnerError
				if err == nil || errors.As(err, &owner) != c.asOwner || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("error %v, want one that says %q", err, c.says)
				}
				if c.asOwner && owner.Scope != c.scope {
					t.Errorf("the error is of scope %s", owner.Scope)
				}
				before := len(b.calls)
				_ = b.keys.Delete(context.Background())
				deleted := slices.ContainsFunc(b.calls[before:], func(call string) bool { return !strings.Contains(call, "/key/") })
				if deleted != c.isDeleted {
					t.Errorf("to delete there were the calls %v", b.calls[before:])
				}
			})
		})
	}
}

// TestOwnersThatAreLeft: what could not be deleted is named; an agent whose id
// was lost is found by its name.
func TestOwnersThatAreLeft(t *testing.T) {
	manage(t, answer("/team/delete", "ratecheck-a1", 500, "busy"), func(b *bureau) {
		for _, name := range []string{"a", "b"} {
			if _, err := b.keys.MakeOwned(context.Background(), "k"+name, history.Limits{}, ownersOf(name)[1:2]); err != nil {
				t.Fatal(err)
			}
		}
		checkAdvice(t, b.keys.Delete(context.Background()), []string{"owners of test keys may be left on the target: team ratecheck-a1: ", "busy"})
	})
	owners := map[string]bool{}
	lost := func(b *bureau, api http.Handler) http.Handler {
		kept := keeping(owners)(b, api)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/agents" && r.Method == http.MethodPost {
				kept.ServeHTTP(httptest.NewRecorder(), r)
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			kept.ServeHTTP(w, r)
		})
	}
	manage(t, lost, func(b *bureau) {
		agent := ownersOf("a")[slices.Index(history.Scopes(), history.Agent)]
		if _, err := b.keys.MakeOwned(context.Background(), "k", history.Limits{}, []history.Owner{agent}); err == nil || len(owners) != 1 {
			t.Fatalf("%v, made %v", err, owners)
		}
		if err := b.keys.Delete(context.Background()); err != nil || len(owners) != 0 {
			t.Errorf("%v, left %v", err, owners)
		}
	})
}

// TestMakersWithoutOwners: a maker that cannot says so, and makes keys that
// belong to nobody.
func TestMakersWithoutOwners(t *testing.T) {
	template, err := target.ParseTemplate("sk-{nonce}")
	if err != nil {
		t.Fatal(err)
	}
	fixed := target.Fixed{Template: template}
	if key, err := target.MakeOwned(context.Background(), fixed, "n", history.Limits{}, nil); err != nil || key.Secret.Bearer() != "sk-n" {
		t.Errorf("%q, %v", key.Secret.Bearer(), err)
	}
	_, err = target.MakeOwned(context.Background(), fixed, "n", history.Limits{}, ownersOf("a"))
	checkAdvice(t, err, []string{"limits of scope user", "its keys belong to nobody", "--admin-key"})
	_, err = target.MakeOwned(context.Background(), target.Unowned{KeyMaker: template, Why: "nobody asked"}, "n", history.Limits{}, ownersOf("a"))
	checkAdvice(t, err, []string{"limits of scope user: nobody asked"})
}
