package reference_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// oracleKey is a key as simply as it can be thought of.
type oracleKey struct {
	bearer, alias, team string
	rpm                 int64 // -1 is no limit
	expires             time.Time
	blocked             bool
}

// deskRun drives a registry and a list of keys through the same calls.
type deskRun struct {
	*office
	keys  []oracleKey
	teams map[string]int64
}

func (run *deskRun) find(fits func(oracleKey) bool) int {
	return slices.IndexFunc(run.keys, func(k oracleKey) bool {
		return fits(k) && (k.expires.IsZero() || run.clock.now.Before(k.expires))
	})
}

// send wants a status of a call.
func (run *deskRun) send(t *rapid.T, path, body string, want int) string {
	rec := run.ask(adminKey, http.MethodPost, path, strings.NewReader(body))
	if rec.Code != want {
		t.Fatalf("%s %s was answered %d %s; want %d", path, body, rec.Code, rec.Body, want)
	}
	return rec.Body.String()
}

// drawFields draws what a key is made or changed with, and does so to k.
func (run *deskRun) drawFields(t *rapid.T, k *oracleKey) (fields string, status int) {
	var list []string
	if rapid.Bool().Draw(t, "with an alias") {
		k.alias = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "alias")
		list = append(list, fmt.Sprintf(`"key_alias":%q`, k.alias))
	}
	if rapid.Bool().Draw(t, "with a team") {
		k.team = rapid.SampledFrom([]string{"t", "s"}).Draw(t, "team")
		list = append(list, fmt.Sprintf(`"team_id":%q`, k.team))
	}
	if rapid.Bool().Draw(t, "with a limit") {
		k.rpm = rapid.Int64Range(-1, 3).Draw(t, "rpm")
		list = append(list, `"rpm_limit":`+strings.Replace(fmt.Sprint(k.rpm), "-1", "null", 1))
	}
	if rapid.Bool().Draw(t, "with a duration") {
		seconds := rapid.IntRange(1, 20).Draw(t, "seconds")
		k.expires = run.clock.now.Add(time.Duration(seconds) * time.Second)
		list = append(list, fmt.Sprintf(`"duration":"%ds"`, seconds))
	}
	status = http.StatusOK
	if _, known := run.teams[k.team]; k.team != "" && !known {
		status = http.StatusNotFound
	} else if run.find(func(o oracleKey) bool { return k.alias != "" && o.alias == k.alias && o.bearer != k.bearer }) >= 0 {
		status = http.StatusBadRequest
	}
	return strings.Join(list, ","), status
}

func (run *deskRun) generate(t *rapid.T) {
	k := oracleKey{bearer: fmt.Sprintf("sk-%d", rapid.IntRange(0, 4).Draw(t, "key")), rpm: -1}
	fields, status := run.drawFields(t, &k)
	if run.find(func(o oracleKey) bool { return o.bearer == k.bearer }) >= 0 {
		status = http.StatusBadRequest
	}
	body := fmt.Sprintf(`{"key":%q`, k.bearer)
	if fields != "" {
		body += "," + fields
	}
	if run.send(t, "/key/generate", body+"}", status); status == http.StatusOK {
		run.keys = append(slices.DeleteFunc(run.keys, func(o oracleKey) bool { return o.bearer == k.bearer }), k)
	}
}

// drawKey draws a key to be changed: by itself or by its hash, alive or not.
func (run *deskRun) drawKey(t *rapid.T) (name string, at int) {
	bearer := fmt.Sprintf("sk-%d", rapid.IntRange(0, 4).Draw(t, "key"))
	at = run.find(func(o oracleKey) bool { return o.bearer == bearer })
	if rapid.Bool().Draw(t, "by its hash") {
		return keyHash(bearer), at
	}
	return bearer, at
}

func (run *deskRun) update(t *rapid.T) {
	name, at := run.drawKey(t)
	if at < 0 {
		run.send(t, "/key/update", fmt.Sprintf(`{"key":%q}`, name), http.StatusNotFound)
		return
	}
	k := run.keys[at]
	fields, status := run.drawFields(t, &k)
	body := fmt.Sprintf(`{"key":%q`, name)
	if fields != "" {
		body += "," + fields
	}
	if run.send(t, "/key/update", body+"}", status); status == http.StatusOK {
		run.keys[at] = k
	}
}

