package repro

import (
	"fmt"
	"slices"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/scenarios"
)

// windowKey is the recipe that proves 24677: what a window passed over is
// refused all the same.
func windowKey() Repro {
	const tpm = 100
	both := history.Limits{Requests: n(requestLimit), Tokens: n(tpm)}
	whole := scenarios.Shot{
		// The nonce stands in stop, so that the prompt costs nothing and a limit
		// of 100 has room for an answer of 100.
		MaxTokens: tpm, NonceInStop: true, Script: history.Script{CompletionTokens: tpm},
	}
	one := scenarios.Shot{MaxTokens: 1, NonceInStop: true, Script: history.Script{CompletionTokens: 1}}
	return Repro{
		ID: "litellm-24677", Issues: []string{"24677", "18953"},
		Title: "a key with a request limit and a token limit is refused although its tokens are long over",
		Signatures: []string{
			"Incorrect TPM limiting for virtual keys", "Incorrect TPM limiting for virtual keys — rate limit not enforced correctly",
			"LiteLLM Incorrect TPM Rate Limiting for Virtual Keys", "LiteLLM virtual key rate limit",
			"LiteLLM TPM enforcement", "LiteLLM proxy rate limiting bug",
		},
		Mechanism: "The counters of a key share one window mark. When the window turns, the request counter comes first: " +
			"it sees that the window is over, marks a new one, and begins at 1. The token counter comes second, sees a window " +
			"that is open, and goes on from what it was. It is gone only by its own expiry, which began when the slow answer " +
			"was charged: 600 s in memory, one window in Redis, where moreover the process's own copy of a counter over its " +
			"limit refuses for a window without looking at Redis.",
		Expected:   "the tokens of the slow answer are over one window after it at the latest, and the requests behind that are admitted",
		Workaround: "leave out the request limit of keys that have a token limit, or run 1.85 or later with the reservation on",
		From:       v3Default, Before: reserves,
		Setup: Setup{Version: lastBroken}, Limits: both, About: Tokens,
		Steps: func(w time.Duration) []Step {
			return []Step{
				{Name: "slow", Shot: slow(w+time.Second, whole), What: fmt.Sprintf("%d tokens, the whole limit; the answer takes %s", tpm, w+time.Second)},
				{Name: "touch", After: "slow", Wait: w - 700*time.Millisecond, Shot: one, What: "1 token, less than a window after the answer"},
				{Name: "behind", After: "slow", Wait: w + settled, Shot: one, What: "1 token, more than a window after the answer"},
				{Name: "later", After: "slow", Wait: w + 2*time.Second, Shot: one, What: "1 token"},
				{Name: "last", After: "slow", Wait: 2*w - time.Second, Shot: one, What: "1 token"},
			}
		},
		Poll: &Step{Wait: 2 * time.Second, Shot: one},
		Judge: func(p *Played) Finding {
			if f, ok := p.served("slow"); !ok {
				return f
			}
			a := p.one("behind")
			quiet := p.quietFor(a.Sent)
			if quiet < p.Window {
				return Finding{NotReproduced, fmt.Sprintf("what came after the slow answer was admitted, the last %.1f s before", quiet.Seconds())}
			}
			return shownIf(refused(a), "%.1f s after the last token was used a request for one token was answered %s", quiet.Seconds(), answerOf(a))
		},
		Controls: []Control{
			{Name: "a token limit alone", Setup: Setup{Version: lastBroken}, Limits: &history.Limits{Tokens: n(tpm)}},
			{Name: "a request limit alone", Setup: Setup{Version: lastBroken}, Limits: &history.Limits{Requests: n(requestLimit)}},
			{Name: "1.88.0, which reserves", Setup: Setup{Version: "1.88.0"}},
			{Name: "1.94.0, which reserves", Setup: Setup{Version: gauge}},
			{Name: "1.94.0 with the reservation switched off", Setup: Setup{Version: gauge, Env: withoutReservation()}, Shows: true},
			{Name: "1.109.1 with the reservation switched off", Setup: Setup{Version: newest, Env: withoutReservation()}},
		},
	}
}

func withoutReservation() map[string]string {
	return map[string]string{"LITELLM_TPM_TOKEN_RESERVATION_ENABLED": "false"}
}

