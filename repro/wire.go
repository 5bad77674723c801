package repro

import (
	"fmt"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/scenarios"
)

const remainingHeader = "x-ratelimit-api_key-remaining-"

// rateHeaders counts the key's rate headers of an answer.
func rateHeaders(a history.Attempt) int {
	count := 0
	for name := range a.Header {
		if strings.HasPrefix(name, "x-ratelimit-api_key-") {
			count++
		}
	}
	return count
}

// withoutHeaders judges whether a step has no rate headers while plain chat has.
func withoutHeaders(what string, steps ...string) func(p *Played) Finding {
	return func(p *Played) Finding {
		if f, ok := p.served(append([]string{"plain"}, steps...)...); !ok {
			return f
		}
		have := rateHeaders(p.one("plain"))
		if have == 0 {
			return Finding{Untold, "a plain answer of chat has no rate headers either"}
		}
		var bare []string
		for _, step := range steps {
			if rateHeaders(p.one(step)) == 0 {
				bare = append(bare, step)
			}
		}
		return shownIf(len(bare) > 0, "%d of %d %s carry none of the %d rate headers that a plain answer of chat has", len(bare), len(steps), what, have)
	}
}

// fullKey has limits that no story comes near.
func fullKey() history.Limits { return history.Limits{Requests: n(100), Tokens: n(100_000)} }

func headersOnStreams() Repro {
	some := chat(4, 4)
	return Repro{
		ID: "litellm-27748", Issues: []string{"27748", "27747", "32711"},
		Title: "streams carry no rate headers",
		Signatures: []string{
			"x-ratelimit-remaining / x-ratelimit-limit headers missing on streaming responses",
			"LiteLLM Drops x-ratelimit-* Headers on Streaming Responses", "v3 parallel_request_limiter Bug",
			"missing rate limit headers on litellm streaming api responses",
		},
		Mechanism: "The limiter writes its headers in a hook that runs when an answer is there. The headers of a stream have been " +
			"sent by then, and no hook of the limiter runs before that.",
		Expected:   "the headers that a plain answer has; they are known before the call",
		Workaround: "none known; the counters themselves are right",
		From:       v3Default,
		Setup:      Setup{Version: newest}, Limits: fullKey(), About: Requests,
		Steps: func(time.Duration) []Step {
			return []Step{
				{Name: "plain", Shot: some, What: "chat"},
				{Name: "chat", After: "plain", Shot: streamed(some), What: "chat, streamed"},
				{Name: "responses", After: "chat", Shot: streamed(on(history.Responses, maxOutput(some, 16))), What: "/v1/responses, streamed"},
				{Name: "messages", After: "responses", Shot: streamed(on(history.Messages, some)), What: "/v1/messages, streamed"},
			}
		},
		Judge: withoutHeaders("streams", "chat", "responses", "messages"),
	}
}

func maxOutput(s scenarios.Shot, most int64) scenarios.Shot {
	s.MaxTokens = most
	return s
}

func headersOnMessages() Repro {
	some := chat(4, 4)
	return Repro{
		ID: "litellm-27748-dicts", Issues: []string{"27748"},
		Title:      "answers of /v1/messages carry no rate headers, streamed or not",
		Signatures: []string{"headers missing on plain-dict responses", "no x-ratelimit headers on /v1/messages"},
		Mechanism:  "The hook that writes the headers wants an object with hidden parameters; the answer of /v1/messages is a plain dict and has none.",
		Expected:   "the headers that an answer of chat has",
		Workaround: "none known",
		From:       v3Default, Before: resetsAll,
		Setup: Setup{Version: lastBroken}, Limits: fullKey(), About: Requests,
		Steps: func(time.Duration) []Step {
			return []Step{
				{Name: "plain", Shot: some, What: "chat"},
				{Name: "messages", After: "plain", Shot: on(history.Messages, some), What: "/v1/messages"},
			}
		},
		Judge:    withoutHeaders("answers of /v1/messages", "messages"),
		Controls: []Control{{Name: "1.109.1", Setup: Setup{Version: newest}}},
	}
}

// upstreamHas judges whether the provider received a text in the body of a step.
func upstreamHas(step, text string) func(p *Played) Finding {
	return func(p *Played) Finding {
		if f, ok := p.served(step); !ok {
			return f
		}
		body := p.Calls[p.one(step).Nonce].Body
		if body == "" {
			return Finding{Untold, "the provider kept no body"}
		}
		if at := strings.Index(body, text); at >= 0 {
			const excerpt = 60
			return Finding{Reproduced, fmt.Sprintf("the provider received …%s…", body[at:min(len(body), at+excerpt)])}
		}
		return Finding{NotReproduced, "the provider received no field of the limiter"}
	}
}

