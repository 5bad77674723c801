package repro

import (
	"cmp"
	_ "embed" // the provider
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/scenarios"
)

// Where the commands of a story listen.
const (
	proxyAddress = "127.0.0.1:4000"
	providerPort = "4001"
	bearer       = "sk-repro"
)

// providerFile is a provider in Python, which who runs LiteLLM has, without
// packages: nothing of ratecheck is needed to see a story happen.
//
//go:embed assets/provider.py
var providerFile string

// Files are what a stranger needs to start the release: names and contents.
func (s *Story) Files() [][2]string {
	config := `model_list:
  - model_name: ` + Model + `
    litellm_params: {model: openai/` + Model + `, api_base: "http://127.0.0.1:` + providerPort + `/v1", api_key: sk-upstream, max_retries: 0}
general_settings: {custom_auth: custom_auth.user_api_key_auth}
litellm_settings: {num_retries: 0}
router_settings: {num_retries: 0, disable_cooldowns: true}
`
	if s.Setup.Redis {
		config = strings.Replace(config, "{num_retries: 0}\nrouter", "{num_retries: 0, cache: true, cache_params: {type: redis, host: 127.0.0.1, port: 6379, mode: default_off}}\nrouter", 1)
	}
	var limits []string
	for _, l := range []struct {
		name  string
		limit *int64
	}{{"rpm_limit", s.Limits.Requests}, {"tpm_limit", s.Limits.Tokens}, {"max_parallel_requests", s.Limits.Parallel}} {
		if l.limit != nil {
			limits = append(limits, fmt.Sprintf("%s=%d", l.name, *l.limit))
		}
	}
	auth := `from litellm.proxy._types import UserAPIKeyAuth

async def user_api_key_auth(request, api_key):
    return UserAPIKeyAuth(api_key=api_key, ` + strings.Join(limits, ", ") + `)
`
	return [][2]string{
		{"config.yaml", config}, {"custom_auth.py", auth}, {"provider.py", providerFile},
		{"requests.sh", strings.Join(s.curl(), "\n") + "\n"},
	}
}

// Start is what starts the release and a provider that answers as it is told in
// the request's own text, and then sends the requests.
func (s *Story) Start() []string {
	set := []string{
		fmt.Sprintf("LITELLM_RATE_LIMIT_WINDOW_SIZE=%.0f", s.Window),
		// From 1.105 on a proxy without a master key does not start otherwise.
		"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY=true",
	}
	for _, name := range sortedNames(s.Setup.Env) {
		set = append(set, name+"="+s.Setup.Env[name])
	}
	list := []string{fmt.Sprintf("pip install 'litellm[proxy]==%s'", s.Setup.Version)}
	if s.Setup.Redis {
		list = append(list, "redis-server --port 6379 &")
	}
	return append(list,
		"python3 provider.py "+providerPort+" > provider.log &",
		strings.Join(set, " ")+" litellm --config config.yaml --host 127.0.0.1 --port 4000 > litellm.log 2>&1 &",
		"until curl -sf -o /dev/null http://"+proxyAddress+"/health/liveliness || ! kill -0 $!; do sleep 1; done",
		"bash requests.sh",
	)
}

func sortedNames(env map[string]string) []string {
	var names []string
	for name := range env {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// curl are the requests of the story as a shell script. A step that comes while
// another is under way is a loop in the background. It is a script of its own,
// since it waits for all that it started in the background.
func (s *Story) curl() []string {
	lines := []string{
		"send() { curl -s -o /dev/null -D - -w \"$1: %{http_code} after %{time_total} s\\n\" -H 'Authorization: Bearer " + bearer +
			"' -H 'Content-Type: application/json' http://" + proxyAddress + "$2 -d \"$3\" | grep -iE '^(x-ratelimit|retry-after|reset_at|rate_limit_type)|: [0-9]{3} after'; }",
	}
	waited := map[string]time.Duration{}
	for _, step := range s.steps {
		path, body := history.EndpointPath(cmp.Or(step.Shot.Endpoint, history.Chat)), stepBody(step.Shot)
		call := fmt.Sprintf("send %s %s '%s'", step.Name, path, body)
		if step.Times > 1 {
			call = fmt.Sprintf("( for i in $(seq %d); do %s & done; wait )", step.Times, call)
		}
		if step.After == "" {
			lines = append(lines, fmt.Sprintf("( sleep %.1f; %s ) &", step.Wait.Seconds(), call))
			continue
		}
		if strings.HasSuffix(lines[len(lines)-1], "&") {
			lines = append(lines, "wait")
		}
		lines = append(lines, fmt.Sprintf("sleep %.1f; %s", max(0, step.Wait-waited[step.After]).Seconds(), call))
		waited[step.After] = max(step.Wait, waited[step.After])
	}
	return append(lines, "wait")
}

// stepBody is a request whose text tells the provider what to answer.
func stepBody(shot scenarios.Shot) string {
	words := []string{fmt.Sprintf("usage=%d,%d", shot.Script.PromptTokens, shot.Script.CompletionTokens)}
	if shot.Script.Latency > 0 {
		words = append(words, "latency="+shot.Script.Latency.String())
	}
	text := "[[" + strings.Join(words, " ") + "]]"
	body := map[string]any{"model": Model}
	most := "max_tokens"
	prompt := text
	if shot.NonceInStop {
		body["stop"], prompt = []string{text}, ""
	}
	switch shot.Endpoint {
	case history.Responses:
		body["input"], most = prompt, "max_output_tokens"
	case history.Embeddings:
		body["input"], most = prompt, ""
	case history.Completions:
		body["prompt"] = prompt
	default:
		body["messages"] = []map[string]string{{"role": "user", "content": prompt}}
	}
	if shot.MaxTokens >= 0 && most != "" {
		body[most] = shot.MaxTokens
	}
	if shot.Stream {
		body["stream"] = true
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return "" // texts and numbers encode
	}
	return string(encoded)
}
