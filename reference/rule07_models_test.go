package reference_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

// askFor is ask for another model.
func askFor(model, nonce, fields string) string {
	return strings.Replace(ask(nonce, fields), `"model":"m"`, `"model":"`+model+`"`, 1)
}

var modelScopes = []string{
	reference.ScopeModelPerKey, reference.ScopeModelPerTeam, reference.ScopeModelPerProject, reference.ScopeModelPerOrganization,
}

// TestRule07OnlyTheModelThatWasAskedFor: names match exactly, and a request
// without a model has no such limit.
func TestRule07OnlyTheModelThatWasAskedFor(t *testing.T) {
	for _, scope := range modelScopes {
		play(t, newOwners().limit(scope, 0, -1, -1).setting(), func(s *stage) {
			s.wantRefused(scope, s.chat(ask("n", "")), scope, "requests")
			s.wantRefused(scope+", escaped", s.chat(askFor(`\u006d`, "n", "")), scope, "requests")
			for _, model := range []string{"M", "m ", "m2", "openai/m", ""} {
				if a := s.chat(askFor(model, "n", "")); a.status == http.StatusTooManyRequests {
					s.Errorf("%s: the model %q was refused: %s", scope, model, a.body)
				}
			}
			if a := s.chat(`{"messages":[]}`); a.status == http.StatusTooManyRequests {
				s.Errorf("%s: a request without a model was refused: %s", scope, a.body)
			}
		})
	}
}

// TestRule07EitherLimitSuffices: requests alone, tokens alone.
func TestRule07EitherLimitSuffices(t *testing.T) {
	for _, scope := range modelScopes {
		for _, kind := range []string{"requests", "tokens"} {
			play(t, newOwners().room(scope, kind, 1).setting(), func(s *stage) {
				s.script("n", history.Script{PromptTokens: 10, CompletionTokens: 90})
				a := s.chat(ask("n", `"max_tokens":90`))
				s.wantStatus(scope, a, 200)
				for _, other := range []string{"requests", "tokens"} {
					if told := remaining(a, scope, other) >= 0; told != (other == kind) {
						s.Errorf("%s of %s told: %v", other, scope, told)
					}
				}
				s.wantRefused(scope, s.chat(ask("n", `"max_tokens":90`)), scope, kind)
			})
		}
	}
}

// TestRule07ATeamsMapLimitsTheTeam: all its keys together, and each request
// once.
func TestRule07ATeamsMapLimitsTheTeam(t *testing.T) {
	o := newOwners().limit(reference.ScopeModelPerTeam, 4, -1, -1)
	c := o.setting()
	c.keys["sk-other"] = o.policy
	play(t, c, func(s *stage) {
		admitted := 0
		for i := range 8 {
			if s.send(t.Context(), "POST", "/v1/chat/completions", []string{testKey, "sk-other"}[i%2], ask("n", "")).status == 200 {
				admitted++
			}
		}
		if admitted != 4 {
			s.Errorf("%d requests of a team's 4 were admitted", admitted)
		}
	})
}

// TestRule07SettledOnTheClientsModelAfterAFallback: the model that stood in is
// not charged.
func TestRule07SettledOnTheClientsModelAfterAFallback(t *testing.T) {
	o := newOwners()
	o.policy.Key.Models = reference.ModelLimits{TPM: map[string]int64{"m": 1000, "spare": 1000}}
	c := o.setting()
	c.configure = func(p *reference.ProxyConfig) { p.Fallbacks = map[string][]string{"m": {"spare"}} }
	var models []string
	c.upstream = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		model := modelOf(r)
		models = append(models, model)
		if model == "m" {
			status(500, `{}`).ServeHTTP(w, r)
			return
		}
		status(200, `{"usage":{"prompt_tokens":10,"completion_tokens":5}}`).ServeHTTP(w, r)
	})
	play(t, c, func(s *stage) {
		a := s.chat(ask("n", `"max_tokens":90`))
		s.wantStatus("answer", a, 200)
		if got := strings.Join(models, " "); got != "m spare" {
			s.Errorf("the upstream was asked for %s", got)
		}
		if got := a.header.Get("x-litellm-model-group"); got != "m" {
			s.Errorf("the answer is told to be of %q", got)
		}
		for model, want := range map[string]int64{"m": 985 - 11, "spare": 1000 - 11} {
			if got := remaining(s.chat(askFor(model, "n", `"max_tokens":1`)), reference.ScopeModelPerKey, "tokens"); got != want {
				s.Errorf("%d tokens remain for %s, want %d", got, model, want)
			}
		}
	})
}
