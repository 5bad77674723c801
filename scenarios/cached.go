package scenarios

import (
	"context"

	"github.com/ratecheck/ratecheck/history"
)

// What askCached sends at the most.
const (
	cachedRequests = 3 + 2*cachedEach
	cachedTokens   = 3*(10+30) + 2*cachedEach*(cachedPrompt+cachedCompletion)

	cachedEach = 2 // requests between two probes
	// A basis is told by what it leaves out: the input alone and the output alone
	// are each less than all but what was cached.
	cachedPrompt, cachedCompletion, cachedPart = 60, 70, 50
)

// askCached asks requests of whose prompts the provider had cached a part, first
// plainly and then streamed, each between equal probes. The key must be fresh:
// what is read of its counter is to be of its first window.
func (s *Stage) askCached(ctx context.Context, key *Key) error {
	asks := []string{"tokens/basis"}
	shot := Shot{
		Asks: asks, MaxTokens: cachedCompletion,
		Script: history.Script{PromptTokens: cachedPrompt, CompletionTokens: cachedCompletion, CachedTokens: cachedPart},
	}
	probe := func(step string) error {
		_, err := s.Send(ctx, key, probing(step, asks))
		return err
	}
	if err := probe("probe-1"); err != nil {
		return err
	}
	for _, part := range []struct {
		step, probe string
		stream      bool
	}{{"traffic", "probe-2", false}, {"traffic-streams", "probe-3", true}} {
		for range cachedEach {
			shot.Step, shot.Stream = part.step, part.stream
			if _, err := s.Send(ctx, key, shot); err != nil {
				return err
			}
		}
		if err := s.Wait(ctx, settleTime); err != nil {
			return err
		}
		if err := probe(part.probe); err != nil {
			return err
		}
	}
	return nil
}
