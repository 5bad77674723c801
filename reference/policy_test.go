package reference_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/reference"
)

// TestRule03NegativeIsAnError, whosever limit it is, and the error names it.
func TestRule03NegativeIsAnError(t *testing.T) {
	for path, names := range map[string][]string{
		"/key/generate":     {"rpm_limit", "tpm_limit", "max_parallel_requests", "model_rpm_limit", "model_tpm_limit"},
		"/user/new":         {"rpm_limit", "tpm_limit", "max_parallel_requests"},
		"/team/new":         {"rpm_limit", "tpm_limit", "max_parallel_requests", "model_rpm_limit", "model_tpm_limit", "team_member_rpm_limit", "team_member_tpm_limit"},
		"/customer/new":     {"rpm_limit", "tpm_limit", "max_parallel_requests"},
		"/budget/new":       {"rpm_limit", "tpm_limit", "max_parallel_requests"},
		"/organization/new": {"rpm_limit", "tpm_limit", "max_parallel_requests", "model_rpm_limit", "model_tpm_limit"},
		"/project/new":      {"model_rpm_limit", "model_tpm_limit"},
		"/v1/agents":        {"rpm_limit", "tpm_limit", "max_parallel_requests", "session_rpm_limit", "session_tpm_limit"},
	} {
		for _, name := range names {
			limit, named := "-1", `"`+name+`"`
			if strings.HasPrefix(name, "model_") {
				limit, named = `{"m":-1}`, named+`,"m"`
			}
			body := `{"` + name + `":` + limit + `}`
			rec := newOffice(t).ask(adminKey, http.MethodPost, path, strings.NewReader(body))
			if told := rec.Body.String(); rec.Code != http.StatusUnprocessableEntity || !strings.Contains(told, named) || !strings.Contains(told, "-1 is no limit") {
				t.Errorf("POST %s %s is answered %d %s", path, body, rec.Code, told)
			}
		}
	}
}

// TestRule03NegativeThatWasNotValidatedPassesNothing: a Keys of somebody else's
// may have one, and it must not be taken for no limit.
func TestRule03NegativeThatWasNotValidatedPassesNothing(t *testing.T) {
	bad := int64(-1)
	play(t, setting{keys: keyring{testKey: reference.NewPolicy(&bad, nil, nil)}}, func(s *stage) {
		s.wantRefused("request", s.chat(ask("n", "")), reference.ScopeKey, "requests")
	})
}
