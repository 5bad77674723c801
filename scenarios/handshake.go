package scenarios

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// HandshakeScenario is the scenario of the first request of every run.
const HandshakeScenario = "handshake"

// handshake sends one request that the provider, if it is ours, knows again. It
// tells a target that is not there, a key that is not accepted and a provider
// that is not behind the target before anything else is sent. Then it asks the
// endpoints beside chat.
func (r *Runner) handshake(ctx context.Context, endpoints []string) error {
	s := &Stage{runner: r, scenario: &Scenario{Name: HandshakeScenario}}
	key, err := s.KeyThat(ctx, history.Limits{Requests: limit(handshakeRequests)}, func(history.Limits) bool { return true })
	if err != nil {
		return err
	}
	whole := r.driver.Deadline
	r.driver.Deadline = handshakeDeadline
	defer func() { r.driver.Deadline = whole }()
	if err := s.greet(ctx, key); err != nil {
		return err
	}
	return s.askEndpoints(ctx, key, endpoints)
}

// greet is the first request.
func (s *Stage) greet(ctx context.Context, key *Key) error {
	r := s.runner
	a, err := s.Send(ctx, key, Shot{
		Step: "handshake", Asks: []string{}, MaxTokens: 16,
		Script: history.Script{PromptTokens: 4, CompletionTokens: 4, Handshake: true},
	})
	if err != nil {
		return err
	}
	url := r.Target.URL.String()
	switch {
	case a.Status == 0 && a.Error == "":
		return &UnreachableError{URL: url, Class: history.Garbled, Text: "the answer has the status 000, which no answer has"}
	case a.Status == 0:
		return &UnreachableError{URL: url, Class: a.Error, Text: a.ErrorText}
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden:
		return &RejectedError{URL: url, Status: a.Status, Excerpt: a.Excerpt, Hint: "the target does not accept the key; see --key-template"}
	case a.Status == http.StatusTooManyRequests:
		return &RejectedError{URL: url, Status: a.Status, Excerpt: a.Excerpt, Hint: fmt.Sprintf("the first request of a new key is refused: is a limit that it shares with others used up, or does the upstream of %q refuse?", r.Target.Model)}
	case a.Status >= http.StatusMultipleChoices && a.Status < http.StatusBadRequest:
		return &RejectedError{URL: url, Status: a.Status, Excerpt: cmp.Or(a.Excerpt, "a redirect"), Hint: "redirects are not followed: give the address that the target redirects to"}
	case a.Status != http.StatusOK:
		return &RejectedError{URL: url, Status: a.Status, Excerpt: a.Excerpt, Hint: fmt.Sprintf("is %q a model of the target (--model), and does its upstream answer?", r.Target.Model)}
	case a.Error != "":
		return &RejectedError{URL: url, Status: a.Status, Excerpt: string(a.Error) + ": " + a.ErrorText + " " + a.Excerpt, Hint: "is this the base URL of an OpenAI-compatible proxy?"}
	}
	if r.Target.Provider == nil {
		return nil
	}
	ours, err := r.isBehind(ctx, a.Nonce)
	if ours || err != nil {
		return err
	}
	return &RejectedError{URL: url, Status: a.Status, Excerpt: "served, but not by ratecheck's provider",
		Hint: "point the target's upstream for this model to the provider's address (--provider-listen, --provider)"}
}

// isBehind looks for a nonce in the ledger. A call may still be ending when its
// answer is here already.
func (r *Runner) isBehind(ctx context.Context, nonce string) (bool, error) {
	for {
		calls, inFlight, err := r.Target.Provider.Calls(ctx, 0)
		if err != nil {
			return false, err
		}
		for _, c := range calls {
			if c.Nonce == nonce {
				return true, nil
			}
		}
		if inFlight == 0 {
			return false, nil
		}
		const pause = 10 * time.Millisecond
		if err := r.Clock.Sleep(ctx, pause); err != nil {
			return false, err
		}
	}
}

// handshakeDeadline is how long a target may take for its first answer. The
// provider behind it answers at once, so who takes longer hangs.
const handshakeDeadline = 10 * time.Second

// handshakeRequests is the request limit of the handshake's key: a limit that
// no other key has, and that a request to each endpoint does not reach.
const handshakeRequests = 900