func kept(s scenarios.Shot) scenarios.Shot {
	s.Script.KeepBody = true
	return s
}

const stash = "_litellm_"

func internalFields() Repro {
	return Repro{
		ID: "litellm-27913", Issues: []string{"27913", "28146", "30544", "30545"},
		Title:      "fields of the limiter are sent to the provider",
		Signatures: []string{"_litellm_rate_limit_descriptors", "Unknown parameter _litellm_tpm", "unrecognized request argument supplied: _litellm"},
		Mechanism:  "The limiter keeps its notes on a request in the request's own body, at the top level, and the body is what is sent upstream.",
		Expected:   "the provider receives what the client sent",
		Workaround: "run 1.86 or later",
		From:       reserves, Before: "1.86.0",
		Setup: Setup{Version: reserves}, Limits: history.Limits{Tokens: n(5000)}, About: Tokens,
		Steps: func(time.Duration) []Step {
			return []Step{{Name: "chat", Shot: kept(chat(4, 4)), What: "chat"}}
		},
		Judge:    upstreamHas("chat", stash),
		Controls: []Control{{Name: "1.88.0", Setup: Setup{Version: "1.88.0"}}},
	}
}

func internalMetadata() Repro {
	return Repro{
		ID: "litellm-35197", Issues: []string{"35197"},
		Title:      "metadata of the limiter is sent to the provider on /v1/responses",
		Signatures: []string{"_litellm_tpm_reserved_model", "responses metadata _litellm_proxy_rate_limit_response"},
		Mechanism:  "The limiter keeps its notes on a request in its metadata, which on /v1/responses is a field of the provider's.",
		Expected:   "the provider receives what the client sent",
		Workaround: "run 1.99 or later",
		From:       reserves, Before: "1.99.0",
		Setup: Setup{Version: "1.88.0"}, Limits: history.Limits{Tokens: n(5000)}, About: Tokens,
		Steps: func(time.Duration) []Step {
			return []Step{{Name: "responses", Shot: kept(maxOutput(on(history.Responses, chat(4, 4)), 16)), What: "/v1/responses"}}
		},
		Judge:    upstreamHas("responses", stash),
		Controls: []Control{{Name: "1.109.1", Setup: Setup{Version: newest}}},
	}
}

func localReset() Repro {
	const ahead = 2 * time.Hour
	zone := map[string]string{"TZ": "Etc/GMT-2"} // two hours ahead of UTC; the name counts the other way
	return Repro{
		ID: "litellm-39816", Issues: []string{"39816"},
		Title:      "reset_at is local time and says that it is UTC",
		Signatures: []string{"reset_at wrong timezone", "Limit resets at UTC local time"},
		Mechanism:  "The time of the reset is written in the machine's time zone, with the letters UTC behind it.",
		Expected:   "reset_at is at most a window away",
		Workaround: "run the proxy with TZ=UTC; read retry-after",
		From:       v3Default, Before: resetsAll,
		Setup: Setup{Version: lastBroken, Env: zone}, Limits: history.Limits{Requests: n(1)}, About: Requests,
		Steps: func(time.Duration) []Step {
			return []Step{
				{Name: "first", Shot: chat(2, 2), What: "one request"},
				{Name: "refused", After: "first", Shot: chat(2, 2), What: "another on a key that has one"},
			}
		},
		Judge: func(p *Played) Finding {
			a := p.one("refused")
			if !refused(a) {
				return Finding{Untold, "the second request was answered " + answerOf(a)}
			}
			moment, err := history.ReadMoment(a.Header["reset_at"])
			if err != nil {
				return Finding{Untold, "reset_at could not be read: " + err.Error()}
			}
			const slack = time.Minute
			return shownIf(moment.After > ahead-slack, "reset_at is %s away; a window is %s long", moment.After.Round(time.Second), p.Window)
		},
		Controls: []Control{
			{Name: "a machine in UTC", Setup: Setup{Version: lastBroken, Env: map[string]string{"TZ": "UTC"}}},
			{Name: "1.109.1 two hours ahead", Setup: Setup{Version: newest, Env: zone}},
		},
	}
}
