package reference_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

// moment is a point in the life of a counter, and what a request is told then.
type moment struct {
	name   string
	status int
	// remains is what is left after the request.
	remains int64
}

// moments are those of a limit with room for three requests that reserve
// reserved tokens and use used: three in flight and one more; one when they
// have settled; one that the upstream fails when the window has turned; and one
// that shows what came back.
func moments(kind string, reserved, used int64) []moment {
	const overLimit, settled, turned, refunded = "one over", "settled", "window turned", "refunded"
	switch kind {
	case "requests":
		return []moment{{overLimit, 429, 0}, {settled, 429, 0}, {turned, 500, 2}, {refunded, 200, 1}}
	case "tokens":
		return []moment{{overLimit, 429, 0}, {settled, 200, 2*reserved - 3*used}, {turned, 500, 2 * reserved}, {refunded, 200, 2 * reserved}}
	default:
		return []moment{{overLimit, 429, 0}, {settled, 200, 2}, {turned, 500, 2}, {refunded, 200, 2}}
	}
}

// roomForThree limits a scope to three requests of one kind.
func (o *owners) roomForThree(scope, kind string, reserved int64) *owners {
	limit := map[string]int64{"requests": -1, "tokens": -1, "max_parallel_requests": -1}
	limit[kind] = 3
	if kind == "tokens" {
		limit[kind] = 3 * reserved
	}
	return o.limit(scope, limit["requests"], limit["tokens"], limit["max_parallel_requests"])
}

// live sends what moments tells of and compares what every scope says. The
// first scope is the one that refuses.
func (s *stage) live(endpoint string, stream bool, kind string, scopes ...string) {
	s.Helper()
	reserved, used := int64(30), int64(7)
	if endpoint == history.Embeddings {
		reserved, used = 10, 4
	}
	s.script("slow", history.Script{PromptTokens: 4, CompletionTokens: 3, Latency: 2 * time.Second})
	s.script("fails", history.Script{Status: 500})
	s.script("works", history.Script{PromptTokens: 4, CompletionTokens: 3})
	send := func(nonce string) answer {
		return s.at(endpoint, `{"user":"e1","metadata":{"agent_id":"a1","session_id":"s1"},`+askAt(endpoint, nonce, stream)[1:])
	}
	want := moments(kind, reserved, used)
	check := func(m moment, a answer) {
		s.Helper()
		what := fmt.Sprintf("%s of %v at %s, stream %v, %s", kind, scopes, endpoint, stream, m.name)
		s.wantStatus(what, a, m.status)
		if m.status == 429 {
			s.wantRefused(what, a, scopes[0], kind)
		}
		for _, scope := range scopes {
			if got := remaining(a, scope, kind); got != m.remains {
				s.Errorf("%s: %d remain to %s, want %d", what, got, scope, m.remains)
			}
		}
	}
	s.together(4, func(i int) {
		if i < 3 {
			s.wantStatus("at the limit", send("slow"), 200)
			return
		}
		s.sleep(time.Second)
		check(want[0], send("works"))
	})
	check(want[1], send("works"))
	s.sleep(testWindow)
	check(want[2], send("fails"))
	check(want[3], send("works"))
}

// TestTableOfTheKey: each kind of limit at each endpoint, streamed or not, at
// each moment.
func TestTableOfTheKey(t *testing.T) {
	for _, kind := range kindsOf(reference.ScopeKey) {
		for _, endpoint := range history.Endpoints() {
			for _, stream := range []bool{false, true} {
				reserved := int64(30)
				if endpoint == history.Embeddings {
					reserved = 10
				}
				o := newOwners().roomForThree(reference.ScopeKey, kind, reserved)
				play(t, o.setting(), func(s *stage) { s.live(endpoint, stream, kind, reference.ScopeKey) })
			}
		}
	}
}

// TestTableOfAllScopesPairwise: each two scopes, at each moment, streamed or
// not: both count alike, and the first in the order of rule 6 is named.
func TestTableOfAllScopesPairwise(t *testing.T) {
	scopes := reference.Scopes()
	for i, first := range scopes {
		for _, second := range scopes[i+1:] {
			for _, kind := range kindsOf(first) {
				if !slices.Contains(kindsOf(second), kind) {
					continue
				}
				for _, stream := range []bool{false, true} {
					o := newOwners().roomForThree(first, kind, 30).roomForThree(second, kind, 30)
					play(t, o.setting(), func(s *stage) { s.live(history.Chat, stream, kind, first, second) })
				}
			}
		}
	}
}

// TestTableOfSlotsAcrossAWindow: what is in flight when a window turns is still
// in flight, in every scope that can say so.
func TestTableOfSlotsAcrossAWindow(t *testing.T) {
	for _, scope := range reference.Scopes() {
		if !hasSlots(scope) {
			continue
		}
		play(t, newOwners().limit(scope, 1000, -1, 2).setting(), func(s *stage) {
			s.script("slow", history.Script{Latency: testWindow + 3*time.Second})
			s.together(3, func(i int) {
				if i < 2 {
					s.wantStatus(scope, s.chat(asking("slow", "")), 200)
					return
				}
				for range 3 {
					s.sleep((testWindow + time.Second) / 3)
					s.wantRefused(scope, s.chat(asking("n", "")), scope, "max_parallel_requests")
				}
			})
		})
	}
}
