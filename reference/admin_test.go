package reference_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
)

// TestRefusedManagementCalls sends what is wrong. Each error is JSON in
// LiteLLM's shape that names what is wrong, and changes nothing.
func TestRefusedManagementCalls(t *testing.T) {
	long := strings.Repeat("x", 300)
	huge := `{"metadata":{"a":"` + strings.Repeat("x", reference.MaxAdminBody) + `"}}`
	deep := strings.Repeat(`{"metadata":`, 20000) + "1" + strings.Repeat("}", 20000)
	for name, c := range map[string]struct {
		call   string // METHOD path body
		bearer string
		status int
		says   string
	}{
		"no key":                    {"POST /key/generate {}", "-", 401, "no admin key"},
		"nobody's key":              {"POST /key/generate {}", "sk-wrong", 401, "no such key"},
		"a key for models":          {"POST /key/generate {}", "sk-known", 403, "may not manage keys"},
		"a blocked key":             {"GET /key/info ", "sk-blocked", 403, "may not manage"},
		"another store's key":       {"GET /key/info ", "sk-elsewhere", 403, "may not manage"},
		"the admin key's beginning": {"POST /key/generate {}", "sk-admin-", 401, "no such key"},
		"an expired key":            {"GET /key/info ", "sk-expired", 401, "expired"},
		"another's info":            {"GET /key/info?key=sk-blocked ", "sk-known", 403, "itself alone"},
		"a wrong method":            {"GET /key/generate ", "", 405, "send POST to /key/generate, not GET"},
		"not JSON":                  {"POST /key/generate nonsense", "", 422, "at byte 2"},
		"half of it":                {`POST /key/generate {"rpm_limit":`, "", 422, "unexpected end"},
		"an array":                  {"POST /key/generate []", "", 422, "no JSON object"},
		"null":                      {"POST /key/generate null", "", 422, "no JSON object"},
		"two objects":               {"POST /key/generate {} {}", "", 422, "after top-level value"},
		"binary":                    {"POST /key/generate \x00\xff\xfe", "", 422, "invalid character"},
		"a huge body":               {"POST /key/generate " + huge, "", 413, "larger than 1048576 bytes"},
		"a deep body":               {"POST /key/generate " + deep, "", 422, "exceeded max depth"},
		"a negative limit":          {`POST /key/generate {"rpm_limit":-1}`, "", 422, "-1 is no limit"},
		"a fraction":                {`POST /key/generate {"tpm_limit":1.5}`, "", 422, "1.5 is no limit"},
		"a text for a limit":        {`POST /key/generate {"max_parallel_requests":"3"}`, "", 422, `is no limit`},
		"a limit too large":         {`POST /key/generate {"rpm_limit":9223372036854775808}`, "", 422, "is no limit"},
		"a limit of true":           {`POST /key/generate {"rpm_limit":true}`, "", 422, "true is no limit"},
		"a list for models":         {`POST /key/generate {"model_rpm_limit":[]}`, "", 422, "an object of models"},
		"a model's negative limit":  {`POST /key/generate {"model_rpm_limit":{"m":-2}}`, "", 422, `"model_rpm_limit","m"`},
		"in the metadata":           {`POST /key/generate {"metadata":{"model_tpm_limit":{"m":"x"}}}`, "", 422, `"metadata","model_tpm_limit","m"`},
		"a model without a name":    {`POST /key/generate {"model_rpm_limit":{"":1}}`, "", 422, "it is empty"},
		"a metadata text":           {`POST /key/generate {"metadata":"x"}`, "", 422, "send an object"},
		"a limit type":              {`POST /key/generate {"rpm_limit_type":"sometimes"}`, "", 422, "guaranteed_throughput"},
		"a long alias":              {`POST /key/generate {"key_alias":"` + long + `"}`, "", 422, "longer than 256"},
		"a control character":       {`POST /key/generate {"key_alias":"a\u0000b"}`, "", 422, "cannot be printed"},
		"a number for an alias":     {`POST /key/generate {"key_alias":7}`, "", 422, "send a string"},
		"a duration of nothing":     {`POST /key/generate {"duration":"0s"}`, "", 422, "no duration"},
		"an empty duration":         {`POST /key/generate {"duration":""}`, "", 422, "as 30m"},
		"a negative duration":       {`POST /key/generate {"duration":"-5m"}`, "", 422, "no duration"},
		"an endless duration":       {`POST /key/generate {"duration":"4294967295w"}`, "", 422, "100 years"},
		"two durations":             {`POST /key/generate {"duration":"1h30m"}`, "", 422, "no duration"},
		"a duration without unit":   {`POST /key/generate {"duration":"30"}`, "", 422, "no duration"},
		"a budget of money":         {`POST /key/generate {"max_budget":1}`, "", 422, "does not enforce it"},
		"a key of another shape":    {`POST /key/generate {"key":"pk-1"}`, "", 422, "begins with sk-"},
		"a key with a blank":        {`POST /key/generate {"key":"sk-a b"}`, "", 422, "without blanks"},
		"the admin key":             {`POST /key/generate {"key":"` + adminKey + `"}`, "", 400, "exists already"},
		"a key that exists":         {`POST /key/generate {"key":"sk-known"}`, "", 400, "exists already"},
		"a key known elsewhere":     {`POST /key/generate {"key":"sk-elsewhere"}`, "", 400, "exists already"},
		"an alias that exists":      {`POST /key/generate {"key_alias":"known"}`, "", 400, `the alias \"known\" exists`},
		"no such team":              {`POST /key/generate {"team_id":"none"}`, "", 404, `no team has the id \"none\"`},
		"no such organization":      {`POST /key/generate {"organization_id":"none"}`, "", 404, "no organization"},
		"no such project":           {`POST /key/generate {"project_id":"none"}`, "", 404, "no project"},
		"no such agent":             {`POST /key/generate {"agent_id":"none"}`, "", 404, "no agent"},
		"no such budget":            {`POST /key/generate {"budget_id":"none"}`, "", 404, "no budget"},
		"an update of nobody":       {`POST /key/update {"key":"sk-none"}`, "", 404, "no such key"},
		"an update of an expired":   {`POST /key/update {"key":"sk-expired","duration":"1h"}`, "", 404, "expired"},
		"an update without a key":   {`POST /key/update {}`, "", 422, "send the key"},
		"an update, wrong in part":  {`POST /key/update {"key":"sk-known","rpm_limit":9,"tpm_limit":-9}`, "", 422, "tpm_limit"},
		"an update to an alias":     {`POST /key/update {"key":"sk-blocked","key_alias":"known"}`, "", 400, "exists"},
		"a block of nobody":         {`POST /key/block {"key":"sk-none"}`, "", 404, "no such key"},
		"a deletion of nothing":     {`POST /key/delete {}`, "", 422, "send keys or key_aliases"},
		"a deletion of nobody":      {`POST /key/delete {"keys":["sk-known","sk-none"]}`, "", 404, "none was deleted"},
		"a deletion of an alias":    {`POST /key/delete {"key_aliases":["known","none"]}`, "", 404, `no key has the alias \"none\"`},
		"a deletion of a text":      {`POST /key/delete {"keys":"sk-known"}`, "", 422, "a list of strings"},
		"info of nobody":            {"GET /key/info?key=sk-none ", "", 404, "no such key"},
		"info of none":              {"GET /key/info ", "", 422, "?key=KEY"},
		"page 0":                    {"GET /key/list?page=0 ", "", 422, `"query","page"`},
		"a page of 1000":            {"GET /key/list?size=1000 ", "", 422, "from 1 to 100"},
		"page x":                    {"GET /key/list?page=x ", "", 422, "send an integer"},
		"a team that exists":        {`POST /team/new {"team_id":"t"}`, "", 400, `a team with the id \"t\" exists`},
		"a team's models":           {`POST /team/new {"models":["m"]}`, "", 422, "set the models of its keys"},
		"a team of nobody's":        {`POST /team/new {"organization_id":"none"}`, "", 404, "no organization"},
		"no such team to change":    {`POST /team/update {"team_id":"none"}`, "", 404, "no team"},
		"a team without an id":      {`POST /team/update {}`, "", 422, "the id of the team"},
		"a member of no team":       {`POST /team/member_add {"team_id":"none","member":{"user_id":"u"}}`, "", 404, "no team"},
		"no member":                 {`POST /team/member_add {"team_id":"t"}`, "", 422, "user_id and role"},
		"a member without a user":   {`POST /team/member_add {"team_id":"t","member":{"role":"user"}}`, "", 422, "a user_id: it is empty"},
		"a member's role":           {`POST /team/member_add {"team_id":"t","member":{"user_id":"u","role":"king"}}`, "", 422, "user or admin"},
		"a member's budget":         {`POST /team/member_add {"team_id":"t","member":{"user_id":"u"},"max_budget_in_team":5}`, "", 422, "does not enforce it"},
		"a user's model limits":     {`POST /user/new {"model_rpm_limit":{"m":1}}`, "", 422, "keys, teams, projects and organizations alone"},
		"a user blocked":            {`POST /user/new {"blocked":true}`, "", 422, "block its keys"},
		"a customer without an id":  {`POST /customer/new {"rpm_limit":1}`, "", 422, "requests carry as their user"},
		"a customer's budget":       {`POST /customer/new {"user_id":"e","budget_id":"none"}`, "", 404, "no budget"},
		"a project's limit":         {`POST /project/new {"rpm_limit":1}`, "", 422, "limits for models alone"},
		"an agent without a name":   {`POST /v1/agents {}`, "", 422, "send a name"},
		"an agent's name again":     {`POST /v1/agents {"agent_name":"a"}`, "", 400, `the name \"a\" exists`},
		"no such agent to delete":   {`DELETE /v1/agents/none `, "", 404, "no agent"},
		"no such agent to change":   {`PATCH /v1/agents/none {}`, "", 404, "no agent"},
		"a budget in use":           {`POST /budget/delete {"id":"b"}`, "", 400, "would lose their limits"},
		"a budget unknown":          {`POST /budget/delete {"id":"none"}`, "", 404, "no budget"},
		"a deletion of no teams":    {`POST /team/delete {"team_ids":[]}`, "", 422, "name whom to delete"},
		"a deletion of two teams":   {`POST /team/delete {"team_ids":["t","none"]}`, "", 404, "no team"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.call("/budget/new", `{"budget_id":"b","rpm_limit":4}`)
			o.call("/team/new", `{"team_id":"t"}`)
			o.call("/v1/agents", `{"agent_name":"a"}`)
			o.key(`{"key":"sk-known","key_alias":"known","rpm_limit":5,"budget_id":"b"}`)
			o.key(`{"key":"sk-expired","key_alias":"gone","duration":"5s"}`)
			o.key(`{"key":"sk-blocked","blocked":true}`)
			o.clock.now = o.clock.now.Add(5 * time.Second)
			before := o.keys()

			method, rest, _ := strings.Cut(c.call, " ")
			path, body, _ := strings.Cut(rest, " ")
			bearer := c.bearer
			switch bearer {
			case "":
				bearer = adminKey
			case "-":
				bearer = ""
			}
			rec := o.ask(bearer, method, path, strings.NewReader(body))
			if rec.Code != c.status || !strings.Contains(rec.Body.String(), c.says) {
				t.Fatalf("answered %d %.500s; want %d and %q", rec.Code, rec.Body, c.status, c.says)
			}
			var told struct {
				Error *struct {
					Message, Type, Code string
				}
				Detail []struct {
					Type, Msg string
					Loc       []string
				}
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &told); err != nil {
				t.Fatal(err)
			}
			if c.status == http.StatusUnprocessableEntity {
				if len(told.Detail) == 0 || told.Detail[0].Msg == "" || len(told.Detail[0].Loc) == 0 {
					t.Errorf("not FastAPI's shape: %s", rec.Body)
				}
			} else if told.Error == nil || told.Error.Code != fmt.Sprint(c.status) || told.Error.Type == "" {
				t.Errorf("not LiteLLM's shape: %s", rec.Body)
			}
			if diff := cmp.Diff(before, o.keys()); diff != "" {
				t.Errorf("the keys changed:\n%s", diff)
			}
			if p, known := o.registry.Lookup("sk-known"); !known || *p.Key.RPM != 5 || p.Key.TPM != nil {
				t.Errorf("the key changed to %+v", p)
			}
		})
	}
}

