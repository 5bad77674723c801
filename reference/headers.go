package reference

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Names of headers stand here as net/http keeps and sends them: any other form
// would have to be brought into that one for every answer.

// rateNames are the names of rate headers of one kind of limit.
type rateNames struct{ limit, remaining, reset string }

// unprefixedRates are the six that the key and the provider share, by kind.
var unprefixedRates = [Slots]rateNames{
	Requests: {"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
	Tokens:   {"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
}

// keyRates are the prefixed ones of the scope that most limits have.
var keyRates = [kinds]rateNames{
	Requests: {limit: "X-Ratelimit-Api_key-Limit-Requests", remaining: "X-Ratelimit-Api_key-Remaining-Requests"},
	Tokens:   {limit: "X-Ratelimit-Api_key-Limit-Tokens", remaining: "X-Ratelimit-Api_key-Remaining-Tokens"},
	Slots:    {limit: "X-Ratelimit-Api_key-Limit-Max_parallel_requests", remaining: "X-Ratelimit-Api_key-Remaining-Max_parallel_requests"},
}

// keyPrefix is how long what stands before the rest of a name is in keyRates.
const keyPrefix = len("X-Ratelimit-Api_key")

func ratesOf(scope string, kind Kind) rateNames {
	if scope == ScopeKey {
		return keyRates[kind]
	}
	prefix := http.CanonicalHeaderKey("X-Ratelimit-" + scope)
	return rateNames{limit: prefix + keyRates[kind].limit[keyPrefix:], remaining: prefix + keyRates[kind].remaining[keyPrefix:]}
}

// setRateHeaders writes the rate headers of an answer (rule 25): a pair for
// every limit, and the unprefixed six, which are the key's own where it has a
// limit of that kind and the provider's where it has none. The items were
// decided on at decided; an answer that goes out later tells less time left.
func setRateHeaders(h http.Header, items []Item, decided, now time.Time, provider http.Header) {
	values := make([]string, 0, 2*int(kinds)*len(items)+3*int(Slots)) // one allocation for all
	set := func(name string, n int64) {
		values = append(values, strconv.FormatInt(n, 10))
		last := len(values)
		h[name] = values[last-1 : last : last]
	}
	for _, it := range items {
		for kind := range kinds {
			if it.Limits[kind] == Unlimited {
				continue
			}
			names := ratesOf(it.Scope, kind)
			set(names.remaining, it.After[kind].Remaining)
			set(names.limit, it.Limits[kind])
		}
	}
	for kind, names := range unprefixedRates {
		kind := Kind(kind)
		if it := keyItem(items); it != nil && it.Limits[kind] != Unlimited {
			set(names.limit, it.Limits[kind])
			set(names.remaining, it.After[kind].Remaining)
			set(names.reset, wholeSeconds(max(0, it.After[kind].Reset-now.Sub(decided))))
			continue
		}
		for _, of := range [...]struct{ what, name string }{{"limit", names.limit}, {"remaining", names.remaining}, {"reset", names.reset}} {
			if n, ok := providerRate(provider, of.what, kind.String(), now); ok {
				set(of.name, n)
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
			h["Llm_provider-"+http.CanonicalHeaderKey(name)] = []string{strings.Join(values, ", ")}
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
