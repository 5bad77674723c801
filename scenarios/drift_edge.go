package scenarios

import (
	"context"

	"github.com/ratecheck/ratecheck/history"
)

const (
	// edgeFar and edgeNear are the token limits on which an estimate is
	// measured. They lie far apart, so that an estimate that is a multiple of
	// max_tokens differs.
	edgeFar, edgeNear = 1310, 910
	edgePrompt        = 8 // tokens
	edgeCompletion    = 2
	edgeUsed          = edgePrompt + edgeCompletion
	// edgeMost is the most that a prompt this short is believed to be estimated
	// at.
	edgeMost = 64
	// edgeSearch is by how much the estimate may differ between the two keys and
	// is still taken to be the same: the first may have drifted while it was
	// measured.
	edgeSearch = 4
)

// edgeShot is a request whose estimate must not change with its nonce, which
// some tokenizers cut into more words than others.
func edgeShot(step string, asks []string, maxTokens int64) Shot {
	return Shot{
		Step: step, Asks: asks, MaxTokens: maxTokens, NonceInStop: true,
		Script: history.Script{PromptTokens: edgePrompt, CompletionTokens: edgeCompletion},
	}
}

// driftEdge measures on a fresh key what a limiter that reserves adds to
// max_tokens, confirms it on another, sends mixed traffic there, and asks for
// one token more than must be left and for exactly that.
func driftEdge() Scenario {
	asks := []string{"drift/edge-exact", "refusal/never-fits"}
	return Scenario{
		Name:          "drift-edge",
		Sentence:      "a fresh key is asked for twice its limit, and the largest max_tokens that it admits is searched for; then, after mixed traffic, one token more than is left and exactly what is left",
		Asks:          asks,
		NeedsProvider: true,
		Plan: Plan{
			Keys: 2, Requests: 1 + 7 + 6 + 2*edgeSearch + 1 + 3 + 2,
			Tokens: edgeFar*2 + (7+6+2*edgeSearch+3)*edgeUsed + 3*120, Windows: 0.2, Seconds: 8,
		},
		Play: func(ctx context.Context, s *Stage) error {
			far, err := s.Key(ctx, history.Limits{Tokens: limit(edgeFar)})
			if err != nil {
				return err
			}
			if a, err := s.Send(ctx, far, edgeShot("never", asks, 2*edgeFar)); err != nil || a.Status == 200 {
				return err
			}
			added, found, err := s.searchEstimate(ctx, far, asks)
			if err != nil || !found {
				return err
			}
			near, err := s.Key(ctx, history.Limits{Tokens: limit(edgeNear)})
			if err != nil {
				return err
			}
			if added, found, err = s.confirmEstimate(ctx, near, asks, added); err != nil || !found {
				return err
			}
			return s.askForTheRest(ctx, near, asks, edgeNear-edgeUsed-added)
		},
	}
}

// searchEstimate finds what is added to max_tokens: the least by which
// max_tokens must be below the rest of the limit for a request to be admitted.
func (s *Stage) searchEstimate(ctx context.Context, k *Key, asks []string) (added int64, found bool, err error) {
	rest := int64(edgeFar)
	try := func(below int64) (bool, error) {
		a, err := s.Send(ctx, k, edgeShot("search", asks, rest-below))
		if err != nil || a.Status != 200 {
			return false, err
		}
		rest -= edgeUsed
		return true, s.Wait(ctx, settleTime)
	}
	refused := int64(-1)
	for below := int64(1); ; below *= 2 {
		admitted, err := try(below)
		if err != nil {
			return 0, false, err
		}
		if admitted {
			added = below
			break
		}
		if refused = below; below >= edgeMost {
			return 0, false, nil
		}
	}
	for added-refused > 1 {
		middle := (added + refused) / 2
		admitted, err := try(middle)
		if err != nil {
			return 0, false, err
		}
		if admitted {
			added = middle
		} else {
			refused = middle
		}
	}
	return added, true, nil
}

// confirmEstimate searches near what was found, from the side that is refused,
// so that the one request that is admitted is the last.
func (s *Stage) confirmEstimate(ctx context.Context, k *Key, asks []string, about int64) (added int64, found bool, err error) {
	for below := about - edgeSearch; below <= about+edgeSearch; below++ {
		a, err := s.Send(ctx, k, edgeShot("confirm", asks, edgeNear-below))
		if err != nil {
			return 0, false, err
		}
		if a.Status == 200 {
			return below, true, s.Wait(ctx, settleTime)
		}
	}
	return 0, false, nil
}

// askForTheRest sends mixed traffic and then asks around what it leaves of the
// room for max_tokens.
func (s *Stage) askForTheRest(ctx context.Context, k *Key, asks []string, room int64) error {
	for _, shot := range []Shot{
		{MaxTokens: 60, Script: history.Script{PromptTokens: 10, CompletionTokens: 60}},
		{Stream: true, MaxTokens: 90, Script: history.Script{PromptTokens: 20, CompletionTokens: 40}},
		{MaxTokens: 200, Script: history.Script{PromptTokens: 12, CompletionTokens: 5}},
	} {
		shot.Step, shot.Asks = "traffic", asks
		if _, err := s.Send(ctx, k, shot); err != nil {
			return err
		}
		room -= shot.Script.PromptTokens + shot.Script.CompletionTokens
	}
	if err := s.Wait(ctx, settleTime); err != nil {
		return err
	}
	if _, err := s.Send(ctx, k, edgeShot("one-more", asks, room+1)); err != nil {
		return err
	}
	_, err := s.Send(ctx, k, edgeShot("exact", asks, room))
	return err
}
