package scenarios

import (
	"context"
	"fmt"

	"github.com/ratecheck/ratecheck/history"
)

// counted is a scenario that sends traffic between equal probes and lets it come
// to rest, one phase after the other. Without token headers the rest of a
// smaller limit is filled up, on a key of its own for each phase.
type counted struct {
	name, sentence string
	tpm            int64
	phases         []countedPhase
}

// countedPhase is the traffic that is sent for one requirement.
type countedPhase struct {
	asks    string
	fillTPM int64
	traffic []Shot
}

const (
	countedFill  = 60 // tokens of a request that fills up
	countedTries = 20
)

func (c counted) scenario() Scenario {
	var asks []string
	var tokens int64
	requests := 0
	for _, phase := range c.phases {
		asks = append(asks, phase.asks)
		requests += len(phase.traffic)
		for _, shot := range phase.traffic {
			tokens += shot.Script.PromptTokens + shot.Script.CompletionTokens
		}
	}
	n := len(c.phases)
	return Scenario{
		Name: c.name, Sentence: c.sentence + "; without token headers the rest of the limit is filled up",
		Asks: asks, NeedsProvider: true,
		Plan: Plan{
			Keys: 1 + n, Requests: 1 + n + 2*requests + n*countedTries,
			Tokens: int64(1+n)*40 + 2*tokens + int64(n)*countedTries*countedFill, Windows: 0.7, Seconds: 2 + 2*float64(n),
		},
		Play: c.play,
	}
}

func (c counted) play(ctx context.Context, s *Stage) error {
	key, err := s.Key(ctx, history.Limits{Tokens: limit(c.tpm)})
	if err != nil {
		return err
	}
	first, err := s.probeTokens(ctx, key, "probe-1", c.asksBetween(0))
	if err != nil {
		return err
	}
	if !countsTokens(first) {
		var parts []func() error
		for _, phase := range c.phases {
			parts = append(parts, func() error { return phase.fill(ctx, s) })
		}
		return s.beside(parts...)
	}
	for i, phase := range c.phases {
		if err := phase.send(ctx, s, key); err != nil {
			return err
		}
		if _, err := s.probeTokens(ctx, key, fmt.Sprintf("probe-%d", i+2), c.asksBetween(i+1)); err != nil {
			return err
		}
	}
	return nil
}

// asksBetween are the requirements for which the probe before a phase is sent:
// those of the phase behind it and of the one before.
func (c counted) asksBetween(phase int) []string {
	var asks []string
	if phase > 0 {
		asks = append(asks, c.phases[phase-1].asks)
	}
	if phase < len(c.phases) {
		asks = append(asks, c.phases[phase].asks)
	}
	return asks
}

func (p countedPhase) fill(ctx context.Context, s *Stage) error {
	key, err := s.Key(ctx, history.Limits{Tokens: limit(p.fillTPM)})
	if err != nil {
		return err
	}
	if err := p.send(ctx, s, key); err != nil {
		return err
	}
	return s.fillUp(ctx, key, countedTries, costing("fill", []string{p.asks}, countedFill/3, countedFill-countedFill/3))
}

func (p countedPhase) send(ctx context.Context, s *Stage, key *Key) error {
	for _, shot := range p.traffic {
		shot.Step, shot.Asks = "traffic", []string{p.asks}
		if _, err := s.Send(ctx, key, shot); err != nil {
			return err
		}
	}
	return s.Wait(ctx, settleTime)
}

// countedRest sends requests of different shapes, with max_tokens that are met
// and that are far too high; then requests whose max_tokens are all far above
// what comes.
func countedRest() Scenario {
	wide := Shot{MaxTokens: 600, Script: history.Script{PromptTokens: 10, CompletionTokens: 10}}
	return counted{
		name: "counted-rest", sentence: "between equal probes five requests of different shapes, then three with max_tokens 600 that use 10", tpm: 4000,
		phases: []countedPhase{{
			asks: "drift/remaining-matches-usage", fillTPM: 1200,
			traffic: []Shot{
				{MaxTokens: 70, Script: history.Script{PromptTokens: 30, CompletionTokens: 70}},
				{Stream: true, MaxTokens: 100, Script: history.Script{PromptTokens: 20, CompletionTokens: 60}},
				{MaxTokens: 200, Script: history.Script{PromptTokens: 10, CompletionTokens: 20}},
				{Stream: true, MaxTokens: 40, Script: history.Script{PromptTokens: 50, CompletionTokens: 40}},
				{MaxTokens: 300, Script: history.Script{PromptTokens: 10, CompletionTokens: 1}},
			},
		}, {
			asks: "refund/unused-estimate", fillTPM: 1230, traffic: []Shot{wide, wide, wide},
		}},
	}.scenario()
}

// countedStreams sends streams whose clients ask for usage, and then such whose
// clients do not, and whose provider therefore tells none unless the proxy asks.
func countedStreams() Scenario {
	stream := Shot{Stream: true, MaxTokens: 80, Script: history.Script{PromptTokens: 20, CompletionTokens: 80, Chunks: 5}}
	silent := Shot{Stream: true, WithoutUsage: true, MaxTokens: 160, Script: history.Script{PromptTokens: 40, CompletionTokens: 160, Chunks: 5}}
	return counted{
		name: "counted-streams", sentence: "between equal probes three streams, then three without stream_options", tpm: 4100,
		phases: []countedPhase{
			{asks: "tokens/streams-counted", fillTPM: 1210, traffic: []Shot{stream, stream, stream}},
			{asks: "tokens/streams-without-usage-counted", fillTPM: 1220, traffic: []Shot{silent, silent, silent}},
		},
	}.scenario()
}
