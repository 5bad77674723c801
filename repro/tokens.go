package repro

import (
	"fmt"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/scenarios"
)

// concurrentBypass is 18730: a burst passes a check that is made before and
// charged after.
func concurrentBypass() Repro {
	const tpm, burst, cost = 1000, 30, 200
	return Repro{
		ID: "litellm-18730", Issues: []string{"18730", "27001"},
		Title:      "a burst is admitted a multiple of its token limit",
		Signatures: []string{"concurrent TPM bypass", "TPM limit exceeded by concurrent requests", "concurrent requests allow overuse"},
		Mechanism: "A request is compared with what was charged so far, and charged after its answer. What is in flight is charged " +
			"nothing but one token each, so that any number of requests that come at once pass.",
		Expected:   fmt.Sprintf("%d of %d are admitted: %d tokens", tpm/cost, burst, tpm),
		Workaround: "a limit of requests in flight, or 1.85 or later with the reservation on",
		From:       v3Default, Before: reserves,
		Setup: Setup{Version: lastBroken}, Limits: history.Limits{Tokens: n(tpm)}, About: Tokens,
		Steps: func(time.Duration) []Step {
			return []Step{{Name: "burst", Times: burst, Shot: slow(time.Second, chat(10, cost-10)),
				What: fmt.Sprintf("%d at once of %d tokens; the answers take 1 s", burst, cost)}}
		},
		Judge: overshoot(tpm, tpm, "burst"),
		Controls: []Control{
			{Name: "1.88.0, which reserves", Setup: Setup{Version: "1.88.0"}},
			{Name: "1.94.0 with the reservation switched off", Setup: Setup{Version: gauge, Env: withoutReservation()}, Shows: true},
		},
	}
}

// overshoot judges how many tokens were admitted by steps within one window:
// more than most is a limit that was not kept.
func overshoot(limit, most int64, steps ...string) func(p *Played) Finding {
	return func(p *Played) Finding {
		got := p.tokensOf(p.admittedOf(steps...))
		return shownIf(got > most, "%d tokens were admitted of a limit of %d: %.1fx", got, limit, float64(got)/float64(limit))
	}
}

// oneByOne are requests in turn, each after the one before was charged.
func oneByOne(times int, shot scenarios.Shot, what string) ([]Step, []string) {
	var steps []Step
	var names []string
	for i := range times {
		step := Step{Name: fmt.Sprintf("request-%d", i+1), Shot: shot, What: what}
		if i > 0 {
			step.After, step.Wait = names[i-1], 300*time.Millisecond
		}
		steps, names = append(steps, step), append(names, step.Name)
	}
	return steps, names
}

// uncounted is a story of requests one by one, of which all are admitted
// because their tokens are not counted. All come within the shortest window.
func uncounted(r Repro, shot scenarios.Shot, what string) Repro {
	const tpm, times, cost = 1000, 10, 200
	// A limiter that charges after the answer lets one more pass, and one that
	// is slow to charge another one.
	const lawful = tpm + 2*cost
	steps, names := oneByOne(times, shot, what)
	r.Limits, r.About = history.Limits{Tokens: n(tpm)}, Tokens
	r.Steps = func(time.Duration) []Step { return steps }
	r.Judge = overshoot(tpm, lawful, names...)
	r.Expected = fmt.Sprintf("%d of %d are admitted, one or two more by a limiter that charges after the answer", tpm/cost, times)
	return r
}

// outputOnly is 17664, in the figures in which it was measured: 850 tokens of 500,
// and some more where charges are late.
func outputOnly() Repro {
	const tpm, times, prompt, completion = 500, 20, 20, 30
	const cost = prompt + completion
	// A limiter that charges up to 0.5 s after the answer is ahead by what is
	// asked meanwhile.
	const lawful = tpm + 6*cost
	var names []string
	for i := range times {
		names = append(names, fmt.Sprintf("request-%d", i+1))
	}
	return Repro{
		ID: "litellm-17664", Issues: []string{"17664", "18953"},
		Title:      "only the tokens of the answer are counted",
		Signatures: []string{"TPM counts only output tokens", "token_rate_limit_type output", "prompt tokens not counted"},
		Mechanism: fmt.Sprintf("token_rate_limit_type is output where nobody sets it: of a request of %d and %d tokens %d are charged, and one for the request itself.",
			prompt, completion, completion),
		Expected:   fmt.Sprintf("%d of %d are admitted, a few more by a limiter that charges after the answer", tpm/cost, times),
		Workaround: "general_settings: token_rate_limit_type: total",
		From:       v3Default, Before: "1.81.0",
		Setup: Setup{Version: "1.80.0"}, Limits: history.Limits{Tokens: n(tpm)}, About: Tokens,
		Steps: func(w time.Duration) []Step {
			var steps []Step
			for i, name := range names {
				step := Step{Name: name, Shot: chat(prompt, completion), What: fmt.Sprintf("%d tokens, %d of them in the prompt", cost, prompt)}
				if i > 0 {
					// All come within the shortest window, which is a second shorter.
					step.After, step.Wait = names[i-1], w*3/(5*times)
				}
				steps = append(steps, step)
			}
			return steps
		},
		Judge:    overshoot(tpm, lawful, names...),
		Controls: []Control{{Name: "1.82.3", Setup: Setup{Version: lastBroken}}},
	}
}

