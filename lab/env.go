package lab

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// passedOn is what a child gets of the caller's environment. LiteLLM reads
// several hundred variables, many without a prefix (PORT, NUM_WORKERS, DEBUG,
// KEEPALIVE_TIMEOUT), so what may pass is listed, not what may not: credentials,
// proxies and settings of LiteLLM or Redis never do, and a release behaves alike
// on every machine.
func passedOn() []string {
	return []string{
		"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR",
		"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
	}
}

// reservedEnv follow from Options and must agree with them.
func reservedEnv() []string {
	return []string{"LITELLM_RATE_LIMIT_WINDOW_SIZE", "RATECHECK_LAB_MODELS", "RATECHECK_LAB_INSTANCE"}
}

// childEnv is the environment of LiteLLM, sorted. venv is the release's virtual
// environment, instance the name by which the proxy is recognised.
func childEnv(parent []string, venv string, o Options, instance string) []string {
	env := cleanEnv(parent)
	path := filepath.Join(venv, "bin")
	if env["PATH"] != "" {
		path += string(filepath.ListSeparator) + env["PATH"]
	}
	maps.Copy(env, map[string]string{
		"PATH": path,
		// Files of the release itself instead of the newest ones from the net.
		"LITELLM_LOCAL_MODEL_COST_MAP":         "True",
		"LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
		"LITELLM_LOCAL_BLOG_POSTS":             "True",
		"LITELLM_LOCAL_POLICY_TEMPLATES":       "True",
		"LITELLM_LOG":                          "ERROR",
		"LITELLM_TELEMETRY":                    "False",
		// Else a .env file of some parent folder is read.
		"LITELLM_MODE": "PRODUCTION",
		// From 1.105 on a proxy without a master key does not start otherwise.
		"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
		"LITELLM_RATE_LIMIT_WINDOW_SIZE":                      strconv.Itoa(int(o.Window / time.Second)),
		"NO_DOCS":                                             "True",
		"DISABLE_ADMIN_UI":                                    "True",
		"NO_PROXY":                                            "127.0.0.1,localhost,::1",
		"PYTHONUNBUFFERED":                                    "1",
		"RATECHECK_LAB_MODELS":                                strings.Join(o.Models, ","),
		"RATECHECK_LAB_INSTANCE":                              instance,
	})
	maps.Copy(env, o.Env)
	return envList(env)
}

// cleanEnv is what passes of an environment: passedOn and the locale.
func cleanEnv(parent []string) map[string]string {
	env := map[string]string{}
	for _, kv := range parent {
		name, value, _ := strings.Cut(kv, "=")
		if slices.Contains(passedOn(), name) || strings.HasPrefix(name, "LC_") {
			env[name] = value
		}
	}
	return env
}

// installEnv is the caller's environment without what would send the packages of
// a virtual environment elsewhere. Proxies, certificates and the choice of an
// index stay: the download needs them.
func installEnv(parent []string) []string {
	return slices.DeleteFunc(slices.Clone(parent), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX",
			"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT",
			"UV_TARGET", "UV_PREFIX", "UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT":
			return true
		}
		return false
	})
}

func envList(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for _, name := range sortedKeys(env) {
		list = append(list, name+"="+env[name])
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