// TestKeyLife follows a key from its making to its end.
func TestKeyLife(t *testing.T) {
	o := newOffice(t)
	made := o.call("/key/generate", `{"key_alias":"ratecheck-1","duration":"30m","rpm_limit":10,"tpm_limit":0,"max_parallel_requests":3,
		"model_rpm_limit":{"m":4},"models":["m"],"metadata":{"model_tpm_limit":{"m":7},"rpm_limit_type":"dynamic","mine":[1]}}`)
	key, _ := made["key"].(string)
	if !strings.HasPrefix(key, "sk-") || len(key) != 25 {
		t.Fatalf("made %q", key)
	}
	if made["token"] != keyHash(key) || made["token_id"] != keyHash(key) || made["key_name"] != "sk-..."+key[21:] || made["expires"] != "2026-03-04T05:36:07Z" {
		t.Errorf("made %v", made)
	}
	if diff := cmp.Diff(map[string]any{"model_rpm_limit": map[string]any{"m": 4.0}, "model_tpm_limit": map[string]any{"m": 7.0}, "rpm_limit_type": "dynamic", "mine": []any{1.0}}, made["metadata"]); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	p, known := o.registry.Lookup(key)
	if !known || *p.Key.RPM != 10 || *p.Key.TPM != 0 || *p.Key.MaxParallel != 3 || p.Key.Models.RPM["m"] != 4 || p.Key.Models.TPM["m"] != 7 ||
		p.Key.RPMType != reference.Dynamic || p.Key.Hash != keyHash(key) || !slices.Equal(p.Key.AllowedModels, []string{"m"}) {
		t.Errorf("looked up %+v", p)
	}
	for _, name := range []string{key, keyHash(key)} {
		info, _ := o.call("/key/info?key="+name, "")["info"].(map[string]any)
		if info["rpm_limit"] != 10.0 || info["tpm_limit"] != 0.0 || info["key_alias"] != "ratecheck-1" || info["key"] != nil {
			t.Errorf("info of %.8s: %v", name, info)
		}
	}
	if rec := o.ask(key, http.MethodGet, "/key/info", nil); rec.Code != http.StatusOK || strings.Contains(rec.Body.String(), key) {
		t.Errorf("its own info: %d %s", rec.Code, rec.Body)
	}

	o.call("/key/update", `{"key":"`+key+`","rpm_limit":null,"tpm_limit":8,"metadata":{"other":1}}`)
	if p, _ := o.registry.Lookup(key); p.Key.RPM != nil || *p.Key.TPM != 8 || *p.Key.MaxParallel != 3 || p.Key.Models.RPM["m"] != 4 || p.Key.RPMType != reference.Dynamic {
		t.Errorf("after an update: %+v", p)
	}
	o.call("/key/block", `{"key":"`+keyHash(key)+`"}`)
	if p, known := o.registry.Lookup(key); !known || !p.Key.Blocked {
		t.Errorf("after a block: %+v", p)
	}
	o.call("/key/unblock", `{"key":"`+key+`"}`)
	if p, _ := o.registry.Lookup(key); p.Key.Blocked {
		t.Error("still blocked")
	}
	o.clock.now = officeOpens.Add(30*time.Minute - 1)
	if _, known := o.registry.Lookup(key); !known {
		t.Error("gone before its time")
	}
	o.clock.now = officeOpens.Add(30 * time.Minute)
	if _, known := o.registry.Lookup(key); known || len(o.keys()) != 0 {
		t.Error("it outlives its duration")
	}
	again := o.key(`{"key_alias":"ratecheck-1","duration":"1s"}`) // the alias is free again
	o.call("/key/update", `{"key":"`+again+`","duration":"-1"}`)
	o.clock.now = o.clock.now.Add(1000 * time.Hour)
	o.call("/key/delete", `{"key_aliases":["ratecheck-1"]}`)
	if _, known := o.registry.Lookup(again); known || len(o.keys()) != 0 {
		t.Error("it outlives its deletion")
	}
}

