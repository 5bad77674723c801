package reference

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// setRateHeaders writes the rate headers of an answer (rule 25): a pair for
// every limit, and the unprefixed six, which are the key's own where it has a
// limit of that kind and the provider's where it has none. The items were
// decided on at decided; an answer that goes out later tells less time left.
func setRateHeaders(h http.Header, items []Item, decided, now time.Time, provider http.Header) {
	set := func(name string, n int64) { h.Set("x-ratelimit-"+name, strconv.FormatInt(n, 10)) }
	for _, it := range items {
		for kind := range kinds {
			if it.Limits[kind] == Unlimited {
				continue
			}
			set(it.Scope+"-remaining-"+kind.String(), it.After[kind].Remaining)
			set(it.Scope+"-limit-"+kind.String(), it.Limits[kind])
		}
	}
	for _, kind := range []Kind{Requests, Tokens} {
		if it := keyItem(items); it != nil && it.Limits[kind] != Unlimited {
			set("limit-"+kind.String(), it.Limits[kind])
			set("remaining-"+kind.String(), it.After[kind].Remaining)
			set("reset-"+kind.String(), wholeSeconds(max(0, it.After[kind].Reset-now.Sub(decided))))
			continue
		}
		for _, what := range []string{"limit", "remaining", "reset"} {
			if n, ok := providerRate(provider, what, kind.String(), now); ok {
				set(what+"-"+kind.String(), n)
			}
		}
	}
}

// showRates writes the rate headers of an answer that is not charged, as far as
// they do not depend on what a body says.
func (p *Proxy) showRates(w http.ResponseWriter, c *caller) {
	items, now := p.resolve(c, named{}, p.failing), p.Clock.Now()
	p.Store.Peek(now, items)
	setRateHeaders(w.Header(), items, now, now, nil)
}

func keyItem(items []Item) *Item {
	for i := range items {
		if items[i].Scope == ScopeKey {
			return &items[i]
		}
	}
	return nil
}

// providerRate reads a provider's rate header under OpenAI's or Anthropic's
// name, a reset in seconds from now. What cannot be read is not there: some
// providers send -1 where they do not know.
func providerRate(provider http.Header, what, kind string, now time.Time) (n int64, ok bool) {
	value := provider.Get("x-ratelimit-" + what + "-" + kind)
	if value == "" {
		value = provider.Get("anthropic-ratelimit-" + kind + "-" + what)
	}
	if what == "reset" {
		return parseReset(value, now)
	}
	n, err := strconv.ParseInt(value, 10, 64)
	return n, err == nil && n >= 0
}

// parseReset reads the forms in which providers say when a window ends: a
// number of seconds (Azure), a duration such as 6m0s or 20ms (OpenAI), an RFC
// 3339 time (Anthropic).
func parseReset(value string, now time.Time) (seconds int64, ok bool) {
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return wholeSeconds(max(0, at.Sub(now))), true
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		d, err = time.ParseDuration(value + "s")
	}
	return wholeSeconds(d), err == nil && d >= 0
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

// passHeaders hands on the named headers under their own names.
func passHeaders(h, provider http.Header, names ...string) {
	for _, name := range names {
		if v := provider.Get(name); v != "" {
			h.Set(name, v)
		}
	}
}

// wholeSeconds rounds up: who waits that long has waited long enough.
func wholeSeconds(d time.Duration) int64 {
	seconds := int64(d / time.Second)
	if d%time.Second > 0 {
		seconds++
	}
	return seconds
}
