package checker

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ratecheck/ratecheck/checker/window"
	"github.com/ratecheck/ratecheck/history"
)

// The requirements on limits that several keys share.

// demandFactor is how many times its limit an owner must be asked for: twice may
// be lawful, where two windows on the clock meet within the burst.
const demandFactor = 3

func scopeRequirements() []Requirement {
	alone := func(scope history.Scope, id, sentence, source string) Requirement {
		return Requirement{
			ID: id, Level: Must, Layer: Enforcement, Sentence: sentence, Source: source, Tolerances: scopeTolerances(),
			judge: func(v *view) finding { return v.judgeScope(scope, keptAndUsable) },
		}
	}
	perModelOfTeam := alone(history.ModelPerTeam, "scopes/model-per-team", "The keys of a team together are admitted no more than the team is allowed for a model.", "docs/reference.md rules 6 and 7")
	perModelOfTeam.judge = func(v *view) finding { return v.judgeScope(history.ModelPerTeam, kept) }
	return []Requirement{
		alone(history.User, "scopes/user", "The keys of a user together are admitted what the user is allowed, and no other user is limited by it.", "docs/reference.md rule 6"),
		alone(history.Team, "scopes/team", "The keys of a team together are admitted what the team is allowed, and no other team is limited by it.", "docs/reference.md rule 6"),
		{
			ID: "scopes/team-tokens", Level: Must, Layer: Enforcement,
			Sentence: "The keys of a team together are admitted no more tokens than the team is allowed.",
			Source:   "docs/reference.md rule 6",
			Tolerances: append(scopeTolerances(), Tolerance{
				Value: "tokens of answers that ended within 0.5 s of an admission", Reason: "they may not have been charged yet",
			}),
			judge: judgeTeamTokens,
		},
		alone(history.TeamMember, "scopes/team-member", "The keys of a member of a team together are admitted what a member is allowed, and no other member is limited by it.", "docs/reference.md rule 6"),
		alone(history.EndUser, "scopes/end-user", "Requests that name one end user are together admitted what the end user is allowed, whatever their keys, and no other is limited by it.", "docs/reference.md rules 6 and 8"),
		alone(history.ModelPerKey, "scopes/model-per-key", "A key is admitted what it is allowed for a model, and no other key is limited by it.", "docs/reference.md rules 6 and 7"),
		perModelOfTeam,
		{
			ID: "scopes/team-model-limit", Level: Must, Layer: Enforcement,
			Sentence:   "The whole of a team's limit for a model can be used: a request is counted for it once, and for no other team.",
			Source:     "docs/reference.md rules 6 and 7; LiteLLM 37789, 35542",
			Tolerances: scopeTolerances(),
			judge:      func(v *view) finding { return v.judgeScope(history.ModelPerTeam, usable) },
		},
		alone(history.ModelPerProject, "scopes/model-per-project", "The keys of a project together are admitted what the project is allowed for a model, and no other project is limited by it.", "docs/reference.md rules 6 and 7"),
		alone(history.ModelPerOrganization, "scopes/model-per-organization", "The keys of an organization together are admitted what it is allowed for a model, and no other organization is limited by it.", "docs/reference.md rules 6 and 7"),
		alone(history.Organization, "scopes/organization", "The keys of an organization together are admitted what it is allowed, and no other organization is limited by it.", "docs/reference.md rule 6"),
		alone(history.Agent, "scopes/agent", "The keys of an agent together are admitted what the agent is allowed, and no other agent is limited by it.", "docs/reference.md rules 6 and 8"),
		alone(history.AgentSession, "scopes/agent-session", "Requests that name one session of an agent are together admitted what a session is allowed, and no other session is limited by it.", "docs/reference.md rules 6 and 8"),
		{
			ID: "scopes/tightest", Level: Must, Layer: Enforcement,
			Sentence:   "Of the limits of a key and of its owner the smaller one holds, whichever it is.",
			Source:     "docs/reference.md rules 4 and 6",
			Tolerances: scopeTolerances(),
			judge:      judgeTightest,
		},
	}
}

func scopeTolerances() []Tolerance {
	return []Tolerance{{
		Value:  "what the target's requests on keys with limits of their own do not exclude for its class; where they were not asked, what any class allows",
		Reason: "two windows on the clock may meet within a burst, and a bucket refills",
	}}
}

