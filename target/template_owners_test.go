package target_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/target"
)

const scoped = "sk-{nonce}[-rpm{rpm}][-team={team}][-trpm{team_rpm}][-ttpm{team_tpm}][-mrpm{team_member_rpm}][-user={user}][-urpm{user_rpm}][-erpm{end_user_rpm}][-x_rpm{model_rpm}]"

func TestTemplatesWithOwners(t *testing.T) {
	template, err := target.ParseTemplate(scoped)
	if err != nil || !template.NamesLimits() || !template.NamesOwners() {
		t.Fatal(err)
	}
	rpm := history.Limits{Requests: limit(3)}
	for want, owners := range map[string][]history.Owner{
		"sk-n-rpm5-team=t1-trpm3":                  {{Scope: history.Team, Name: "t1", Limits: rpm}},
		"sk-n-rpm5-team=t1-ttpm40":                 {{Scope: history.Team, Name: "t1", Limits: history.Limits{Tokens: limit(40)}}},
		"sk-n-rpm5-team=t1-mrpm3-user=u1":          {{Scope: history.TeamMember, Of: "t1", Name: "u1", Limits: rpm}},
		"sk-n-rpm5-erpm3 user=e1":                  {{Scope: history.EndUser, Name: "e1", Limits: rpm}},
		"sk-n-rpm5-x_rpm3":                         {{Scope: history.ModelPerKey, Name: "any", Limits: rpm}},
		"sk-n-rpm5-team=t1-trpm3-user=u1-urpm3":    {{Scope: history.Team, Name: "t1", Limits: rpm}, {Scope: history.User, Name: "u1", Limits: rpm}},
		"no {project} in scope":                    {{Scope: history.ModelPerProject, Name: "p1", Limits: rpm}},
		"no {agent}, scope agent":                  {{Scope: history.Agent, Name: "a1", Limits: rpm}},
		"no {end_user_max_parallel}":               {{Scope: history.EndUser, Name: "e1", Limits: history.Limits{Parallel: limit(2)}}},
		"a key with two owners in {team}":          {{Scope: history.Team, Name: "t1", Limits: rpm}, {Scope: history.TeamMember, Of: "t2", Name: "u1", Limits: rpm}},
		"could not be read back: nonces and names": {{Scope: history.Team, Name: "t-1", Limits: rpm}},
	} {
		key, err := template.MakeOwned(context.Background(), "n", history.Limits{Requests: limit(5)}, owners)
		got := key.Secret.Bearer()
		if key.Members != nil {
			got += fmt.Sprintf(" user=%v", key.Members["user"])
		}
		var lacking *target.OwnerError
		switch {
		case strings.HasPrefix(want, "sk-") && (err != nil || got != want):
			t.Errorf("%q, %v; want %q", got, err, want)
		case strings.HasPrefix(want, "no {") && (!errors.As(err, &lacking) || !strings.Contains(err.Error(), want[:strings.Index(want, "}")+1])):
			t.Errorf("error %v, want %s", err, want)
		case !strings.HasPrefix(want, "sk-") && err == nil:
			t.Errorf("made %s, want %s", got, want)
		}
		if limits, ok := template.Match(key.Secret.Bearer()); err == nil && (!ok || limits.Requests == nil || *limits.Requests != 5) {
			t.Errorf("%s is read as %v", got, limits)
		}
		if strings.HasPrefix(want, "sk-") {
			checkOwnersOf(t, template, key.Secret.Bearer(), owners)
		}
	}
	if key, err := template.Make(context.Background(), "n", history.Limits{}); err != nil || key.Bearer() != "sk-n" {
		t.Errorf("%q, %v", key.Bearer(), err)
	}
}

// checkOwnersOf wants these owners to be read from a key; the template has no
// place for the names of end users.
func checkOwnersOf(t *testing.T, template *target.Template, bearer string, owners []history.Owner) {
	t.Helper()
	want := slices.Clone(owners)
	for i := range want {
		if want[i].Scope == history.EndUser || want[i].Scope == history.ModelPerKey {
			want[i].Name = ""
		}
	}
	slices.SortFunc(want, func(a, b history.Owner) int {
		return cmp.Compare(slices.Index(history.Scopes(), a.Scope), slices.Index(history.Scopes(), b.Scope))
	})
	got, ok := template.OwnersOf(bearer)
	if d := diff.Diff(want, got); !ok || d != "" {
		t.Errorf("%s belongs to others (-want +got): %t\n%s", bearer, ok, d)
	}
}

func TestOwnersOfNobodysKeys(t *testing.T) {
	template, err := target.ParseTemplate(scoped)
	if err != nil {
		t.Fatal(err)
	}
	if owners, ok := template.OwnersOf("sk-n-rpm5-team=t1"); !ok || len(owners) > 0 {
		t.Errorf("a team without limits: %v, %t", owners, ok)
	}
	for _, bearer := range []string{"", "sk-n-trpm", "sk-n-agent=a", "other-n"} {
		if owners, ok := template.OwnersOf(bearer); ok {
			t.Errorf("%q belongs to %v", bearer, owners)
		}
	}
}
