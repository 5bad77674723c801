package reference

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

func (f form) limit(name string, into **int64) {
	switch {
	case !f.there(name):
	case !f.has(name):
		*into = nil
	default:
		if n, ok := f.limitValue(name, f.members[name]); ok {
			*into = &n
		}
	}
}

func (f form) limitValue(name string, raw json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 {
		f.note(name, "int_type", "%s is no limit; send an integer from 0 to 9223372036854775807, or null for no limit", jsonValue(raw).short())
		return 0, false
	}
	return n, true
}

func (f form) limits(prefix string, into *Limits) {
	f.limit(prefix+"rpm_limit", &into.RPM)
	f.limit(prefix+"tpm_limit", &into.TPM)
}

// ownLimits are the limits of all three kinds.
func (f form) ownLimits(into *Limits) {
	f.limits("", into)
	f.limit("max_parallel_requests", &into.MaxParallel)
}

// modelLimits reads the maps of models, at top level or, as LiteLLM has them, in
// the metadata.
func (f form) modelLimits(into *ModelLimits) {
	f.limitMap("model_rpm_limit", &into.RPM)
	f.limitMap("model_tpm_limit", &into.TPM)
}

func (f form) limitMap(name string, into *map[string]int64) {
	if !f.there(name) {
		return
	}
	var raw map[string]json.RawMessage
	if f.has(name) && !f.read(name, "dict_type", "an object of models and their limits", &raw) {
		return
	}
	limits := map[string]int64{}
	inner := form{at: append(slices.Clone(f.at), name), wrong: f.wrong}
	for _, model := range slices.Sorted(maps.Keys(raw)) {
		if mistake := nameMistake(model); mistake != "" {
			f.note(name, "value_error", "a name of a model: %s", mistake)
		} else if n, ok := inner.limitValue(model, raw[model]); ok {
			limits[model] = n
		}
	}
	*into = limits
}

func (f form) limitType(name string, into *LimitType) {
	var s string
	if !f.there(name) {
		return
	}
	f.text(name, &s)
	if err := LimitType(s).Validate(); err != nil {
		f.note(name, "enum", "%v", err)
		return
	}
	*into = LimitType(s)
}

// unenforced are the limits of LiteLLM that this proxy does not know. They are
// refused: a limit that nothing enforces is worse than none.
func unenforced() []string {
	return []string{
		"budget_duration", "budget_limits", "default_estimated_output_tokens", "default_estimated_output_tokens_per_model",
		"guardrails", "max_budget", "max_budget_in_team", "mcp_rpm_limit", "model_max_budget", "soft_budget", "tag_rpm_limit",
		"tag_tpm_limit", "team_member_budget", "throttle_on_budget_exceeded", "tpd_limit",
	}
}

func (f form) refuseUnenforced() {
	for _, name := range unenforced() {
		if f.has(name) {
			f.note(name, "value_error", "this proxy does not enforce it; leave it out")
		}
	}
}