// aspect says which half of being limited is judged.
type aspect int

const (
	keptAndUsable aspect = iota
	kept
	usable
)

// sharing are the attempts that count for one limit.
type sharing struct {
	// who is the owner in words.
	who      string
	limit    int64
	attempts []seen // in the order in which they were sent
}

// groups are the attempts of a scenario by the owner of this scope that they
// count for, where it has a limit of this kind.
func (v *view) groups(scope history.Scope, limitOf func(history.Limits) *int64) []sharing {
	var owners []history.Owner
	var groups []sharing
	for _, k := range v.keys {
		for _, o := range k.Owners {
			limit := limitOf(o.Limits)
			if o.Scope != scope || limit == nil {
				continue
			}
			at := slices.IndexFunc(owners, func(other history.Owner) bool { return sameOwner(o, other) })
			if at < 0 {
				at = len(owners)
				owners = append(owners, o)
				groups = append(groups, sharing{who: fmt.Sprintf("%s %s", strings.ReplaceAll(string(scope), "_", " "), o.Name), limit: *limit})
			}
			groups[at].attempts = append(groups[at].attempts, k.attempts...)
		}
	}
	for _, g := range groups {
		slices.SortStableFunc(g.attempts, func(a, b seen) int { return cmp.Or(cmp.Compare(a.Sent, b.Sent), cmp.Compare(a.ID, b.ID)) })
	}
	return groups
}

func sameOwner(a, b history.Owner) bool {
	return a.Scope == b.Scope && a.Of == b.Of && a.Name == b.Name
}

func requestLimit(l history.Limits) *int64 { return l.Requests }
func tokenLimit(l history.Limits) *int64   { return l.Tokens }

func (v *view) judgeScope(scope history.Scope, what aspect) finding {
	return v.judgeSharing(v.groups(scope, requestLimit), what)
}

// judgeTightest holds each key that has a limit, and an owner with one, to the
// smaller.
func judgeTightest(v *view) finding {
	var groups []sharing
	for _, k := range v.keys {
		for _, o := range k.Owners {
			if own, of := k.Limits.Requests, o.Limits.Requests; own != nil && of != nil {
				groups = append(groups, sharing{
					who:   fmt.Sprintf("%s (itself allowed %d, its %s %d)", k.Alias, *own, strings.ReplaceAll(string(o.Scope), "_", " "), *of),
					limit: min(*own, *of), attempts: k.attempts,
				})
			}
		}
	}
	return v.judgeSharing(groups, keptAndUsable)
}

func (v *view) judgeSharing(groups []sharing, what aspect) finding {
	var said []string
	var open *finding
	exceeded := false
	for _, g := range groups {
		f := v.judgeOneSharing(g, what)
		switch {
		case f.verdict == Fail:
			return f
		case f.verdict == Inconclusive && open == nil:
			open = &f
		}
		exceeded = exceeded || count(g.attempts, refused) > 0 && int64(len(g.attempts)) >= demandFactor*g.limit
		said = append(said, fmt.Sprintf("%d of %d admitted for %s with a limit of %d", count(g.attempts, admitted), len(g.attempts), g.who, g.limit))
	}
	switch {
	case open != nil:
		return *open
	case len(groups) == 0:
		return undecided("no key with such a limit was asked")
	case !exceeded:
		return undecided("nobody was asked for more than the limit and refused; " + strings.Join(said, "; "))
	}
	return passed(strings.Join(said, "; "))
}

func (v *view) judgeOneSharing(g sharing, what aspect) finding {
	if what != usable {
		if f, told := v.judgeSharedKept(g, 0, sharedRequests(v)); told {
			return f
		}
	}
	if what != kept {
		if f, told := v.judgeSharedUsable(g); told {
			return f
		}
	}
	switch {
	case count(g.attempts, unknown) > 0:
		return undecided(fmt.Sprintf("a request for %s was neither admitted nor refused: %s", g.who, firstTrouble(g.attempts)))
	case spread(g.attempts) > v.Run.Window/burstShare:
		return undecided(fmt.Sprintf("the requests for %s were sent over %s, more than a quarter of a window: the generator or the target is too slow", g.who, spread(g.attempts)))
	}
	return passed("")
}