// TestListsAreStable pages through keys, while keys come and go.
func TestListsAreStable(t *testing.T) {
	o := newOffice(t)
	var want []string
	for i := range 25 {
		want = append(want, keyHash(o.key(fmt.Sprintf(`{"key_alias":"a%d","user_id":"u%d"}`, i, i%2))))
	}
	page := func(query string) []string {
		var got []string
		list, _ := o.call("/key/list?"+query, "")["keys"].([]any)
		for _, hash := range list {
			got = append(got, fmt.Sprint(hash))
		}
		return got
	}
	if got := slices.Concat(page("page=1"), page("page=2"), page("page=3")); !slices.Equal(got, want) {
		t.Errorf("three pages: %v", got)
	}
	if got := page("page=4"); len(got) != 0 {
		t.Errorf("behind the last page: %v", got)
	}
	o.call("/key/update", `{"key":"`+want[3]+`","rpm_limit":1}`)
	o.key(`{}`)
	if got := page("size=25"); !slices.Equal(got, want) {
		t.Errorf("a page changed: %v", got)
	}
	if got := page("user_id=u1&size=100"); len(got) != 12 || got[0] != want[1] {
		t.Errorf("keys of a user: %v", got)
	}
	all := o.call("/key/list?key_alias=a7&return_full_object=true", "")
	if list, _ := all["keys"].([]any); len(list) != 1 || all["total_count"] != 1.0 || list[0].(map[string]any)["key_alias"] != "a7" {
		t.Errorf("one key whole: %v", all)
	}
}