func (run *deskRun) block(t *rapid.T) {
	name, at := run.drawKey(t)
	blocked := rapid.Bool().Draw(t, "block")
	path, status := "/key/unblock", http.StatusNotFound
	if blocked {
		path = "/key/block"
	}
	if at >= 0 {
		status, run.keys[at].blocked = http.StatusOK, blocked
	}
	run.send(t, path, fmt.Sprintf(`{"key":%q}`, name), status)
}

func (run *deskRun) remove(t *rapid.T) {
	if rapid.Bool().Draw(t, "by alias") {
		alias := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "alias")
		run.removeAt(t, fmt.Sprintf(`{"key_aliases":[%q]}`, alias), run.find(func(o oracleKey) bool { return o.alias == alias }))
		return
	}
	name, at := run.drawKey(t)
	run.removeAt(t, fmt.Sprintf(`{"keys":[%q]}`, name), at)
}

func (run *deskRun) removeAt(t *rapid.T, body string, at int) {
	if at < 0 {
		run.send(t, "/key/delete", body, http.StatusNotFound)
		return
	}
	run.send(t, "/key/delete", body, http.StatusOK)
	run.keys = slices.Delete(run.keys, at, at+1)
}

func (run *deskRun) team(t *rapid.T) {
	id := rapid.SampledFrom([]string{"t", "s"}).Draw(t, "team")
	rpm := rapid.Int64Range(0, 3).Draw(t, "rpm")
	_, known := run.teams[id]
	path, status := "/team/new", http.StatusOK
	switch rapid.SampledFrom([]string{"new", "update", "delete"}).Draw(t, "what") {
	case "new":
		if known {
			status = http.StatusBadRequest
		}
	case "update":
		if path = "/team/update"; !known {
			status = http.StatusNotFound
		}
	default:
		if !known {
			status = http.StatusNotFound
		}
		run.send(t, "/team/delete", fmt.Sprintf(`{"team_ids":[%q]}`, id), status)
		delete(run.teams, id)
		run.keys = slices.DeleteFunc(run.keys, func(o oracleKey) bool { return o.team == id })
		return
	}
	if run.send(t, path, fmt.Sprintf(`{"team_id":%q,"rpm_limit":%d}`, id, rpm), status); status == http.StatusOK {
		run.teams[id] = rpm
	}
}

// check looks every key up, and lists them.
func (run *deskRun) check(t *rapid.T) {
	var want []any
	for _, k := range run.keys {
		if k.expires.IsZero() || run.clock.now.Before(k.expires) {
			want = append(want, keyHash(k.bearer))
		}
	}
	if got := run.office.keys(); !slices.Equal(got, want) {
		t.Fatalf("listed are %v, want %v", got, want)
	}
	for i := range 5 {
		bearer := fmt.Sprintf("sk-%d", i)
		p, known := run.registry.Lookup(bearer)
		at := run.find(func(o oracleKey) bool { return o.bearer == bearer })
		if known != (at >= 0) {
			t.Fatalf("%s is known: %t", bearer, known)
		}
		if !known {
			continue
		}
		k := run.keys[at]
		rpm := int64(-1)
		if p.Key.RPM != nil {
			rpm = *p.Key.RPM
		}
		if rpm != k.rpm || p.Key.Blocked != k.blocked || (p.Team != nil) != (k.team != "") || p.Team != nil && *p.Team.RPM != run.teams[k.team] {
			t.Fatalf("%s has the policy %+v (team %+v), want %+v of teams %v", bearer, p, p.Team, k, run.teams)
		}
	}
}

// TestRegistryIsAListOfKeys is a law: whatever calls come in whatever order, the
// registry knows the keys that a simple list knows, with the same limits.
func TestRegistryIsAListOfKeys(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		run := &deskRun{office: newOffice(t), teams: map[string]int64{}}
		rt.Repeat(map[string]func(*rapid.T){
			"generate": run.generate, "update": run.update, "block": run.block, "delete": run.remove, "team": run.team,
			"wait": func(t *rapid.T) {
				run.clock.now = run.clock.now.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "seconds")) * time.Second)
			},
			"": run.check,
		})
	})
}
