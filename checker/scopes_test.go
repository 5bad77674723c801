package checker

import (
	"slices"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// ownedBy adds a key without limits of its own to the scenario planned last.
func (b *book) ownedBy(owners ...history.Owner) *sheet {
	k := b.key(history.Limits{})
	b.h.Keys[len(b.h.Keys)-1].Owners = owners
	return k
}

func owner(scope history.Scope, name string, limits history.Limits) history.Owner {
	return history.Owner{Scope: scope, Name: name, Limits: limits}
}

// playScope enters three keys of an owner that is allowed 3, asked four times
// each, of which so many are admitted, and a key of another that is allowed 5.
func (b *book) playScope(scope history.Scope, admitted [3]int, control int) (sharers [3]*sheet, other *sheet) {
	of := owner(scope, "a", perWindow(3))
	for i, n := range admitted {
		sharers[i] = b.ownedBy(of)
		sharers[i].admits(n, "shared", 0)
		sharers[i].refuses(4-n, "shared", 0)
	}
	other = b.ownedBy(owner(scope, "b", perWindow(5)))
	other.admits(control, "control", 0)
	other.refuses(4-control, "control", 0)
	return sharers, other
}

func TestScopes(t *testing.T) {
	for _, r := range scopeRequirements() {
		scope, found := map[string]history.Scope{
			"scopes/user": history.User, "scopes/team": history.Team, "scopes/team-member": history.TeamMember, "scopes/end-user": history.EndUser,
			"scopes/model-per-key": history.ModelPerKey, "scopes/model-per-team": history.ModelPerTeam, "scopes/team-model-limit": history.ModelPerTeam,
			"scopes/model-per-project": history.ModelPerProject, "scopes/model-per-organization": history.ModelPerOrganization,
			"scopes/organization": history.Organization, "scopes/agent": history.Agent, "scopes/agent-session": history.AgentSession,
		}[r.ID]
		if !found {
			continue
		}
		judgesKept, judgesUsable := r.ID != "scopes/team-model-limit", r.ID != "scopes/model-per-team"
		when := func(judged bool, verdict Verdict) Verdict {
			if judged {
				return verdict
			}
			return Pass
		}
		for name, test := range map[string]struct {
			admitted       [3]int
			control        int
			unknown, known Verdict // where the class was not, and was, measured
		}{
			"exactly the limit":             {[3]int{1, 2, 0}, 4, Pass, Pass},
			"all on one key":                {[3]int{0, 3, 0}, 4, Pass, Pass},
			"not limited":                   {[3]int{4, 4, 4}, 4, when(judgesKept, Fail), when(judgesKept, Fail)},
			"each key its own":              {[3]int{3, 3, 3}, 4, when(judgesKept, Fail), when(judgesKept, Fail)},
			"one too many":                  {[3]int{2, 2, 0}, 4, Pass, when(judgesKept, Fail)}, // or a window turned within the burst
			"half of it":                    {[3]int{1, 0, 0}, 4, when(judgesUsable, Fail), when(judgesUsable, Fail)},
			"one too few":                   {[3]int{1, 1, 0}, 4, when(judgesUsable, Fail), when(judgesUsable, Fail)},
			"the other takes part":          {[3]int{1, 1, 1}, 2, when(judgesUsable, Fail), when(judgesUsable, Fail)},
			"the other is not served":       {[3]int{1, 1, 1}, 0, when(judgesUsable, Fail), when(judgesUsable, Fail)},
			"all are refused, and no other": {[3]int{0, 0, 0}, 4, when(judgesUsable, Fail), when(judgesUsable, Fail)},
		} {
			t.Run(r.ID+"/"+name, func(t *testing.T) {
				b := newBook(t).scenario("s", r.ID)
				b.playScope(scope, test.admitted, test.control)
				b.wants(r.ID, withoutRefusals(test.unknown, test.admitted), "", nil)
				b = newBook(t)
				b.measured()
				b.scenario("s", r.ID).playScope(scope, test.admitted, test.control)
				b.wants(r.ID, withoutRefusals(test.known, test.admitted), "", nil)
				if found := b.verdict(r.ID); test.known != test.unknown && !slices.Equal(found.Needs, []string{asksForClass}) {
					t.Errorf("needs %v", found.Needs)
				}
			})
		}
	}
}

// withoutRefusals: who does not judge what is too much can tell nothing where
// nothing was refused.
func withoutRefusals(verdict Verdict, admitted [3]int) Verdict {
	if verdict == Pass && admitted == [3]int{4, 4, 4} {
		return Inconclusive
	}
	return verdict
}

func TestScopeThatCannotBeTold(t *testing.T) {
	const id = "scopes/team"
	for name, test := range map[string]struct {
		enter   func(b *book)
		verdict Verdict
		says    string
	}{
		"no owner":            {func(b *book) { b.key(perWindow(3)).admits(3, "shared", 0) }, Inconclusive, "no key with such a limit"},
		"an owner of another": {func(b *book) { b.playScope(history.User, [3]int{4, 4, 4}, 4) }, Inconclusive, "no key with such a limit"},
		"without limits":      {func(b *book) { b.ownedBy(owner(history.Team, "a", history.Limits{})).admit("shared", 0) }, Inconclusive, "no key with such a limit"},
		"too few asked":       {func(b *book) { b.ownedBy(owner(history.Team, "a", perWindow(3))).admits(3, "shared", 0) }, Inconclusive, "nobody was asked for more"},
		"a request is lost": {func(b *book) {
			sharers, _ := b.playScope(history.Team, [3]int{1, 1, 1}, 4)
			sharers[0].lose("shared", 0)
		}, Inconclusive, "neither admitted nor refused"},
		"an overload": {func(b *book) {
			_, other := b.playScope(history.Team, [3]int{1, 1, 1}, 3)
			b.h.Attempts[len(b.h.Attempts)-1].Status = 503
			_ = other
		}, Inconclusive, "a refusal, or an overload"},
		"stretched": {func(b *book) {
			_, other := b.playScope(history.Team, [3]int{1, 1, 1}, 4)
			other.admit("control", 1300*ms)
		}, Inconclusive, "too slow"},
		"the target cannot": {func(b *book) {
			b.playScope(history.Team, [3]int{4, 4, 4}, 4)
			b.h.Ends[len(b.h.Ends)-1].Error = "the target cannot be given a key with limits of scope team: no {team}"
		}, Skip, "no {team}"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t).scenario("scope-team", id)
			test.enter(b)
			b.wants(id, test.verdict, test.says, nil)
		})
	}
}