// TestOtherPathsAreTheProxys goes by what the registry does not serve.
func TestOtherPathsAreTheProxys(t *testing.T) {
	o := newOffice(t)
	for _, path := range []string{"/v1/models", "/key/nothing", "/", "/v1/chat/completions"} {
		if rec := o.ask("", http.MethodPost, path, nil); rec.Code != http.StatusTeapot {
			t.Errorf("%s was answered %d", path, rec.Code)
		}
	}
	if p, known := o.registry.Lookup("sk-elsewhere"); !known || *p.Key.RPM != 1 {
		t.Error("the keys of the fallback are gone")
	}
	for _, bearer := range []string{adminKey, "", "sk-none"} {
		if _, known := o.registry.Lookup(bearer); known {
			t.Errorf("%q is a key for models", bearer)
		}
	}
}

// TestRegistriesWithoutAnAdmin: without an admin key nobody is admin, and an
// admin key that anybody could have is refused.
func TestRegistriesWithoutAnAdmin(t *testing.T) {
	elsewhere := keyring{"sk-elsewhere": {}}
	_, err := reference.NewRegistry(reference.RegistryConfig{Clock: clock.System{}, AdminKey: "sk-elsewhere", Fallback: elsewhere})
	if err == nil || !strings.Contains(err.Error(), "also a key for models") {
		t.Errorf("the admin key of another: %v", err)
	}
	o := &office{T: t}
	o.registry, err = reference.NewRegistry(reference.RegistryConfig{Clock: clock.System{}, Fallback: elsewhere})
	if err != nil {
		t.Fatal(err)
	}
	o.handler = o.registry.Handler(http.NotFoundHandler())
	for _, bearer := range []string{"", "sk-elsewhere", "x"} {
		if rec := o.ask(bearer, http.MethodPost, "/key/generate", strings.NewReader("{}")); rec.Code != http.StatusNotFound {
			t.Errorf("with %q a key was made: %d %s", bearer, rec.Code, rec.Body)
		}
	}
}