// memoryLockout is B-fast of 24677: ten minutes in memory.
func memoryLockout() Repro {
	const tpm, rounds = 100, 14
	some := chat(3, 27) // 30, and its estimate is another number
	some.MaxTokens = 30
	first := some
	first.MaxTokens = 40
	every := func(w time.Duration) time.Duration { return 2 * w / 5 }
	return Repro{
		ID: "litellm-memory-lockout", Issues: []string{"24677", "18953"},
		Title:      "in memory a key that uses less than its limit is locked out for ten minutes",
		Signatures: []string{"cooldown usually 2 minutes, up to 5", "TPM lockout for ten minutes", "key blocked for 10 minutes"},
		Mechanism: "A charge behind an answer that finds no token counter makes one, and the increment drops the time that it " +
			"was given: the counter lives for the 600 s that the memory gives to what has no time of its own. The window mark is " +
			"shared with the request counter, which renews it first, so that no window ever resets the tokens: they add up until " +
			"they are over the limit, and stay there for the rest of the ten minutes.",
		Expected:   "at most 90 tokens a window on a key that has 100: no request is refused",
		Workaround: "give it Redis, or leave out the request limit, or run 1.103 or later",
		From:       v3Default, Before: resetsAll, MemoryOnly: true,
		Setup: Setup{Version: "1.88.0"}, Limits: history.Limits{Requests: n(requestLimit), Tokens: n(tpm)}, About: Tokens,
		Steps: func(w time.Duration) []Step {
			steps := []Step{{Name: "slow", Shot: slow(w+time.Second, first), What: fmt.Sprintf("30 tokens; the answer takes %s", w+time.Second)}}
			for i := range rounds {
				steps = append(steps, Step{Name: fmt.Sprintf("round-%d", i+1), After: steps[0].Name, Wait: time.Duration(i+1) * every(w), Shot: some, What: "30 tokens"})
			}
			return steps
		},
		Poll: &Step{Wait: 2 * time.Second, Shot: some},
		Judge: func(p *Played) Finding {
			from, until := time.Duration(-1), time.Duration(0)
			for _, step := range p.Steps {
				a := p.one(step.Name)
				switch {
				case admitted(a):
					from = -1
				case from < 0:
					from = a.Sent
				}
				until = a.Sent
			}
			if p.PolledTo > 0 {
				until = p.PolledTo
			}
			const threeWindows = 3
			if from < 0 {
				return Finding{NotReproduced, "the last request was admitted"}
			}
			locked := until - from
			text := fmt.Sprintf("refused from %.0f s to %.0f s, %.1f windows long, with %d tokens used in the window before the last",
				from.Seconds(), until.Seconds(), float64(locked)/float64(p.Window), p.usedBefore(Tokens, until))
			if p.OpenAgain > 0 {
				text += fmt.Sprintf("; admitted again at %.0f s", p.OpenAgain.Seconds())
			}
			return shownIf(locked >= threeWindows*p.Window, "%s", text)
		},
		Controls: []Control{
			{Name: "a token limit alone", Setup: Setup{Version: "1.88.0"}, Limits: &history.Limits{Tokens: n(tpm)}},
			{Name: "with Redis", Setup: Setup{Version: "1.88.0", Redis: true}},
			{Name: "1.109.1", Setup: Setup{Version: newest}},
		},
	}
}

// rolloverRefund gives back into a window what was reserved in the one before.
func rolloverRefund() Repro {
	const tpm, held, each = 1000, 4, 200
	reserve := scenarios.Shot{MaxTokens: each, Script: history.Script{PromptTokens: 1, CompletionTokens: 1}}
	const times, cost = 8, 250
	// A limiter that charges after the answer lets one more pass, and one that
	// is slow to charge another one.
	const lawful = tpm + 2*cost
	var names []string
	for i := range times {
		names = append(names, fmt.Sprintf("use-%d", i+1))
	}
	return Repro{
		ID:         "litellm-rollover-refund",
		Title:      "reservations that are settled in the next window take its counter below zero, and it admits more than the limit",
		Signatures: []string{"remaining tokens above the limit", "x-ratelimit-api_key-remaining-tokens larger than limit", "negative token counter"},
		Mechanism: "A request reserves its estimate in the window in which it comes. Its settlement adds what it used less what it " +
			"reserved to the counter, whatever window is open by then: what was taken from the old window is given to the new one.",
		Expected:   "what was reserved in one window is settled in that window, or not at all when it is over",
		Workaround: "none known, but for max_tokens close to what is used",
		From:       reserves,
		Setup:      Setup{Version: gauge}, Limits: history.Limits{Tokens: n(tpm)}, About: Tokens,
		Steps: func(w time.Duration) []Step {
			const hold = 3400 * time.Millisecond
			steps := []Step{
				{Name: "open", Shot: chat(1, 1), What: "2 tokens, which open the window"},
				{Name: "reserve", Wait: w - 2*time.Second, Times: held, Shot: slow(hold, reserve),
					What: fmt.Sprintf("%d at once, max_tokens %d; each takes %s and uses 2", held, each, hold)},
				{Name: "turn", Wait: w + settled, Shot: chat(1, 1), What: "2 tokens, in the next window"},
			}
			for i, name := range names {
				steps = append(steps, Step{Name: name, After: "reserve", Wait: settled + time.Duration(i)*cost*time.Millisecond,
					Shot: chat(10, cost-10), What: fmt.Sprintf("%d tokens", cost)})
			}
			return steps
		},
		Judge: func(p *Played) Finding {
			if f, ok := p.served("open", "reserve", "turn"); !ok {
				return f
			}
			got := p.tokensOf(p.admittedOf(names...))
			text := fmt.Sprintf("the next window admitted %d tokens of a limit of %d", got, tpm)
			if left := p.one(names[0]).Header[remainingHeader+"tokens"]; left != "" {
				text += "; its first answer said that " + left + " were left"
			}
			return shownIf(got > lawful, "%s", text)
		},
		Controls: []Control{{Name: "1.82.3, which does not reserve", Setup: Setup{Version: lastBroken}}},
	}
}

// sortedSteps are the steps by the time of their first request.
func (p *Played) sortedSteps() []Step {
	steps := slices.Clone(p.Steps)
	slices.SortStableFunc(steps, func(a, b Step) int { return int(p.one(a.Name).Sent - p.one(b.Name).Sent) })
	return steps
}
