package scenarios

import (
	"cmp"
	"context"
	"maps"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/target"
)

// Stage is what a scenario plays on.
type Stage struct {
	runner   *Runner
	scenario *Scenario
}

// Key is a fresh key on the target.
type Key struct {
	Alias  string
	Limits history.Limits
	secret target.Secret
	// members are those of each body by which it names the key's owners.
	members map[string]any
}

// Shot is one request to be sent.
type Shot struct {
	Step string
	Asks []string
	// Endpoint is where it is sent; empty is chat.
	Endpoint string
	Stream   bool
	// Script is what the provider answers. The prompt is as long as its
	// PromptTokens say.
	Script history.Script
	// MaxTokens is sent as the endpoint's max_tokens; less than 0 sends none.
	MaxTokens int64
	// LeaveAfter is when the client leaves; 0 is never.
	LeaveAfter time.Duration
	// LeaveAtEvent has the client leave a stream when it has read so many events
	// of it; 0 is never.
	LeaveAtEvent int
	// WithoutUsage sends a stream that does not ask for usage.
	WithoutUsage bool
	// NonceInStop carries the nonce as a stop sequence, which costs nothing, so
	// that the prompts of several requests are the same.
	NonceInStop bool
	// Members are further members of the body.
	Members map[string]any
	// Messages puts the prompt into a conversation; nil sends it as the one
	// message of a user.
	Messages func(prompt string) []any
}

// NoMaxTokens is the MaxTokens of a request that states none.
const NoMaxTokens = -1

// Window is the length of the target's windows.
func (s *Stage) Window() time.Duration { return s.runner.Target.Window }

// Now is the time since the start of the run.
func (s *Stage) Now() time.Duration { return s.runner.now() }

// Until waits for a time since the start of the run.
func (s *Stage) Until(ctx context.Context, at time.Duration) error {
	return s.runner.Clock.Sleep(ctx, at-s.Now())
}

// Wait waits for d.
func (s *Stage) Wait(ctx context.Context, d time.Duration) error {
	return s.runner.Clock.Sleep(ctx, d)
}

// Key makes a fresh key with exactly these limits. Where all keys of the target
// have the same ones the error is a *target.LimitsError, unless they are these
// and what else they have cannot be reached.
func (s *Stage) Key(ctx context.Context, limits history.Limits) (*Key, error) {
	return s.KeyThat(ctx, limits, func(granted history.Limits) bool {
		return sameWhere(limits, granted) && s.outOfReach(granted, limits)
	})
}

// KeyThat makes a fresh key with these limits, or, where all keys of the target
// have the same ones, with those if the scenario can play with them.
func (s *Stage) KeyThat(ctx context.Context, limits history.Limits, fits func(granted history.Limits) bool) (*Key, error) {
	if g, fixed := s.runner.Target.Keys.(target.Granter); fixed {
		granted := g.Granted()
		if !fits(granted) {
			return nil, &target.LimitsError{Granted: granted, Wanted: limits}
		}
		limits = granted
	}
	return s.OwnedKey(ctx, limits)
}

// Send sends one request and waits for its answer.
func (s *Stage) Send(ctx context.Context, k *Key, shot Shot) (history.Attempt, error) {
	return s.send(ctx, k, shot, s.Now())
}

func (s *Stage) send(ctx context.Context, k *Key, shot Shot, intended time.Duration) (history.Attempt, error) {
	if err := ctx.Err(); err != nil {
		return history.Attempt{}, err
	}
	r := s.runner
	id, nonce := r.nextAttempt()
	if r.Target.Provider != nil {
		if err := r.Target.Provider.Register(ctx, nonce, shot.Script); err != nil {
			return history.Attempt{}, err
		}
	}
	endpoint := cmp.Or(shot.Endpoint, history.Chat)
	if k.members != nil {
		members := maps.Clone(k.members)
		maps.Copy(members, shot.Members)
		shot.Members = members
	}
	body, promptBytes := requestBody(r.Target.Model, nonce, shot)
	asks := shot.Asks
	if asks == nil {
		asks = s.scenario.Asks
	}
	var most int64
	var maxTokens *int64
	switch {
	case endpoint == history.Embeddings:
		most = promptBytes // has no output
	case shot.MaxTokens >= 0:
		most, maxTokens = promptBytes+shot.MaxTokens, &shot.MaxTokens
	}
	record := history.Attempt{
		ID: id, Scenario: s.scenario.Name, Step: shot.Step, Asks: asks, Key: k.Alias,
		Endpoint: endpoint, Stream: shot.Stream, Nonce: nonce, Cap: most, MaxTokens: maxTokens, Intended: intended,
	}
	if shot.Script.KeepBody {
		record.Body = string(body)
	}
	a := r.driver.Do(ctx, driver.Request{
		Attempt: record,
		Bearer:  k.secret.Bearer(), Path: history.EndpointPath(endpoint), Body: body, LeaveAfter: shot.LeaveAfter, LeaveAtEvent: shot.LeaveAtEvent,
	})
	if err := r.History.Attempt(a); err != nil {
		return a, err
	}
	r.noteAttempt()
	return a, ctx.Err()
}

// Burst sends n requests at once and waits for all answers. Bursts of all
// scenarios take turns, because a burst that has to share the target's capacity
// stretches.
func (s *Stage) Burst(ctx context.Context, k *Key, n int, shot func(i int) Shot) ([]history.Attempt, error) {
	if n == 0 {
		return nil, nil
	}
	if err := s.runner.turn.take(ctx, s.runner.Clock); err != nil {
		return nil, err
	}
	defer s.runner.turn.give()
	return s.together(ctx, k, n, shot)
}

func (s *Stage) together(ctx context.Context, k *Key, n int, shot func(i int) Shot) ([]history.Attempt, error) {
	intended := s.Now()
	attempts := make([]history.Attempt, n)
	errs := make([]error, n)
	g := clock.NewGroup(s.runner.Clock)
	for i := range n {
		g.Go("attempt", func() { attempts[i], errs[i] = s.send(ctx, k, shot(i), intended) })
	}
	g.Wait()
	for _, err := range errs {
		if err != nil {
			return attempts, err
		}
	}
	return attempts, nil
}

// Pace sends n requests at fixed intervals, whether or not earlier ones were
// answered, and waits for all answers.
func (s *Stage) Pace(ctx context.Context, k *Key, n int, interval time.Duration, shot func(i int) Shot) error {
	start := s.Now()
	errs := make([]error, n)
	g := clock.NewGroup(s.runner.Clock)
	defer g.Wait()
	for i := range n {
		at := start + time.Duration(i)*interval
		if err := s.Until(ctx, at); err != nil {
			return err
		}
		g.Go("attempt", func() { _, errs[i] = s.send(ctx, k, shot(i), at) })
	}
	g.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