func responsesUncounted() Repro {
	return uncounted(Repro{
		ID: "litellm-17706", Issues: []string{"17706", "17707"},
		Title:      "the tokens of /v1/responses are not counted",
		Signatures: []string{"TPM not enforced on responses API", "/v1/responses TPM rate limit"},
		Mechanism:  "The usage of a response is of a class that the limiter does not read: a request costs the one token that it is charged beforehand.",
		Workaround: "run 1.80.10 or later",
		From:       v3Default, Before: "1.80.10",
		Setup: Setup{Version: "1.80.0"},
		Controls: []Control{
			{Name: "1.82.3", Setup: Setup{Version: lastBroken}},
		},
	}, on(history.Responses, chat(20, 180)), "200 tokens on /v1/responses")
}

func embeddingsUncounted() Repro {
	return uncounted(Repro{
		ID: "litellm-27738", Issues: []string{"27738", "30105"},
		Title:      "the tokens of embeddings and text completions are not counted",
		Signatures: []string{"TPM not enforced for embeddings", "embeddings tokens not counted in rate limit"},
		Mechanism:  "The limiter reads the usage of chat and of responses only. What else was reserved is given back whole.",
		Workaround: "run 1.91 or later",
		From:       v3Default, Before: "1.91.0",
		Setup: Setup{Version: lastBroken},
		Controls: []Control{
			{Name: "1.94.0", Setup: Setup{Version: gauge}},
		},
	}, on(history.Embeddings, chat(200, 0)), "200 tokens on /v1/embeddings")
}

// responsesBurst is 34728: of responses the input alone is reserved.
func responsesBurst() Repro {
	const tpm, burst, cost = 1000, 30, 200
	return Repro{
		ID: "litellm-34728", Issues: []string{"34728"},
		Title:      "a burst on /v1/responses is admitted a multiple of its token limit",
		Signatures: []string{"responses reserves 1 token", "max_output_tokens ignored by rate limiter"},
		Mechanism: "A body with an input is taken for one of embeddings, which have no output: max_output_tokens is not looked at, " +
			"and a handful of tokens is reserved. Up to 1.84 nothing at all is reserved (18730).",
		Expected:   fmt.Sprintf("%d of %d are admitted: %d tokens", tpm/cost, burst, tpm),
		Workaround: "none known",
		From:       v3Default, Before: "1.99.0",
		Setup: Setup{Version: "1.88.0"}, Limits: history.Limits{Tokens: n(tpm)}, About: Tokens,
		Steps: func(time.Duration) []Step {
			return []Step{{Name: "burst", Times: burst, Shot: slow(time.Second, on(history.Responses, chat(10, cost-10))),
				What: fmt.Sprintf("%d at once of %d tokens on /v1/responses, with max_output_tokens; the answers take 1 s", burst, cost)}}
		},
		Judge: overshoot(tpm, tpm, "burst"),
		Controls: []Control{
			{Name: "1.109.1", Setup: Setup{Version: newest}},
		},
	}
}

// smallLimit is 28805: the first request of a small key.
func smallLimit() Repro {
	const tpm = 1000
	shot := chat(10, 10)
	shot.MaxTokens = scenarios.NoMaxTokens
	return Repro{
		ID: "litellm-28805", Issues: []string{"28805", "29191", "29193"},
		Title:      "a key with a small token limit is refused its first request",
		Signatures: []string{"first request 429 with full remaining", "small TPM limit always 429", "Rate limit exceeded Current limit: 1000, Remaining: 1000"},
		Mechanism:  "Without max_tokens 1024 tokens are reserved for the answer, however small the limit is: more than the key ever has.",
		Expected:   "20 tokens of 1000 are admitted",
		Workaround: "send max_tokens, or run 1.88 or later",
		From:       reserves, Before: "1.88.0",
		Setup: Setup{Version: reserves}, Limits: history.Limits{Tokens: n(tpm)}, About: Tokens,
		Steps: func(time.Duration) []Step {
			return []Step{{Name: "first", Shot: shot, What: "20 tokens, no max_tokens, on a fresh key"}}
		},
		Judge: func(p *Played) Finding {
			return shownIf(refused(p.one("first")), "the first request of a key with %d tokens was answered %s", tpm, answerOf(p.one("first")))
		},
		Controls: []Control{{Name: "1.88.0", Setup: Setup{Version: "1.88.0"}}},
	}
}
