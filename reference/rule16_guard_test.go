package reference_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

func guarded(keys keyring) setting {
	return setting{keys: keys, configure: func(c *reference.ProxyConfig) { c.Deny = regexp.MustCompile(`(?i)secret\s+plan`) }}
}

// TestRule16GuardGivesTokensAndSlotBack, once, on every endpoint; the request
// stays charged and nothing goes upstream.
func TestRule16GuardGivesTokensAndSlotBack(t *testing.T) {
	for _, endpoint := range history.Endpoints() {
		for _, stream := range []bool{false, true} {
			play(t, guarded(oneKey(10, 1000, 1)), func(s *stage) {
				body := strings.Replace(askAt(endpoint, "n", stream), "   ", "the SECRET plan", 1)
				for range 3 {
					a := s.at(endpoint, body)
					s.wantStatus(endpoint, a, 400)
					if !strings.Contains(a.body, "guard") || !json.Valid([]byte(a.body)) {
						s.Errorf("%s: the refusal says %s", endpoint, a.body)
					}
					if got := remaining(a, reference.ScopeKey, "requests"); got < 0 {
						s.Errorf("%s: no rate headers", endpoint)
					}
				}
				s.wantLeft(endpoint, left{"7", "1000", "1"})
				if calls, _ := s.provider.Finished(0); len(calls) != 0 {
					s.Errorf("%s: %d calls went upstream", endpoint, len(calls))
				}
				s.wantStatus("after that", s.at(endpoint, askAt(endpoint, "n", stream)), 200)
			})
		}
	}
}

// TestRule16GuardReadsTheText as the model does: however it is escaped and
// wherever it stands; names of members are no text.
func TestRule16GuardReadsTheText(t *testing.T) {
	for body, want := range map[string]int{
		`{"messages":[{"role":"user","content":"a \u0073ecret\nplan"}]}`:                         400,
		`{"messages":[{"role":"user","content":[{"type":"text","text":"a secret plan"}]}]}`:      400,
		`{"messages":[],"tools":[{"function":{"description":"Secret  Plan"}}]}`:                  400,
		`{"messages":[{"role":"user","content":"a secret"},{"role":"user","content":"a plan"}]}`: 200,
		`{"messages":[],"secret plan":1}`:                                                        200,
	} {
		play(t, guarded(oneKey(10, 1000, 1)), func(s *stage) { s.wantStatus(body, s.chat(body), want) })
	}
}

// TestRule16GuardIsBehindTheLimiter: who is over the limit hears that.
func TestRule16GuardIsBehindTheLimiter(t *testing.T) {
	play(t, guarded(oneKey(1, -1, -1)), func(s *stage) {
		const body = `{"messages":[{"role":"user","content":"secret plan"}]}`
		s.wantStatus("first", s.chat(body), 400)
		s.wantStatus("second", s.chat(body), 429)
	})
}
