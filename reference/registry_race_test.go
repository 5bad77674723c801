package reference_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestRegistryAtOnce has many clients make, look up and delete keys at once. A
// key that was made is known until it is deleted, and a team that changes never
// shows a policy between two states.
func TestRegistryAtOnce(t *testing.T) {
	o := newOffice(t)
	o.call("/team/new", `{"team_id":"t","rpm_limit":1,"tpm_limit":1}`)
	send := func(path, body string) int {
		return o.ask(adminKey, http.MethodPost, path, strings.NewReader(body)).Code
	}
	const clients, rounds = 8, 50
	var all sync.WaitGroup
	for client := range clients {
		all.Go(func() {
			for round := range rounds {
				key := fmt.Sprintf("sk-%d-%d", client, round)
				if code := send("/key/generate", fmt.Sprintf(`{"key":%q,"key_alias":%q,"team_id":"t"}`, key, key)); code != http.StatusOK {
					t.Errorf("%s could not be made: %d", key, code)
				}
				n := client*rounds + round
				if code := send("/team/update", fmt.Sprintf(`{"team_id":"t","rpm_limit":%d,"tpm_limit":%d}`, n, n)); code != http.StatusOK {
					t.Errorf("the team could not be changed: %d", code)
				}
				if p, known := o.registry.Lookup(key); !known || *p.Team.RPM != *p.Team.TPM {
					t.Errorf("%s: %t, %+v", key, known, p.Team)
				}
				o.registry.Spent(keyHash(key), 1)
				if code := send("/key/delete", fmt.Sprintf(`{"key_aliases":[%q]}`, key)); code != http.StatusOK {
					t.Errorf("%s could not be deleted: %d", key, code)
				}
				if _, known := o.registry.Lookup(key); known {
					t.Errorf("%s outlives its deletion", key)
				}
			}
		})
	}
	all.Wait()
	if left := o.keys(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
