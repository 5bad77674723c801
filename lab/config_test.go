package lab

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRenderConfig(t *testing.T) {
	const memory = `# Written by ratecheck lab at every start.
model_list:
  - model_name: "m"
    litellm_params:
      model: "openai/m"
      api_base: "http://127.0.0.1:7101/v1"
      api_key: sk-upstream
      max_retries: 0
general_settings:
  custom_auth: custom_auth.user_api_key_auth
litellm_settings:
  num_retries: 0
  request_timeout: 600
  telemetry: false
router_settings:
  num_retries: 0
  disable_cooldowns: true
`
	const redis = `# Written by ratecheck lab at every start.
model_list:
  - model_name: "m"
    litellm_params:
      model: "openai/m"
      api_base: "http://127.0.0.1:7101/v1"
      api_key: sk-upstream
      max_retries: 0
  - model_name: "m-emb"
    litellm_params:
      model: "openai/m-emb"
      api_base: "http://127.0.0.1:7101/v1"
      api_key: sk-upstream
      max_retries: 0
general_settings:
  custom_auth: custom_auth.user_api_key_auth
  always_include_stream_usage: true
  limits: {"a":1}
  note: "a: b\n\"c\""
  token_rate_limit_type: "output"
litellm_settings:
  num_retries: 0
  request_timeout: 600
  telemetry: false
  cache: true
  cache_params:
    type: redis
    host: 127.0.0.1
    port: 6001
    mode: default_off
router_settings:
  num_retries: 0
  disable_cooldowns: true
`
	for _, tt := range []struct {
		name string
		o    Options
		port int
		want string
	}{
		{"memory", Options{}, 0, memory},
		{"redis", Options{
			Models: []string{"m", "m-emb"},
			General: map[string]string{
				"token_rate_limit_type":       "output",
				"always_include_stream_usage": "true",
				"note":                        "a: b\n\"c\"",
				"limits":                      "{\n\"a\": 1}",
			},
		}, 6001, redis},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Dir, tt.o.Upstream = "d", "http://127.0.0.1:7101/v1/"
			o, err := tt.o.complete()
			if err != nil {
				t.Fatal(err)
			}
			if got := renderConfig(o, tt.port); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestOptionsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*Options)
		want string
	}{
		{"no folder", func(o *Options) { o.Dir = "" }, "working folder"},
		{"port", func(o *Options) { o.Port = 65536 }, "port 65536"},
		{"no upstream", func(o *Options) { o.Upstream = "" }, "upstream"},
		{"upstream elsewhere", func(o *Options) { o.Upstream = "http://192.0.2.1/v1" }, "not on this machine"},
		{"upstream with a name", func(o *Options) { o.Upstream = "http://localhost.example.com/v1" }, "not on this machine"},
		{"upstream with TLS", func(o *Options) { o.Upstream = "https://127.0.0.1/v1" }, "base URL"},
		{"upstream with a password", func(o *Options) { o.Upstream = "http://a:b@127.0.0.1/v1" }, "base URL"},
		{"wildcard model", func(o *Options) { o.Models = []string{"*"} }, `model "*"`},
		{"model with a comma", func(o *Options) { o.Models = []string{"a,b"} }, `model "a,b"`},
		{"model twice", func(o *Options) { o.Models = []string{"a", "a"} }, "twice"},
		{"window of a fraction", func(o *Options) { o.Window = 1500 * time.Millisecond }, "whole seconds"},
		{"negative window", func(o *Options) { o.Window = -time.Second }, "whole seconds"},
		{"env name", func(o *Options) { o.Env = map[string]string{"A=B": "c"} }, "environment variable"},
		{"env that is ours", func(o *Options) { o.Env = map[string]string{"LITELLM_RATE_LIMIT_WINDOW_SIZE": "5"} }, "Options"},
		{"setting name", func(o *Options) { o.General = map[string]string{"a: b\nc": "d"} }, "general setting"},
		{"setting that is ours", func(o *Options) { o.General = map[string]string{"custom_auth": "x.y"} }, "custom_auth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := Options{Dir: "d", Upstream: "http://127.0.0.1:7101/v1"}
			tt.set(&o)
			if _, err := o.complete(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want an error that tells of %q", err, tt.want)
			}
		})
	}
}

func TestChildEnv(t *testing.T) {
	parent := []string{
		"PATH=/usr/bin", "HOME=/home/u", "LC_ALL=C.UTF-8", "TZ=UTC",
		"LITELLM_MASTER_KEY=a", "REDIS_HOST=b", "DATABASE_URL=c", "OPENAI_API_KEY=d", "RATECHECK_ADMIN_KEY=e",
		"HTTP_PROXY=f", "https_proxy=g", "ALL_PROXY=h", "no_proxy=i", "PORT=1", "NUM_WORKERS=9",
		"PYTHONPATH=j", "VIRTUAL_ENV=k", "AWS_SECRET_ACCESS_KEY=l",
	}
	o := Options{Models: []string{"m", "n"}, Window: 5 * time.Second, Env: map[string]string{"LITELLM_LOG": "DEBUG", "X": "y=z"}}
	got := childEnv(parent, "/v", o, "NAME")
	want := []string{
		"DISABLE_ADMIN_UI=True",
		"HOME=/home/u",
		"LC_ALL=C.UTF-8",
		"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY=true",
		"LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS=True",
		"LITELLM_LOCAL_BLOG_POSTS=True",
		"LITELLM_LOCAL_MODEL_COST_MAP=True",
		"LITELLM_LOCAL_POLICY_TEMPLATES=True",
		"LITELLM_LOG=DEBUG",
		"LITELLM_MODE=PRODUCTION",
		"LITELLM_RATE_LIMIT_WINDOW_SIZE=5",
		"LITELLM_TELEMETRY=False",
		"NO_DOCS=True",
		"NO_PROXY=127.0.0.1,localhost,::1",
		"PATH=/v/bin:/usr/bin",
		"PYTHONUNBUFFERED=1",
		"RATECHECK_LAB_INSTANCE=NAME",
		"RATECHECK_LAB_MODELS=m,n",
		"TZ=UTC",
		"X=y=z",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestInstallEnv(t *testing.T) {
	got := installEnv([]string{"A=b", "PYTHONPATH=x", "HTTPS_PROXY=p", "PIP_INDEX_URL=i", "PIP_USER=1", "VIRTUAL_ENV=v"})
	if want := []string{"A=b", "HTTPS_PROXY=p", "PIP_INDEX_URL=i"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
