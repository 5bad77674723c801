package reports

import (
	"fmt"
	"strconv"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

const (
	ms  = time.Millisecond
	sec = time.Second
)

// recorder writes the small histories that the reports are rendered from.
type recorder struct{ h history.History }

func record(plans ...history.Plan) *recorder {
	r := &recorder{h: history.History{Run: history.Run{Schema: history.Schema, Seed: 7, Window: 5 * sec, Ledger: true, Planned: plans}}}
	for _, p := range plans {
		r.h.Ends = append(r.h.Ends, history.End{Scenario: p.Scenario, At: 20 * sec})
	}
	return r
}

func plan(scenario string, asks ...string) history.Plan {
	return history.Plan{Scenario: scenario, Asks: asks}
}

func (r *recorder) key(scenario string, limits history.Limits) string {
	alias := "key-" + strconv.Itoa(len(r.h.Keys)+1)
	r.h.Keys = append(r.h.Keys, history.Key{Alias: alias, Scenario: scenario, Limits: limits})
	return alias
}

// send enters an attempt that took so long. It reached the provider, and was
// charged used tokens, if its status is 200.
func (r *recorder) send(key, step string, at, took time.Duration, status int, used int64, header map[string]string) *history.Attempt {
	h := &r.h
	id := len(h.Attempts) + 1
	maxTokens := int64(30)
	a := history.Attempt{
		ID: id, Step: step, Key: key, Nonce: fmt.Sprintf("n%d", id), Endpoint: "chat", Cap: 70, MaxTokens: &maxTokens,
		Intended: at, Sent: at, Headers: at + took, Done: at + took, Status: status, Header: header,
	}
	for _, k := range h.Keys {
		if k.Alias == key {
			a.Scenario = k.Scenario
		}
	}
	if status == 200 {
		usage := history.Usage{Total: used}
		a.Usage = &usage
		h.Calls = append(h.Calls, history.Call{ID: len(h.Calls) + 1, Nonce: a.Nonce, Received: at + ms, Done: at + took, Status: 200, Usage: usage})
	}
	h.Attempts = append(h.Attempts, a)
	return &h.Attempts[id-1]
}

func only(kind string, n int64) history.Limits {
	switch kind {
	case "requests":
		return history.Limits{Requests: &n}
	case "tokens":
		return history.Limits{Tokens: &n}
	}
	return history.Limits{Parallel: &n}
}

func telling(name string, n int64) map[string]string {
	return map[string]string{name: strconv.FormatInt(n, 10), "x-ratecheck-version": "0.1.0"}
}

// kept is a run in which all was kept.
func kept() *history.History {
	r := record(
		plan("requests-windows", "requests/limit-usable", "refusal/status", "refusal/retry-after"),
		plan("answers-quiet", "headers/on-answers", "headers/on-streams"),
		plan("tokens-concurrent", "tokens/limit-kept-concurrent"),
	)
	k := r.key("requests-windows", only("requests", 2))
	for i := range int64(2) {
		r.send(k, "burst-start", 0, 2*ms, 200, 8, telling("x-ratelimit-remaining-requests", 1-i))
	}
	for range 3 {
		r.send(k, "burst-start", 0, 2*ms, 429, 0, map[string]string{"retry-after": "5"})
	}
	k = r.key("answers-quiet", only("requests", 100))
	r.send(k, "plain", 10*ms, 2*ms, 200, 30, telling("x-ratelimit-remaining-requests", 99))
	r.send(k, "stream", 20*ms, 2*ms, 200, 30, telling("x-ratelimit-remaining-requests", 98)).Stream = true
	for i, limit := range []int64{1000, 1010} {
		k = r.key("tokens-concurrent", only("tokens", limit))
		at := sec + time.Duration(i)*1700*ms
		for range 5 {
			r.send(k, "burst", at, 900*ms, 200, 200, nil)
		}
		for range 20 {
			r.send(k, "burst", at, 3*ms, 429, 0, map[string]string{"retry-after": "5"})
		}
	}
	return &r.h
}

// others is a run that asked one requirement of several endpoints.
func others() *history.History {
	r := record(
		plan("answers-quiet", "headers/on-answers"),
		plan("endpoint-embeddings", "headers/on-answers"),
		plan("endpoint-messages", "headers/on-answers", "refusal/retry-after"),
	)
	for i, endpoint := range []string{history.Chat, history.Embeddings, history.Messages} {
		p := &r.h.Run.Planned[i]
		p.Endpoint = endpoint
		k := r.key(p.Scenario, only("requests", int64(20+i)))
		header := telling("x-ratelimit-remaining-requests", 19)
		if endpoint == history.Messages {
			header = nil
		}
		r.send(k, "plain", 10*ms, 2*ms, 200, 30, header).Endpoint = endpoint
		if endpoint == history.Messages {
			r.send(k, "refused", 20*ms, 2*ms, 429, 0, nil).Endpoint = endpoint
		}
	}
	r.h.Ends[1].Error = "POST /v1/embeddings is answered with 404"
	return &r.h
}

// broken is a run with every verdict that a judgement can have.
func broken() *history.History {
	r := record(
		plan("requests-windows", "requests/limit-usable", "refusal/status", "refusal/retry-after"),
		plan("answers-quiet", "headers/on-answers", "headers/on-streams"),
		plan("drift-rest", "drift/remaining-matches-usage"),
		plan("parallel-bursts", "parallel/limit-kept"),
		plan("tokens-slow-answer", "tokens/window-reopens"),
		plan("to-come", "requests/not-yet-known"),
	)
	r.h.Ends[3].Error = "needs ratecheck's provider behind the target (--provider-listen or --provider)"
	k := r.key("requests-windows", only("requests", 20))
	for range 2 {
		r.send(k, "burst-start", 0, 2*ms, 200, 8, nil)
	}
	for range 30 {
		a := r.send(k, "burst-start", 10*ms, 2*ms, 503, 0, nil)
		a.Excerpt = "{\n  \"error\": {\"message\": \"the limit of 20 requests is used up, come back later\"}\n}"
	}
	k = r.key("answers-quiet", only("requests", 100))
	r.send(k, "plain", 10*ms, 2*ms, 200, 30, map[string]string{"x-litellm-version": "1.82.3"})
	k = r.key("drift-rest", only("tokens", 4000))
	r.send(k, "probe-1", 0, 2*ms, 200, 40, telling("x-ratelimit-remaining-tokens", 3960))
	r.send(k, "traffic", 700*ms, 2*ms, 200, 100, nil)
	r.send(k, "traffic", 710*ms, 2*ms, 200, 80, nil).Stream = true
	r.send(k, "probe-2", 1400*ms, 2*ms, 200, 40, telling("x-ratelimit-remaining-tokens", 3737))
	k = r.key("tokens-slow-answer", only("tokens", 2000))
	a := r.send(k, "slow", 0, 6*sec, 0, 0, nil)
	a.Error, a.ErrorText, a.Headers = history.Cut, "unexpected EOF", 0
	return &r.h
}

// interrupted is a run that was broken off.
func interrupted() *history.History {
	h := kept()
	h.Ends = h.Ends[:2]
	h.Ends[1] = history.End{Scenario: "answers-quiet", At: sec, Error: "context canceled", Interrupted: true}
	return h
}

// torn is a run that was killed while it wrote.
func torn() *history.History {
	h := kept()
	h.Ends = h.Ends[:1]
	h.Torn = 117
	return h
}

// byClass is a run with a FAIL that stands because the class is known: its
// counter fell too little, and cannot have risen by itself.
func byClass() *history.History {
	r := record(plan("requests-windows", "requests/limit-kept"), plan("tokens-sequential", "tokens/limit-kept"), plan("drift-rest", "drift/remaining-matches-usage"))
	k := r.key("requests-windows", only("requests", 2))
	for i := range 6 {
		opens := time.Duration(i) * 6200 * ms
		for range 2 {
			r.send(k, "burst", opens, 2*ms, 200, 8, nil)
		}
		for range 8 {
			r.send(k, "burst", opens, 2*ms, 429, 0, nil)
		}
		r.send(k, "before", opens+4990*ms, 2*ms, 429, 0, nil)
	}
	k = r.key("drift-rest", only("tokens", 4000))
	r.send(k, "probe-1", 0, 2*ms, 200, 40, telling("x-ratelimit-remaining-tokens", 3960))
	r.send(k, "traffic", 700*ms, 2*ms, 200, 100, nil)
	r.send(k, "probe-2", 1400*ms, 2*ms, 200, 40, telling("x-ratelimit-remaining-tokens", 3900))
	return &r.h
}