// TestFullQueueOfAnOwner: who lets one request wait for its team and refuses the
// rest has a full queue, whatever key waits in it.
func TestFullQueueOfAnOwner(t *testing.T) {
	b := newBook(t)
	k := b.scenario("requests-windows", "requests/limit-kept").key(perWindow(4))
	k.admit("pace", 0)
	for i := range 3 {
		k.admit("pace", ms, arriving(time.Duration(i+1)*1250*ms))
	}
	b.scenario("scope-team", "scopes/team")
	of := owner(history.Team, "a", perWindow(3))
	first, second := b.ownedBy(of), b.ownedBy(of)
	at := 10 * sec
	first.admit("shared", at)
	first.admit("shared", at+ms, arriving(1666*ms))
	second.refuses(8, "shared", at+2*ms)
	b.wants("scopes/team", Skip, "the target queues", nil)
}

func TestTightestOfSeveral(t *testing.T) {
	const id = "scopes/tightest"
	for name, test := range map[string]struct {
		byTeam, byKey int // admitted of 13, where the smaller limit of 4 is the team's and the key's
		verdict       Verdict
	}{
		"both keep the smaller":     {4, 4, Pass},
		"the larger":                {9, 9, Fail},
		"the key goes first":        {9, 4, Fail},
		"the team goes first":       {4, 9, Fail},
		"neither":                   {13, 13, Fail},
		"less than the smaller":     {4, 2, Fail},
		"less in the tighter team":  {3, 4, Fail},
		"nothing where it is tight": {0, 4, Fail},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t).scenario("scope-tightest", id)
			for _, c := range []struct {
				key, team int64
				n         int
			}{{9, 4, test.byTeam}, {4, 9, test.byKey}} {
				k := b.key(perWindow(c.key))
				b.h.Keys[len(b.h.Keys)-1].Owners = []history.Owner{owner(history.Team, k.alias, perWindow(c.team))}
				k.admits(c.n, "ask", 0)
				k.refuses(13-c.n, "ask", 0)
			}
			b.wants(id, test.verdict, "", nil)
		})
	}
	b := newBook(t).scenario("scope-tightest", id)
	b.key(perWindow(3)).admits(9, "ask", 0)
	b.wants(id, Inconclusive, "no key with such a limit", nil)
}

func TestTokensOfATeam(t *testing.T) {
	const id = "scopes/team-tokens"
	play := func(b *book, admitted int, between time.Duration) {
		b.scenario("scope-team-tokens", id)
		of := owner(history.Team, "a", tokensOnly(300))
		keys := []*sheet{b.ownedBy(of), b.ownedBy(of), b.ownedBy(of)}
		for i := range 6 {
			at, price := time.Duration(i)*between, costing(150, 150, 75)
			if i < admitted {
				keys[i%3].admit("ask", at, price)
			} else {
				keys[i%3].refuse("ask", at, price)
			}
		}
	}
	for name, test := range map[string]struct {
		admitted int
		between  time.Duration
		verdict  Verdict
	}{
		"the limit":                     {2, 600 * ms, Pass},
		"one, and an estimate too many": {1, 600 * ms, Pass},
		"not limited":                   {6, 600 * ms, Fail},
		"three for the limit of two":    {3, 600 * ms, Pass},        // a window may have turned
		"not limited, all at once":      {6, 10 * ms, Inconclusive}, // none had been charged
		"charged late":                  {5, 10 * ms, Pass},
		"nothing admitted":              {0, 600 * ms, Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook(t)
			play(b, test.admitted, test.between)
			if r := b.verdict(id); r.Verdict != test.verdict {
				t.Errorf("%s: %s, want %s", r.Verdict, r.Message, test.verdict)
			}
		})
	}
	b := newBook(t).scenario("scope-team-tokens", id)
	b.playScope(history.Team, [3]int{1, 1, 1}, 4)
	b.wants(id, Inconclusive, "no key of a team with a token limit", nil)
}
