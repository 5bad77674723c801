package checker

import (
	"fmt"
	"math"
)

// Which tokens a token limit counts.

func basisRequirements() []Requirement {
	return []Requirement{{
		ID: "tokens/basis", Level: Must, Layer: Enforcement,
		Sentence: "A token limit counts input and output, never more than was used, and of cached prompts the same part plain and streamed.",
		Source:   "docs/reference.md rule 13; LiteLLM 17664 (output alone), 18728 (cached tokens)",
		Tolerances: []Tolerance{{
			Value:  "cached tokens may count in full, in part or not at all",
			Reason: "providers exempt them, discount them or do not, and limiters follow one or the other",
		}, {
			Value:  "one token a request",
			Reason: "that is drift, and judged there",
		}, {
			Value:  "10 % of what streams used",
			Reason: "a limiter may count the text with a tokenizer of its own",
		}, {
			Value:  "a counter that fell too little is judged only where its class cannot refill or turn while it is read",
			Reason: "what came back by itself looks like what was never charged",
		}},
		judge: judgeBasis,
	}}
}

// cachedTraffic is what was charged for requests with cached prompts between two
// probes.
type cachedTraffic struct {
	what          string
	traffic       []seen
	first, second reading
	// total is what the requests and the first probe used, cached the part of it
	// that was cached, fell what was charged.
	total, cached, fell int64
	// slack is by how much the charge may be off.
	slack float64
}

func (c cachedTraffic) attempts() []int {
	return append(append([]int{c.first.of.ID}, ids(c.traffic)...), c.second.of.ID)
}

// share is the part of the cached tokens that was charged.
func (c cachedTraffic) share() float64 {
	return float64(c.fell-(c.total-c.cached)) / float64(c.cached)
}

func (c cachedTraffic) broken(message string) finding {
	return finding{
		verdict: Fail, message: message,
		expected: fmt.Sprintf("%d to %d tokens, for %d of %d were cached", c.total-c.cached, c.total, c.cached, c.total),
		observed: fmt.Sprintf("remaining fell by %d, to %d", c.fell, c.second.left),
		figure:   ofTokens("charged", c.fell, c.total),
		attempts: c.attempts(),
	}
}

// cachedOf is what of an attempt's usage was cached.
func cachedOf(a seen) int64 {
	var cached int64
	for _, c := range a.calls {
		if c.Status == 200 {
			cached += c.Usage.Cached
		}
	}
	return cached
}

func judgeBasis(v *view) finding {
	if !v.Run.Ledger {
		return skipped("what was cached is known of our provider only")
	}
	for _, k := range v.asked("tokens/basis").keys {
		if len(step(k.attempts, "probe-*")) > 0 {
			return v.basisOf(k)
		}
	}
	return undecided("no probe was sent")
}

func (v *view) basisOf(k keyView) finding {
	probes := steps(step(k.attempts, "probe-*"))
	if ratesOf(step(k.attempts, probes[0])[0]).TokensRemaining == nil {
		return skipped("the target does not tell what is left of a token limit, so that what it counts cannot be read")
	}
	read, trouble := readings(k, probes...)
	switch {
	case trouble != nil:
		return *trouble
	case len(read) != 3:
		return undecided(fmt.Sprintf("%d probes were sent, and not three", len(read)))
	}
	var before []seen
	for _, a := range v.byKey[k.Alias] {
		if a.Sent < read[0].of.Sent {
			before = append(before, a)
		}
	}
	if !rested(before, read[0].of) {
		return undecided(fmt.Sprintf("the counter was read less than %s after other requests had ended", chargeDelay))
	}
	plain := cachedTraffic{what: "plain answers", traffic: step(k.attempts, "traffic"), first: read[0], second: read[1]}
	streams := cachedTraffic{what: "streams", traffic: step(k.attempts, "traffic-streams"), first: read[1], second: read[2]}
	for _, c := range []*cachedTraffic{&plain, &streams} {
		if f := v.measure(c); f != nil {
			return *f
		}
	}
	for _, c := range []cachedTraffic{plain, streams} {
		if f := v.basisWrong(k, c); f != nil {
			return *f
		}
	}
	// Shares are compared in tokens of the smaller amount.
	least := float64(min(plain.cached, streams.cached))
	if apart := math.Abs(plain.share()-streams.share()) * least; apart > plain.slack+streams.slack {
		// Whichever fell by less may have risen meanwhile.
		less := plain
		if streams.share() < plain.share() {
			less = streams
		}
		if !v.still(v.firstOf(k), less.second.of) {
			return v.maybeRose(less)
		}
		f := streams.broken("cached tokens count otherwise on streams than on plain answers")
		f.expected = fmt.Sprintf("%.0f %% of them, as of the %d on plain answers", 100*plain.share(), plain.cached)
		f.observed = fmt.Sprintf("%.0f %% of %d", 100*streams.share(), streams.cached)
		f.attempts = append(plain.attempts(), streams.attempts()[1:]...)
		f.needs = asksToStand()
		return f
	}
	return passed(fmt.Sprintf("input and output count, and of cached tokens %s: plain answers used %d tokens, and the counter fell by %d; streams used %d, and it fell by %d",
		described(plain), plain.total, plain.fell, streams.total, streams.fell)).with(ofTokens("charged", plain.fell, plain.total))
}

// described says which part of cached tokens counts.
func described(c cachedTraffic) string {
	switch off := c.slack / float64(c.cached); {
	case math.Abs(c.share()) <= off:
		return "none"
	case math.Abs(c.share()-1) <= off:
		return "all"
	}
	return fmt.Sprintf("%.0f %%", 100*c.share())
}

// measure reckons what was used and charged; a finding says why that cannot be
// told.
func (v *view) measure(c *cachedTraffic) *finding {
	no := func(format string, args ...any) *finding {
		f := undecided(fmt.Sprintf(format, args...))
		return &f
	}
	for _, a := range c.traffic {
		if a.outcome != admitted || a.Error != "" || a.Status != 200 {
			return no("a request of the traffic was not answered as planned: %s", describe(a))
		}
		c.cached += cachedOf(a)
	}
	c.total, c.fell = tokensOf(c.traffic)+used(c.first.of), c.first.left-c.second.left
	c.slack = float64(aTokenEach * (len(c.traffic) + 1))
	if len(c.traffic) > 0 && c.traffic[0].Stream {
		c.slack += foreignTokenizer * float64(c.total)
	}
	switch {
	case c.cached == 0:
		return no("no %s with cached tokens were asked for", c.what)
	case !rested(c.traffic, c.second.of):
		return no("the counter was read less than %s after the traffic had ended", chargeDelay)
	}
	return nil
}

// basisWrong judges the bounds of what may be charged.
func (v *view) basisWrong(k keyView, c cachedTraffic) *finding {
	switch {
	case float64(c.fell) > float64(c.total)+c.slack:
		f := c.broken(c.what + " with cached tokens are charged more than they used")
		return &f
	case float64(c.fell) >= float64(c.total-c.cached)-c.slack:
		return nil
	case !v.still(v.firstOf(k), c.second.of):
		f := v.maybeRose(c)
		return &f
	}
	f := c.broken("of " + c.what + " with cached tokens not even the other tokens are charged")
	f.needs = asksToStand()
	return &f
}

func (v *view) maybeRose(c cachedTraffic) finding {
	return undecidedByClass(fmt.Sprintf("the counter fell by %d where %s used %d tokens, %d of them cached: too little was charged, or it refilled or turned meanwhile", c.fell, c.what, c.total, c.cached))
}