// counting is how one kind is counted.
type counting struct {
	what string
	cost func(seen) int64
	// classes are those that the target can be, which the scenario of this
	// requirement tells; nil is any.
	classes []window.Class
	toldBy  string
}

func sharedRequests(v *view) counting {
	return counting{"requests", one, v.requestClasses(), asksForClass}
}

func sharedTokens(v *view) counting {
	return counting{"tokens", surelyUsed, v.classesOfTokens(), asksForTokenClass}
}

// judgeSharedKept judges whether more was admitted than the limit, and says
// whether that tells anything.
func (v *view) judgeSharedKept(g sharing, late int64, c counting) (finding, bool) {
	events := v.events(g.attempts, c.cost)
	found, doubt := v.kept(g.limit, late, events)
	var needs []string
	if found.Lawful && len(c.classes) > 0 {
		// What some class would allow may be none that the target can be.
		found, needs = v.keptByThese(c.classes, g.limit, late, events), []string{c.toldBy}
	}
	switch {
	case doubt:
		return undecided(fmt.Sprintf("%d %s too many were admitted for %s, unless its windows turn on whole seconds: too few turns were seen to tell", found.Excess, c.what, g.who)), true
	case !found.Lawful:
		return finding{
			verdict: Fail, message: fmt.Sprintf("%d %s more than the limit were admitted for %s", found.Excess, c.what, g.who),
			expected: fmt.Sprintf("at most %d %s per %s over all that counts for it, as a %s", g.limit+late, c.what, v.Run.Window, found.Class),
			observed: fmt.Sprintf("%d of %d requests admitted, on %d keys", count(g.attempts, admitted), len(g.attempts), keysOf(g.attempts)),
			attempts: found.IDs, needs: needs,
		}, true
	}
	return finding{}, false
}

// judgeSharedUsable judges whether a request was refused although there was
// room, and says whether that tells anything.
func (v *view) judgeSharedUsable(g sharing) (finding, bool) {
	rule := window.Rule{Limit: g.limit, Window: v.Run.Window}
	spent := v.spentRequests(g.attempts)
	if wrong := rule.FalseRefusals(spent, v.refusedAt(certain(g.attempts), one)); len(wrong) > 0 {
		return finding{
			verdict: Fail, message: fmt.Sprintf("%d requests for %s were refused although there was room by every way of counting", len(wrong), g.who),
			expected: fmt.Sprintf("a request is admitted while fewer than %d count, whatever is asked for others", g.limit),
			observed: fmt.Sprintf("%d of %d admitted; attempt %d was refused with room for %d", count(g.attempts, admitted), len(g.attempts), wrong[0].IDs[0], wrong[0].Excess),
			attempts: firstIDs(wrong),
		}, true
	}
	if wrong := rule.FalseRefusals(spent, v.refusedAt(g.attempts, one)); len(wrong) > 0 {
		return undecidedStatus(g.attempts, wrong[0].IDs[0]), true
	}
	return finding{}, false
}

func keysOf(attempts []seen) int {
	keys := map[string]bool{}
	for _, a := range attempts {
		keys[a.Key] = true
	}
	return len(keys)
}

func judgeTeamTokens(v *view) finding {
	groups := v.groups(history.Team, tokenLimit)
	var said []string
	for _, g := range groups {
		late := lateCharges(g.attempts)
		if f, told := v.judgeSharedKept(g, late, sharedTokens(v)); told {
			return f
		}
		switch {
		case count(g.attempts, unknown) > 0:
			return undecided(fmt.Sprintf("a request for %s was neither admitted nor refused: %s", g.who, firstTrouble(g.attempts)))
		case count(g.attempts, refused) == 0 || count(g.attempts, admitted) == 0:
			return undecided(fmt.Sprintf("of %d requests for %s %d were admitted: some are to be, and some are to be refused", len(g.attempts), g.who, count(g.attempts, admitted)))
		}
		said = append(said, fmt.Sprintf("%d of %d requests admitted on %d keys of %s", count(g.attempts, admitted), len(g.attempts), keysOf(g.attempts), g.who))
	}
	if len(said) == 0 {
		return undecided("no key of a team with a token limit was asked")
	}
	return passed(strings.Join(said, "; "))
}
