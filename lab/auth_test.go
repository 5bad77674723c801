package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// asker runs custom_auth.py on modules that are as much of FastAPI and LiteLLM
// as it touches, and prints for each bearer its status and what came of it.
const asker = `
import asyncio, json, sys, types

class HTTPException(Exception):
    def __init__(self, status_code, detail):
        self.status_code, self.detail = status_code, detail

class UserAPIKeyAuth:
    model_fields = {f: 1 for f in (
        "api_key metadata team_metadata rpm_limit tpm_limit max_parallel_requests team_id team_rpm_limit team_tpm_limit "
        "team_member_rpm_limit team_member_tpm_limit user_id user_rpm_limit user_tpm_limit "
        "end_user_id end_user_rpm_limit end_user_tpm_limit org_id organization_rpm_limit").split()}
    def __init__(self, **fields):
        self.fields = fields

class LitellmUserRoles:
    INTERNAL_USER = "internal_user"

async def lookup(*args, **kwargs):
    raise Exception("No DB Connected")

def module(name, **members):
    sys.modules[name] = m = types.ModuleType(name)
    m.__dict__.update(members)
    return m

module("fastapi", HTTPException=HTTPException)
module("litellm")
t = module("litellm.proxy._types", UserAPIKeyAuth=UserAPIKeyAuth, LitellmUserRoles=LitellmUserRoles)
module("litellm.proxy", _types=t)
u = module("litellm.proxy.auth.user_api_key_auth", get_team_object=lookup)
module("litellm.proxy.auth", user_api_key_auth=u)
import custom_auth

async def ask(call):
    try:
        got = await call
        return {"status": 200, "fields": got.fields}
    except HTTPException as e:
        return {"status": e.status_code, "detail": e.detail}

out = [asyncio.run(ask(custom_auth.user_api_key_auth(None, b))) for b in json.load(sys.stdin)]
out.append(asyncio.run(ask(u.get_team_object(team_id="T"))))
print(json.dumps(out))
`

type answer struct {
	Status int            `json:"status"`
	Detail string         `json:"detail"`
	Fields map[string]any `json:"fields"`
}

func TestCustomAuth(t *testing.T) {
	python, err := findPython(t.Context())
	if err != nil {
		t.Skipf("custom_auth.py cannot be run: %v", err)
	}
	type fields = map[string]any
	both := func(n float64) fields { return fields{"m": n, "m2": n} }
	tests := []struct {
		bearer string
		want   fields // nil is 401
		detail string // of a 401
	}{
		{"sk-lab-a", fields{}, ""},
		{"Bearer sk-lab-a", fields{"api_key": "sk-lab-a"}, ""},
		{"sk-lab-0f3_A.9", fields{}, ""},
		{"sk-lab-a-rpm10-tpm1000-mpr2", fields{"rpm_limit": 10.0, "tpm_limit": 1000.0, "max_parallel_requests": 2.0}, ""},
		{"sk-lab-a,rpm0", fields{"rpm_limit": 0.0}, ""},
		{"sk-lab-a-team=T1-trpm5,ttpm100", fields{"team_id": "T1", "team_rpm_limit": 5.0, "team_tpm_limit": 100.0}, ""},
		{"sk-lab-a-user=U-urpm5-utpm6", fields{"user_id": "U", "user_rpm_limit": 5.0, "user_tpm_limit": 6.0}, ""},
		{"sk-lab-a-team=T-user=U-tmrpm5-tmtpm6", fields{"team_id": "T", "user_id": "U", "team_member_rpm_limit": 5.0, "team_member_tpm_limit": 6.0}, ""},
		{"sk-lab-a-erpm5-etpm6-eu=E", fields{"end_user_id": "E", "end_user_rpm_limit": 5.0, "end_user_tpm_limit": 6.0}, ""},
		{"sk-lab-a-org=O-orpm5", fields{"org_id": "O", "organization_rpm_limit": 5.0}, ""},
		{"sk-lab-a-m_rpm5-m_tpm6", fields{"metadata": fields{"model_rpm_limit": both(5), "model_tpm_limit": both(6)}}, ""},
		{"sk-lab-a-team=T-tm_rpm5-tm_tpm6", fields{"team_id": "T", "team_metadata": fields{"model_rpm_limit": both(5), "model_tpm_limit": both(6)}}, ""},

		{"", nil, "unknown key"},
		{"sk-lab-", nil, "unknown key"},
		{"sk-lab-a-", nil, "unknown key"},
		{"sk-lab-a-rpm1\n", nil, "unknown key"},
		{"sk-other", nil, "unknown key"},
		{"sk-lab-a-rpm", nil, "'rpm' is no field"},
		{"sk-lab-a-rpm1.5", nil, "'rpm1.5' is no field"},
		{"sk-lab-a-zpm5", nil, "'zpm5' is no field"},
		{"sk-lab-a-team=", nil, "'team=' is no field"},
		{"sk-lab-a-rpm=5", nil, "'rpm=5' is no field"},
		{"sk-lab-a-rpm1-rpm2", nil, "'rpm' stands twice"},
		{"sk-lab-a-team=A-team=B", nil, "'team' stands twice"},
		{"sk-lab-a-trpm5", nil, "'trpm' needs 'team='"},
		{"sk-lab-a-team=T-tmrpm5", nil, "'tmrpm' needs 'user='"},
		{"sk-lab-a-org=O-otpm5", nil, "no field organization_tpm_limit"},
		{"Bearer lab-who", nil, "lab instance NAME"},
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "custom_auth.py"), []byte(customAuth), 0o600); err != nil {
		t.Fatal(err)
	}
	var bearers []string
	for _, tt := range tests {
		bearers = append(bearers, tt.bearer)
	}
	got := ask(t.Context(), t, python.path, dir, bearers)
	if len(got) != len(tests)+1 {
		t.Fatalf("%d answers to %d questions", len(got), len(tests)+1)
	}
	for n, tt := range tests {
		a := got[n]
		if tt.want == nil {
			if a.Status != 401 || !strings.Contains(a.Detail, tt.detail) {
				t.Errorf("%q: %d %q, want 401 %q", tt.bearer, a.Status, a.Detail, tt.detail)
			}
			continue
		}
		want := fields{"api_key": tt.bearer, "metadata": fields{}, "team_metadata": fields{}, "user_role": "internal_user"}
		for k, v := range tt.want {
			want[k] = v
		}
		if a.Status != 200 || !reflect.DeepEqual(a.Fields, want) {
			t.Errorf("%q: %d %q %v, want %v", tt.bearer, a.Status, a.Detail, a.Fields, want)
		}
	}
	if team := got[len(tests)]; team.Status != 404 {
		t.Errorf("looking a team up: %+v, want 404", team)
	}
}

func ask(ctx context.Context, t *testing.T, python, dir string, bearers []string) (got []answer) {
	t.Helper()
	in, err := json.Marshal(bearers)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, python, "-c", asker)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "RATECHECK_LAB_MODELS=m,m2", "RATECHECK_LAB_INSTANCE=NAME", "PYTHONPATH="+dir)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return got
}
