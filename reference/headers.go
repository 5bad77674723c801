package reference

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// setRateHeaders writes the rate headers of an answer (rule 25): a pair for
// every limit, and the unprefixed six, which are the key's own where it has a
// limit of that kind and the provider's where it has none.
func setRateHeaders(h http.Header, items []Item, provider http.Header) {
	for _, it := range items {
		for kind := range kinds {
			if it.Limits[kind] == Unlimited {
				continue
			}
			h.Set("x-ratelimit-"+it.Scope+"-remaining-"+kind.String(), strconv.FormatInt(it.After[kind].Remaining, 10))
			h.Set("x-ratelimit-"+it.Scope+"-limit-"+kind.String(), strconv.FormatInt(it.Limits[kind], 10))
		}
	}
	for _, kind := range []Kind{Requests, Tokens} {
		if it := keyItem(items); it != nil && it.Limits[kind] != Unlimited {
			h.Set("x-ratelimit-limit-"+kind.String(), strconv.FormatInt(it.Limits[kind], 10))
			h.Set("x-ratelimit-remaining-"+kind.String(), strconv.FormatInt(it.After[kind].Remaining, 10))
			h.Set("x-ratelimit-reset-"+kind.String(), strconv.FormatInt(wholeSeconds(it.After[kind].Reset), 10))
			continue
		}
		for _, what := range []string{"limit", "remaining", "reset"} {
			if v := providerRate(provider, what, kind.String()); v != "" {
				h.Set("x-ratelimit-"+what+"-"+kind.String(), v)
			}
		}
	}
}

func keyItem(items []Item) *Item {
	for i := range items {
		if items[i].Scope == "api_key" {
			return &items[i]
		}
	}
	return nil
}

// providerRate finds a provider's rate header under OpenAI's or Anthropic's
// name.
func providerRate(provider http.Header, what, kind string) string {
	if v := provider.Get("x-ratelimit-" + what + "-" + kind); v != "" {
		return v
	}
	return provider.Get("anthropic-ratelimit-" + kind + "-" + what)
}

// passProviderHeaders hands on what the provider said, under names that cannot
// be taken for the proxy's own.
func passProviderHeaders(h, provider http.Header) {
	for name, values := range provider {
		if len(values) > 0 {
			h.Set("llm_provider-"+strings.ToLower(name), strings.Join(values, ", "))
		}
	}
}

// wholeSeconds rounds up: who waits that long has waited long enough.
func wholeSeconds(d time.Duration) int64 {
	return int64(math.Ceil(d.Seconds()))
}
