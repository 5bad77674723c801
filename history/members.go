package history

import "strings"

// IsInternalMember says whether a member of a request's body has a name that
// proxies use for themselves and that means nothing to a provider: one that
// begins with an underscore, and LiteLLM's litellm_*, user_api_key* and proxy_*
// (LiteLLM 27913 and its proxy's metadata).
func IsInternalMember(name string) bool {
	for _, prefix := range []string{"_", "litellm_", "user_api_key", "proxy_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
