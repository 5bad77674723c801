package scenarios

import (
	"context"
	"slices"

	"github.com/ratecheck/ratecheck/history"
)

// endpoint asks of another endpoint than chat what must be the same on all: what
// is told, what is counted and how it is refused. It does so on one key with a
// request limit and a token limit. All its plain requests use the same, so that
// what is left never rises. If tokens are not counted, the request limit ends it.
type endpoint struct {
	name     string
	rpm, tpm int64
}

const (
	endpointTraffic = 3 // plain requests that are counted
	endpointStreams = 2 // streams that are counted
	endpointTries   = 20
	endpointRefused = 4 // requests beyond the first that was refused
)

func endpointCompletions() Scenario { return endpoint{history.Completions, 22, 700}.scenario() }
func endpointEmbeddings() Scenario  { return endpoint{history.Embeddings, 19, 410}.scenario() }
func endpointResponses() Scenario   { return endpoint{history.Responses, 23, 710}.scenario() }
func endpointMessages() Scenario    { return endpoint{history.Messages, 24, 720}.scenario() }

// streams says whether the endpoint has streams.
func (e endpoint) streams() bool { return e.name != history.Embeddings }

// only leaves out the requirements on streams where there are none.
func (e endpoint) only(asks ...string) []string {
	if e.streams() {
		return asks
	}
	return slices.DeleteFunc(asks, func(id string) bool {
		return id == "headers/on-streams" || id == "tokens/streams-counted" || id == "refusal/before-stream"
	})
}

func (e endpoint) headers() []string {
	return e.only("headers/on-answers", "headers/on-streams", "headers/limit-true", "headers/remaining-true", "headers/litellm-typed")
}

func (e endpoint) counts() []string {
	return e.only("drift/remaining-matches-usage", "tokens/streams-counted", "tokens/endpoints-counted")
}

func (e endpoint) refusals() []string {
	return e.only("refusal/status", "refusal/before-stream", "refusal/retry-after", "refusal/body", "refusal/names-limit")
}

// forwarding is asked of the one endpoint on which limiters are known to let
// fields of their own slip.
func (e endpoint) forwarding() []string {
	if e.name == history.Responses {
		return []string{"forwarding/no-internal-fields"}
	}
	return nil
}

// The tokens of a request. A stream uses so many that it can be told from the
// plain ones where only the refusal tells that the limit is reached.
const (
	endpointCost       = 40
	endpointStreamCost = 150
)

func (e endpoint) shot(step string, stream bool, asks []string) Shot {
	s := costing(step, asks, endpointCost/2, endpointCost/2)
	switch {
	case !e.streams():
		s = costing(step, asks, endpointCost, 0)
	case stream:
		s = costing(step, asks, 30, endpointStreamCost-30)
	}
	s.Endpoint, s.Stream = e.name, stream
	return s
}

func (e endpoint) scenario() Scenario {
	sentence := "four plain requests, two streams between probes, and plain requests until one is refused; then two of each, on one key"
	requests := 1 + endpointTraffic + 1 + endpointStreams + 1 + endpointTries + endpointRefused
	if !e.streams() {
		sentence = "five requests, and more until one is refused; then four, on one key"
		requests -= endpointStreams + 1
	}
	return Scenario{
		Name: "endpoint-" + e.name, Endpoint: e.name,
		Sentence:      "on " + history.EndpointPath(e.name) + " " + sentence,
		Asks:          slices.Concat(e.headers(), e.counts(), e.refusals(), e.forwarding()),
		NeedsProvider: true,
		Plan: Plan{
			Keys: 1, Requests: requests, Tokens: int64(requests)*endpointCost + (endpointStreams+endpointRefused)*endpointStreamCost,
			Windows: 0.5, Seconds: 3,
		},
		Play: e.play,
	}
}

func (e endpoint) play(ctx context.Context, s *Stage) error {
	// A window of a limiter that keeps time in whole seconds is then whole.
	if err := s.untilFraction(ctx, secondBegun); err != nil {
		return err
	}
	key, err := s.Key(ctx, history.Limits{Requests: limit(e.rpm), Tokens: limit(e.tpm)})
	if err != nil {
		return err
	}
	send := func(n int, step string, stream bool, asks []string) error {
		for range n {
			if _, err := s.Send(ctx, key, e.shot(step, stream, asks)); err != nil {
				return err
			}
		}
		return nil
	}
	const drift, streams, counted = "drift/remaining-matches-usage", "tokens/streams-counted", "tokens/endpoints-counted"
	probe := e.shot("probe-1", false, slices.Concat(e.headers(), []string{drift, counted}, e.forwarding()))
	probe.Script.KeepBody = e.forwarding() != nil
	first, err := s.Send(ctx, key, probe)
	if err != nil {
		return err
	}
	if err := send(endpointTraffic, "traffic", false, append(e.headers(), drift, counted)); err != nil {
		return err
	}
	if err := s.Wait(ctx, settleTime); err != nil {
		return err
	}
	if err := send(1, "probe-2", false, slices.Concat(e.headers(), e.counts())); err != nil {
		return err
	}
	if e.streams() {
		if err := send(endpointStreams, "traffic-streams", true, append(e.headers(), streams, counted)); err != nil {
			return err
		}
		if err := s.Wait(ctx, settleTime); err != nil {
			return err
		}
		if err := send(1, "probe-3", false, []string{"headers/on-answers", "headers/limit-true", streams, counted}); err != nil {
			return err
		}
	}
	if err := e.fill(ctx, s, key, countsTokens(first)); err != nil {
		return err
	}
	for i := range endpointRefused {
		if err := send(1, "refused", e.streams() && i%2 == 0, e.refusals()); err != nil {
			return err
		}
	}
	return nil
}

// fill asks until a request is refused. Where the counter was told already it
// does not wait for charges, so that the window does not turn meanwhile.
func (e endpoint) fill(ctx context.Context, s *Stage, key *Key, told bool) error {
	shot := e.shot("fill", false, slices.Concat(e.counts(), e.refusals()))
	if !told {
		return s.fillUp(ctx, key, endpointTries, shot)
	}
	for range endpointTries {
		a, err := s.Send(ctx, key, shot)
		if err != nil || a.Status != 200 {
			return err
		}
	}
	return nil
}
