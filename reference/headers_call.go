package reference

import (
	"net/http"
	"strconv"
	"time"
)

// tellCall says who answers and in which call.
func (p *Proxy) tellCall(h http.Header) {
	if p.NewID != nil {
		h.Set("X-Litellm-Call-Id", p.NewID())
	}
	if p.Version != "" {
		h.Set("X-Ratecheck-Version", p.Version)
		h.Set("X-Litellm-Version", p.Version)
	}
}

// tellModelGroup says which model was asked for, unless its name cannot stand
// in a header.
func tellModelGroup(h http.Header, model string) {
	if model != "" && isPlain(model) {
		h.Set("X-Litellm-Model-Group", model)
	}
}

// tellSpend says what the key has cost before this request.
func (c *caller) tellSpend(h http.Header) {
	if c.Key.Spend != nil {
		h.Set("X-Litellm-Key-Spend", dollars(*c.Key.Spend))
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
	values := [...]string{s.ID, s.shown, strconv.Itoa(s.retries), strconv.Itoa(s.fallbacks), strconv.Itoa(h.plan[len(h.plan)-1].fallbacks)}
	for i, name := range [...]string{
		"X-Litellm-Model-Id", "X-Litellm-Model-Api-Base", "X-Litellm-Attempted-Retries", "X-Litellm-Attempted-Fallbacks", "X-Litellm-Max-Fallbacks",
	} {
		header[name] = values[i : i+1 : i+1]
	}
	if h.outputCap > 0 {
		header.Set("X-Ratecheck-Output-Cap", strconv.FormatInt(h.outputCap, 10))
	}
}

// tellOverhead says how much of the time since the request came is not the
// upstream's.
func (h *held) tellOverhead(header http.Header, now time.Time) {
	header.Set("X-Litellm-Overhead-Duration-Ms", milliseconds(max(0, now.Sub(h.arrived)-h.waited)))
}

// tellDuration says how long the whole answer took.
func (h *held) tellDuration(header http.Header, now time.Time) {
	header.Set("X-Litellm-Response-Duration-Ms", milliseconds(now.Sub(h.arrived)))
}

// tellCost says what the answer cost, where a price is known.
func (h *held) tellCost(header http.Header, s step, used usage) {
	if cost, known := h.spent(s, used); known {
		header.Set("X-Litellm-Response-Cost", dollars(cost))
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
