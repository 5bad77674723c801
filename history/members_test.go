package history

import "testing"

func TestInternalMembers(t *testing.T) {
	for name, want := range map[string]bool{
		"_litellm_tpm_reserved_model": true, "_": true, "__x": true, "litellm_call_id": true, "litellm_metadata": true,
		"user_api_key": true, "user_api_key_hash": true, "proxy_server_request": true,
		"": false, "metadata": false, "user": false, "user_id": false, "max_tokens": false, "proxy": false, "litellm": false, "a_litellm_b": false,
	} {
		if got := IsInternalMember(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}
