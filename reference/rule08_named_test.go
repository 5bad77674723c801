package reference_test

import (
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/reference"
)

// sessions gives the agent a1 sessions of one request each.
func sessions() *owners { return newOwners().limit(reference.ScopeAgentSession, 1, -1, -1) }

// TestRule08SessionIsTheFirstNonEmpty of three places. The first request takes
// the session's only one.
func TestRule08SessionIsTheFirstNonEmpty(t *testing.T) {
	const agent = `"agent_id":"a1"`
	tests := []struct {
		name, fields string
		session      string // empty for none
	}{
		{"litellm_session_id goes first", `"litellm_session_id":"s","metadata":{` + agent + `,"session_id":"x"},"litellm_metadata":{"session_id":"y"}`, "s"},
		{"then metadata", `"metadata":{` + agent + `,"session_id":"s"},"litellm_metadata":{"session_id":"y"}`, "s"},
		{"then litellm_metadata", `"metadata":{` + agent + `},"litellm_metadata":{"session_id":"s"}`, "s"},
		{"the empty are passed over", `"litellm_session_id":"","metadata":{` + agent + `,"session_id":""},"litellm_metadata":{"session_id":"s"}`, "s"},
		{"null is passed over", `"litellm_session_id":null,"metadata":{` + agent + `,"session_id":"s"}`, "s"},
		{"a number is an id", `"metadata":{` + agent + `,"session_id":17}`, "17"},
		{"none", `"metadata":{` + agent + `}`, ""},
		{"another member", `"metadata":{` + agent + `,"trace_id":"s"},"trace_id":"s","session_id":"s"`, ""},
		{"metadata is no object", `"metadata":"s","litellm_metadata":["s"]`, ""},
	}
	for _, tt := range tests {
		play(t, sessions().setting(), func(s *stage) {
			if tt.session != "" {
				s.wantStatus("first of the session", s.chat(ask("", `"litellm_session_id":"`+tt.session+`","metadata":{`+agent+`}`)), 200)
			}
			a := s.chat(ask("", tt.fields))
			if tt.session == "" {
				s.wantStatus(tt.name, a, 200)
				if remaining(a, reference.ScopeAgentSession, "requests") >= 0 {
					s.Errorf("%s: a session is limited: %v", tt.name, rates(a.header))
				}
				return
			}
			s.wantRefused(tt.name, a, reference.ScopeAgentSession, "requests")
		})
	}
}

// TestRule08SessionsOfTwoAgentsAreApart, also where a naive join is not.
func TestRule08SessionsOfTwoAgentsAreApart(t *testing.T) {
	o := newOwners()
	for _, id := range []string{"a", "a:b", "1:a"} {
		o.directory.agents[id] = reference.Agent{Session: limits(1, -1, -1)}
	}
	play(t, o.setting(), func(s *stage) {
		for _, pair := range [][2]string{{"a", "b:c"}, {"a:b", "c"}, {"1:a", "b:c"}, {"a", "c"}} {
			s.wantStatus(strings.Join(pair[:], " "), s.chat(ask("", `"metadata":{"agent_id":"`+pair[0]+`","session_id":"`+pair[1]+`"}`)), 200)
		}
	})
}

// TestRule08TheKeysAgentGoesFirst: a client leaves neither its key's agent nor
// the end user's limit by naming another.
func TestRule08TheKeysAgentGoesFirst(t *testing.T) {
	o := newOwners().limit(reference.ScopeAgent, 1, -1, -1)
	o.policy.Key.Agent = "a1"
	o.directory.agents["rich"] = reference.Agent{Limits: limits(1000, -1, -1)}
	play(t, o.setting(), func(s *stage) {
		s.wantStatus("first", s.chat(ask("", `"metadata":{"agent_id":"rich"}`)), 200)
		s.wantRefused("second", s.chat(ask("", `"metadata":{"agent_id":"rich"}`)), reference.ScopeAgent, "requests")
		s.wantRefused("unknown agent", s.chat(ask("", `"metadata":{"agent_id":"nobody"}`)), reference.ScopeAgent, "requests")
	})
}

// TestRule08WhatAClientNamesOnlyAddsALimit: the key's own limits hold whatever
// it names, and whom nobody knows has none.
func TestRule08WhatAClientNamesOnlyAddsALimit(t *testing.T) {
	for _, fields := range []string{
		``, `"user":"e1"`, `"user":"stranger"`, `"user":{"id":"e1"}`, `"user":null`,
		`"metadata":{"agent_id":"a1","session_id":"s"}`, `"metadata":{"agent_id":"nobody"}`,
	} {
		o := newOwners().limit(reference.ScopeKey, 1, -1, -1)
		o.directory.endUsers["e1"] = reference.EndUser{Limits: limits(1000, -1, -1)}
		o.directory.agents["a1"] = reference.Agent{Limits: limits(1000, -1, -1), Session: limits(1000, -1, -1)}
		play(t, o.setting(), func(s *stage) {
			s.wantStatus(fields, s.chat(ask("", fields)), 200)
			s.wantRefused(fields, s.chat(ask("", fields)), reference.ScopeKey, "requests")
		})
	}
}

// TestRule08EndUserIsTheBodysUser, on every endpoint, and each has a counter of
// its own.
func TestRule08EndUserIsTheBodysUser(t *testing.T) {
	o := newOwners().limit(reference.ScopeEndUser, 1, -1, -1)
	o.directory.endUsers["e2"] = o.directory.endUsers["e1"]
	play(t, o.setting(), func(s *stage) {
		s.wantStatus("e1", s.chat(ask("", `"user":"e1"`)), 200)
		s.wantStatus("e2", s.chat(ask("", `"user":"e2"`)), 200)
		s.wantStatus("nobody", s.chat(ask("", ``)), 200)
		for _, user := range []string{`"e1"`, `"\u00651"`} {
			s.wantRefused(user, s.chat(ask("", `"user":`+user)), reference.ScopeEndUser, "requests")
		}
	})
}

// TestRule08LongIdsAreNotKept as they are: a client chooses them, and they name
// counters. The stage's store looks at the names.
func TestRule08LongIdsAreNotKept(t *testing.T) {
	long := strings.Repeat("s", 100_000)
	play(t, sessions().setting(), func(s *stage) {
		body := func(id string) string { return ask("", `"metadata":{"agent_id":"a1","session_id":"`+id+`"}`) }
		s.wantStatus("first", s.chat(body(long)), 200)
		s.wantStatus("another", s.chat(body(long+"t")), 200)
		s.wantRefused("second", s.chat(body(long)), reference.ScopeAgentSession, "requests")
	})
}
