package reference_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

// TestRule17NeverFitsAnyScope: a limit of 0, or a request larger than a limit,
// in whatever scope.
func TestRule17NeverFitsAnyScope(t *testing.T) {
	for _, scope := range reference.Scopes() {
		for _, o := range []*owners{newOwners().limit(scope, 0, -1, -1), newOwners().limit(scope, -1, 99, -1), newOwners().limit(scope, -1, 0, -1)} {
			// The key itself is used up, and would only say when to come back.
			o.policy.Key.Hash = "k"
			bare := reference.Policy{Key: reference.Key{Hash: "k", Limits: limits(1, -1, -1)}}
			if scope != reference.ScopeKey {
				o.policy.Key.RPM = number(1)
			}
			c := o.setting()
			c.keys["sk-bare"] = bare
			play(t, c, func(s *stage) {
				s.wantStatus("the key's only request", s.send(t.Context(), "POST", "/v1/chat/completions", "sk-bare", ask("n", "")), 200)
				a := s.chat(asking("n", `"max_tokens":90`))
				s.wantStatus(scope, a, 429)
				if a.header.Get("x-should-retry") != "false" || a.header.Get("retry-after") != "" || a.header.Get("retry-after-ms") != "" {
					s.Errorf("%s: never fits, and yet x-should-retry %q, retry-after %q", scope, a.header.Get("x-should-retry"), a.header.Get("retry-after"))
				}
			})
		}
	}
}

// TestRule24TheFirstIsNamedAndTheLatestIsWaitedFor: two scopes refuse whose
// windows end at different times; who waits as told is admitted.
func TestRule24TheFirstIsNamedAndTheLatestIsWaitedFor(t *testing.T) {
	for _, first := range []string{reference.ScopeUser, reference.ScopeOrganization} {
		o := newOwners().limit(reference.ScopeUser, 2, -1, -1).limit(reference.ScopeOrganization, 2, -1, -1)
		c := o.setting()
		// A key of one of them alone opens that window first.
		alone := reference.Policy{User: o.policy.User}
		if first == reference.ScopeOrganization {
			alone = reference.Policy{Organization: o.policy.Organization}
		}
		c.keys["sk-alone"] = alone
		play(t, c, func(s *stage) {
			s.wantStatus("alone", s.send(t.Context(), "POST", "/v1/chat/completions", "sk-alone", ask("n", "")), 200)
			s.sleep(3 * time.Second)
			s.wantStatus("both", s.chat(ask("n", "")), 200)
			both := s.store.last().at
			s.wantRefused("one of them", s.chat(ask("n", "")), first, "requests")
			s.sleep(time.Second)
			o.policy.User.RPM, o.policy.Organization.RPM = number(1), number(1)
			a := s.chat(ask("n", ""))
			s.wantRefused("both", a, reference.ScopeUser, "requests")
			wait := both.Add(testWindow).Sub(s.store.lastAsked)
			if got, want := a.header.Get("retry-after-ms"), fmt.Sprint(int64((wait+time.Millisecond-1)/time.Millisecond)); got != want {
				s.Errorf("retry-after-ms %s, want the later of both, %s", got, want)
			}
			s.sleep(waitOf(s, a, "retry-after-ms"))
			s.wantStatus("after the wait", s.chat(ask("n", "")), 200)
		})
	}
}

// TestRule24OwnersAreHashed: nobody reads another's name, or what a client
// chose, in a refusal; on every endpoint, streams too.
func TestRule24OwnersAreHashed(t *testing.T) {
	values := map[string]string{
		reference.ScopeKey: "", reference.ScopeUser: "u1", reference.ScopeTeam: "t1", reference.ScopeTeamMember: "2:t1:u1",
		reference.ScopeEndUser: "e1", reference.ScopeModelPerTeam: "2:t1:m", reference.ScopeModelPerProject: "2:p1:m",
		reference.ScopeModelPerOrganization: "2:o1:m", reference.ScopeOrganization: "o1", reference.ScopeAgent: "a1",
		reference.ScopeAgentSession: "2:a1:s1", reference.ScopeModelPerKey: "64:" + keyHash(testKey) + ":m",
	}
	for _, scope := range reference.Scopes() {
		want := hashed(values[scope])
		if scope == reference.ScopeKey {
			want = keyHash(testKey)
		}
		for _, endpoint := range history.Endpoints() {
			for _, stream := range []bool{false, true} {
				play(t, newOwners().limit(scope, 0, -1, -1).setting(), func(s *stage) {
					body := `{"user":"e1","metadata":{"agent_id":"a1","session_id":"s1"},` + askAt(endpoint, "n", stream)[1:]
					a := s.at(endpoint, body)
					s.wantRefused(endpoint, a, scope, "requests")
					if !strings.Contains(a.body, "for "+scope+": "+want+". Limit type") {
						s.Errorf("%s at %s: %s", scope, endpoint, a.body)
					}
				})
			}
		}
	}
}

// TestRule25EveryLimitedScopeHasItsPairs, told alike on plain answers, streams
// and refusals of every endpoint; the unprefixed six are the key's own alone.
func TestRule25EveryLimitedScopeHasItsPairs(t *testing.T) {
	o, want := newOwners(), map[string]string{}
	for i, scope := range reference.Scopes() {
		requests, tokens, slots := int64(10+i), int64(1000+i), int64(20+i)
		if scope == reference.ScopeKey {
			continue
		}
		o.limit(scope, requests, tokens, slots)
		want[scope+"-limit-requests"], want[scope+"-remaining-requests"] = fmt.Sprint(requests), fmt.Sprint(requests-1)
		want[scope+"-limit-tokens"], want[scope+"-remaining-tokens"] = fmt.Sprint(tokens), fmt.Sprint(tokens-30)
		if hasSlots(scope) {
			want[scope+"-limit-max_parallel_requests"], want[scope+"-remaining-max_parallel_requests"] = fmt.Sprint(slots), fmt.Sprint(slots-1)
		}
	}
	for _, endpoint := range history.Endpoints() {
		if endpoint == history.Embeddings {
			continue // reserves another amount
		}
		for _, stream := range []bool{false, true} {
			play(t, o.setting(), func(s *stage) {
				a := s.at(endpoint, `{"user":"e1","metadata":{"agent_id":"a1","session_id":"s1"},`+askAt(endpoint, "n", stream)[1:])
				s.wantStatus(endpoint, a, 200)
				wantRates(t, fmt.Sprintf("%s, stream %v", endpoint, stream), a.header, want)
			})
		}
	}
}
