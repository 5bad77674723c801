package scenarios

import (
	"context"

	"github.com/ratecheck/ratecheck/history"
)

// counted is a scenario that sends traffic between two equal probes and lets it
// come to rest. Without token headers the rest of a smaller limit is filled up.
type counted struct {
	name, sentence string
	asks           []string
	tpm, fillTPM   int64
	traffic        []Shot
}

const (
	countedFill  = 60 // tokens of a request that fills up
	countedTries = 20
)

func (c counted) scenario() Scenario {
	var tokens int64
	for _, shot := range c.traffic {
		tokens += shot.Script.PromptTokens + shot.Script.CompletionTokens
	}
	return Scenario{
		Name: c.name, Sentence: c.sentence + "; without token headers the rest of the limit is filled up",
		Asks: c.asks, NeedsProvider: true,
		Plan: Plan{
			Keys: 2, Requests: 2 + 2*len(c.traffic) + countedTries, Tokens: 2*40 + 2*tokens + countedTries*countedFill,
			Windows: 0.7, Seconds: 3,
		},
		Play: c.play,
	}
}

func (c counted) play(ctx context.Context, s *Stage) error {
	key, err := s.Key(ctx, history.Limits{Tokens: limit(c.tpm)})
	if err != nil {
		return err
	}
	first, err := s.probeTokens(ctx, key, "probe-1", c.asks)
	if err != nil {
		return err
	}
	if countsTokens(first) {
		if err := c.send(ctx, s, key); err != nil {
			return err
		}
		_, err := s.probeTokens(ctx, key, "probe-2", c.asks)
		return err
	}
	other, err := s.Key(ctx, history.Limits{Tokens: limit(c.fillTPM)})
	if err != nil {
		return err
	}
	if err := c.send(ctx, s, other); err != nil {
		return err
	}
	return s.fillUp(ctx, other, countedTries, costing("fill", c.asks, countedFill/3, countedFill-countedFill/3))
}

func (c counted) send(ctx context.Context, s *Stage, key *Key) error {
	for _, shot := range c.traffic {
		shot.Step, shot.Asks = "traffic", c.asks
		if _, err := s.Send(ctx, key, shot); err != nil {
			return err
		}
	}
	return s.Wait(ctx, settleTime)
}

// driftRest sends requests of different shapes, with max_tokens that are met
// and that are far too high.
func driftRest() Scenario {
	return counted{
		name: "drift-rest", sentence: "five requests of different shapes between two equal probes",
		asks: []string{"drift/remaining-matches-usage"}, tpm: 4000, fillTPM: 1200,
		traffic: []Shot{
			{MaxTokens: 70, Script: history.Script{PromptTokens: 30, CompletionTokens: 70}},
			{Stream: true, MaxTokens: 100, Script: history.Script{PromptTokens: 20, CompletionTokens: 60}},
			{MaxTokens: 200, Script: history.Script{PromptTokens: 10, CompletionTokens: 20}},
			{Stream: true, MaxTokens: 40, Script: history.Script{PromptTokens: 50, CompletionTokens: 40}},
			{MaxTokens: 300, Script: history.Script{PromptTokens: 10, CompletionTokens: 1}},
		},
	}.scenario()
}

// countedStreams sends streams whose client asks for usage.
func countedStreams() Scenario {
	stream := Shot{Stream: true, MaxTokens: 80, Script: history.Script{PromptTokens: 20, CompletionTokens: 80, Chunks: 5}}
	return counted{
		name: "counted-streams", sentence: "three streams between two equal probes",
		asks: []string{"tokens/streams-counted"}, tpm: 4100, fillTPM: 1210,
		traffic: []Shot{stream, stream, stream},
	}.scenario()
}

// countedSilentStreams sends streams whose client does not ask for usage, and
// whose provider therefore tells none unless the proxy asks.
func countedSilentStreams() Scenario {
	stream := Shot{Stream: true, WithoutUsage: true, MaxTokens: 160, Script: history.Script{PromptTokens: 40, CompletionTokens: 160, Chunks: 5}}
	return counted{
		name: "counted-silent-streams", sentence: "three streams without stream_options between two equal probes",
		asks: []string{"tokens/streams-without-usage-counted"}, tpm: 4200, fillTPM: 1220,
		traffic: []Shot{stream, stream, stream},
	}.scenario()
}

// countedSurplus sends requests whose max_tokens are far above what comes.
func countedSurplus() Scenario {
	wide := Shot{MaxTokens: 600, Script: history.Script{PromptTokens: 10, CompletionTokens: 10}}
	return counted{
		name: "counted-surplus", sentence: "three requests with max_tokens 600 that use 10, between two equal probes",
		asks: []string{"refund/unused-estimate"}, tpm: 4300, fillTPM: 1230,
		traffic: []Shot{wide, wide, wide},
	}.scenario()
}
