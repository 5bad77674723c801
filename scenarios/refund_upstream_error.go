package scenarios

import (
	"context"
	"net/http"

	"github.com/ratecheck/ratecheck/history"
)

// refundUpstreamError has the upstream fail between equal probes, so that what
// the failed calls left charged is the difference that is too much.
func refundUpstreamError() Scenario {
	const (
		tpm, fillTPM = 3000, 620
		failures     = 5
		probe        = 40 // tokens of a probe
		fill         = 60 // tokens of a request that fills up
		fillTries    = 14
	)
	asks := []string{"refund/upstream-error"}
	failing := Shot{
		Step: "fail", Asks: asks, MaxTokens: 80, NonceInStop: true,
		Script: history.Script{PromptTokens: 20, CompletionTokens: 80, Status: http.StatusInternalServerError},
	}
	return Scenario{
		Name:          "refund-upstream-error",
		Sentence:      "five calls fail upstream between equal probes; without token headers the rest of the limit is filled up and compared with a key whose calls did not fail",
		Asks:          asks,
		NeedsProvider: true,
		Plan:          Plan{Keys: 3, Requests: 3 + 2*failures + 2*fillTries, Tokens: 3*probe + 2*failures*100 + 2*fillTries*fill, Windows: 0.7, Seconds: 3},
		Play: func(ctx context.Context, s *Stage) error {
			key, err := s.Key(ctx, history.Limits{Tokens: limit(tpm)})
			if err != nil {
				return err
			}
			first, err := s.probeTokens(ctx, key, "probe-1", asks)
			if err != nil {
				return err
			}
			if !countsTokens(first) {
				return s.compareFills(ctx, asks, fillTPM, failures, failing, fillTries, fill)
			}
			if _, err := s.probeTokens(ctx, key, "probe-2", asks); err != nil {
				return err
			}
			for range failures {
				if _, err := s.Send(ctx, key, failing); err != nil {
					return err
				}
			}
			if err := s.Wait(ctx, settleTime); err != nil {
				return err
			}
			_, err = s.probeTokens(ctx, key, "probe-3", asks)
			return err
		},
	}
}

// probeTokens sends a request whose answer's headers are to tell the counter,
// and waits until it is charged.
func (s *Stage) probeTokens(ctx context.Context, k *Key, step string, asks []string) (history.Attempt, error) {
	a, err := s.Send(ctx, k, probing(step, asks))
	if err != nil {
		return a, err
	}
	return a, s.Wait(ctx, settleTime)
}

// compareFills fills up a key after calls that failed and one after none.
func (s *Stage) compareFills(ctx context.Context, asks []string, tpm int64, failures int, failing Shot, tries int, cost int64) error {
	part := func(step string, failures int, tpm int64) error {
		key, err := s.Key(ctx, history.Limits{Tokens: limit(tpm)})
		if err != nil {
			return err
		}
		for range failures {
			if _, err := s.Send(ctx, key, failing); err != nil {
				return err
			}
		}
		if err := s.Wait(ctx, settleTime); err != nil {
			return err
		}
		return s.fillUp(ctx, key, tries, costing(step, asks, cost/3, cost-cost/3))
	}
	return s.beside(
		func() error { return part("fill-after-failures", failures, tpm) },
		func() error { return part("fill-control", 0, tpm+1) }, // no other key has this limit
	)
}
