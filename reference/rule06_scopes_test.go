package reference_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

// kindsOf are the kinds that a scope can limit.
func kindsOf(scope string) []string {
	kinds := []string{"requests", "tokens"}
	if hasSlots(scope) {
		kinds = append(kinds, "max_parallel_requests")
	}
	return kinds
}

// room gives a scope room for n requests of asking with 90 tokens of output, by
// one kind alone.
func (o *owners) room(scope, kind string, n int64) *owners {
	switch kind {
	case "requests":
		return o.limit(scope, n, -1, -1)
	case "tokens":
		return o.limit(scope, -1, n*100, -1)
	default:
		return o.limit(scope, -1, -1, n)
	}
}

// inFlight sends n requests that stay in flight for a while and then calls
// meanwhile.
func (s *stage) inFlight(n int, body string, meanwhile func()) {
	s.together(n+1, func(i int) {
		if i < n {
			s.wantStatus("request in flight", s.chat(body), 200)
			return
		}
		s.sleep(time.Second)
		meanwhile()
	})
}

// TestRule06EveryScopeIsEnforcedAlone: the limit passes, one more does not, and
// names the scope; the prefixed pair is told, and nobody else's.
func TestRule06EveryScopeIsEnforcedAlone(t *testing.T) {
	for _, scope := range reference.Scopes() {
		for _, kind := range kindsOf(scope) {
			t.Run(scope+" "+kind, func(t *testing.T) {
				play(t, newOwners().room(scope, kind, 3).setting(), func(s *stage) {
					s.script("slow", history.Script{PromptTokens: 10, CompletionTokens: 90, Latency: 5e9})
					s.inFlight(3, asking("slow", `"max_tokens":90`), func() {
						a := s.chat(asking("n", `"max_tokens":90`))
						s.wantRefused("one more", a, scope, kind)
						for _, other := range reference.Scopes() {
							if got, told := remaining(a, other, kind), other == scope; (got == 0) != told {
								s.Errorf("%s of %s: %d remain", kind, other, got)
							}
						}
					})
				})
			})
		}
	}
}

// TestRule06ScopesPairwise: of each two scopes, whichever refuses is named, and
// the other is not charged; where both do, the first in the order of rule 6.
func TestRule06ScopesPairwise(t *testing.T) {
	scopes := reference.Scopes()
	for i, first := range scopes {
		for _, second := range scopes[i+1:] {
			for _, kind := range kindsOf(first) {
				if !slices.Contains(kindsOf(second), kind) {
					continue
				}
				for _, tt := range []struct {
					rooms [2]int64
					named string
				}{{[2]int64{1, 5}, first}, {[2]int64{5, 1}, second}, {[2]int64{1, 1}, first}} {
					what := fmt.Sprintf("%s of %d in %s and %d in %s", kind, tt.rooms[0], first, tt.rooms[1], second)
					o := newOwners().room(first, kind, tt.rooms[0]).room(second, kind, tt.rooms[1])
					play(t, o.setting(), func(s *stage) {
						s.script("slow", history.Script{PromptTokens: 10, CompletionTokens: 90, Latency: 5e9})
						s.inFlight(1, asking("slow", `"max_tokens":90`), func() {
							for range 2 {
								a := s.chat(asking("n", `"max_tokens":90`))
								s.wantRefused(what, a, tt.named, kind)
								unit := int64(1)
								if kind == "tokens" {
									unit = 100
								}
								for j, scope := range []string{first, second} {
									if got, want := remaining(a, scope, kind), (tt.rooms[j]-1)*unit; got != want {
										s.Errorf("%s: %d remain to %s after refusals, want %d", what, got, scope, want)
									}
								}
							}
						})
					})
				}
			}
		}
	}
}

// TestRule06OwnersThatLookAlike: values that a naive join would make equal have
// counters of their own.
func TestRule06OwnersThatLookAlike(t *testing.T) {
	member := func(team, user string) reference.Policy {
		return reference.Policy{
			User: &reference.User{ID: user}, Team: &reference.Team{ID: team},
			TeamMember: &reference.TeamMember{Limits: limits(1, -1, -1)},
		}
	}
	keys := keyring{"sk-1": member("a:b", "c"), "sk-2": member("a", "b:c"), "sk-3": member("1:a", "c"), "sk-4": member("a", "1:c")}
	play(t, setting{keys: keys}, func(s *stage) {
		for key := range keys {
			s.wantStatus(key, s.send(t.Context(), "POST", "/v1/chat/completions", key, ask("n", "")), 200)
			s.wantRefused(key, s.send(t.Context(), "POST", "/v1/chat/completions", key, ask("n", "")), "team_member", "requests")
		}
	})
}

// TestRule06OwnersAreShared: keys of one owner have one counter of it.
func TestRule06OwnersAreShared(t *testing.T) {
	for _, scope := range reference.Scopes() {
		if scope == reference.ScopeKey || scope == reference.ScopeModelPerKey {
			continue
		}
		t.Run(scope, func(t *testing.T) {
			o := newOwners().limit(scope, 3, -1, -1)
			c := o.setting()
			c.keys["sk-other"] = o.policy
			play(t, c, func(s *stage) {
				for i, key := range []string{testKey, "sk-other", testKey, "sk-other"} {
					a := s.send(t.Context(), "POST", "/v1/chat/completions", key, asking("n", ""))
					if want := []int{200, 200, 200, 429}[i]; a.status != want {
						s.Errorf("request %d: %d %s, want %d", i+1, a.status, a.body, want)
					}
				}
			})
		})
	}
}
