package reference

import (
	"net/http"
	"strconv"
	"time"
)

// tellCall says who answers and in which call.
func (p *Proxy) tellCall(h http.Header) {
	if p.NewID != nil {
		h.Set("x-litellm-call-id", p.NewID())
	}
	if p.Version != "" {
		h.Set("x-ratecheck-version", p.Version)
		h.Set("x-litellm-version", p.Version)
	}
}

// tellModelGroup says which model was asked for, unless its name cannot stand
// in a header.
func tellModelGroup(h http.Header, model string) {
	if model != "" && isPlain(model) {
		h.Set("x-litellm-model-group", model)
	}
}

// tellSpend says what the key has cost before this request.
func (c *caller) tellSpend(h http.Header) {
	if c.Key.Spend != nil {
		h.Set("x-litellm-key-spend", dollars(*c.Key.Spend))
	}
}

// tellLimits says what the key itself is limited to, whatever else limits the
// request.
func (c *caller) tellLimits(h http.Header) {
	for kind, name := range map[Kind]string{Requests: "rpm", Tokens: "tpm"} {
		if limit := c.KeyLimit(kind); limit != Unlimited {
			h.Set("x-litellm-key-"+name+"-limit", strconv.FormatInt(limit, 10))
		}
	}
}

// tellStep says who answered, and how many attempts that took.
func (h *held) tellStep(header http.Header, s step) {
	header.Set("x-litellm-model-id", s.ID)
	header.Set("x-litellm-model-api-base", s.Upstream.Redacted())
	header.Set("x-litellm-attempted-retries", strconv.Itoa(s.retries))
	header.Set("x-litellm-attempted-fallbacks", strconv.Itoa(s.fallbacks))
	header.Set("x-litellm-max-fallbacks", strconv.Itoa(h.plan[len(h.plan)-1].fallbacks))
	if h.outputCap > 0 {
		header.Set("x-ratecheck-output-cap", strconv.FormatInt(h.outputCap, 10))
	}
}

// tellOverhead says how much of the time since the request came is not the
// upstream's.
func (h *held) tellOverhead(header http.Header, now time.Time) {
	header.Set("x-litellm-overhead-duration-ms", milliseconds(max(0, now.Sub(h.arrived)-h.waited)))
}

// tellDuration says how long the whole answer took.
func (h *held) tellDuration(header http.Header, now time.Time) {
	header.Set("x-litellm-response-duration-ms", milliseconds(now.Sub(h.arrived)))
}

// tellCost says what the answer cost, where a price is known.
func (h *held) tellCost(header http.Header, s step, used usage) {
	if cost, known := h.spent(s, used); known {
		header.Set("x-litellm-response-cost", dollars(cost))
	}
}

// spent counts what the answer cost, where a price is known.
func (h *held) spent(s step, used usage) (usd float64, known bool) {
	if s.Price == nil {
		return 0, false
	}
	usd = s.Price.of(used)
	if h.proxy.Spent != nil {
		h.proxy.guarded("noting what a key spent", "the amount is missing in its spend", func() {
			h.proxy.Spent(h.caller.hash, usd)
		})
	}
	return usd, true
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 3, 64)
}

// dollars is an amount without an exponent, which not every reader of a number
// knows.
func dollars(usd float64) string { return strconv.FormatFloat(usd, 'f', -1, 64) }
