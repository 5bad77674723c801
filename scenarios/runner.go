package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/target"
)

// Runner plays scenarios against a target and writes the history.
type Runner struct {
	Clock clock.Clock
	// Epoch is the start of the run: times of the history count from it.
	Epoch  time.Time
	Target target.Target
	// RunID is the beginning of every nonce of the run: four lower-case letters
	// or digits, a letter first. On a target that outlives the run it must be
	// new each time, or keys would be met again.
	RunID   string
	Seed    uint64
	History *history.Writer
	// OnAttempt is told the number of attempts that are over; it may be nil.
	OnAttempt func(done int)
	// RequiredEndpoints must answer; of the others that scenarios ask, those
	// that do not answer are left out.
	RequiredEndpoints []string

	driver driver.Driver
	// unanswered says of endpoints why they cannot be tested.
	unanswered map[string]string
	turn       turn

	mu       sync.Mutex
	attempts int
	keys     int
	owners   int
	done     int
	drained  int
	secrets  []target.Secret
}

// Attempts may take as long as the longest of these: a slow answer of a recipe
// takes a little more than a window.
const (
	leastDeadline   = 30 * time.Second
	deadlineWindows = 3
)

// The ledger is written down while the run goes on, so that a run that is
// killed loses little of it.
const drainEvery = time.Second

// drainPatience is how long the end of a run waits for calls that are still in
// flight at the provider.
const drainPatience = 3 * time.Second

// UnreachableError says that the target could not be spoken to.
type UnreachableError struct {
	URL   string
	Class history.ErrorClass
	Text  string
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("POST %s/v1/chat/completions: %s: %s; is the proxy running there?", e.URL, e.Class, e.Text)
}

// RejectedError says that the target did not serve the first request, and that
// no further one was sent.
type RejectedError struct {
	URL     string
	Status  int
	Excerpt string
	Hint    string
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("POST %s/v1/chat/completions: status %d: %s; %s", e.URL, e.Status, e.Excerpt, e.Hint)
}

func (r *Runner) now() time.Duration { return r.Clock.Now().Sub(r.Epoch) }

func (r *Runner) nextAttempt() (id int, nonce string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts++
	return r.attempts, r.RunID + base36(r.attempts)
}

func (r *Runner) nextKey() (nonce, alias string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys++
	return r.RunID + "k" + base36(r.keys), fmt.Sprintf("key-%d", r.keys)
}

// nextOwner is the name of a new owner.
func (r *Runner) nextOwner() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owners++
	return r.RunID + "o" + base36(r.owners)
}

func (r *Runner) noteSecret(s target.Secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets = append(r.secrets, s)
}

// withoutKeys makes a body that the provider received fit for a history: a
// proxy may have written the client's key into it.
func (r *Runner) withoutKeys(body string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.secrets {
		if body == "" {
			break
		}
		body = strings.ReplaceAll(body, s.Bearer(), s.String())
	}
	return body
}

// base36 writes n with four digits, so that all nonces are equally long.
func base36(n int) string {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	var text [4]byte
	for i := len(text) - 1; i >= 0; i-- {
		text[i] = digits[n%len(digits)]
		n /= len(digits)
	}
	return string(text[:])
}

func (r *Runner) noteAttempt() {
	r.mu.Lock()
	r.done++
	done := r.done
	r.mu.Unlock()
	if r.OnAttempt != nil {
		r.OnAttempt(done)
	}
}

// Run finds out whether the target answers and whether our provider is behind
// it, plays the scenarios side by side, those that must be alone after the
// others, and returns when the history is whole.
//
// It returns an *UnreachableError or a *RejectedError if the first request was
// not served, an *EndpointsError if a required endpoint does not answer, ctx's error if it was interrupted (the history is then as whole
// as it can be), and otherwise only errors of this side: a full disk, a
// provider that went away. What went wrong in one scenario stands in its End
// record.
func (r *Runner) Run(ctx context.Context, all []Scenario, run history.Run) error {
	r.driver = driver.Driver{
		Clock: r.Clock, Epoch: r.Epoch, Transport: r.Target.Transport, URL: r.Target.URL,
		Deadline: max(leastDeadline, deadlineWindows*r.Target.Window),
	}
	run.Schema, run.Seed, run.Window, run.TokenClass = history.Schema, r.Seed, r.Target.Window, r.Target.TokenClass
	for _, s := range all {
		run.Planned = append(run.Planned, history.Plan{Scenario: s.Name, Endpoint: s.Endpoint, Asks: s.Asks})
	}
	run.Ledger = r.Target.Provider != nil
	if err := r.History.Run(run); err != nil {
		return err
	}
	endpoints := OtherEndpoints(all)
	if r.Target.Provider == nil {
		endpoints = nil // their scenarios need it
	}
	if err := r.handshake(ctx, endpoints); err != nil {
		return err
	}
	pollCtx, stopPolling := r.Clock.WithCancel(ctx)
	defer stopPolling()
	poller := clock.NewGroup(r.Clock)
	poller.Go("ledger poll", func() {
		for r.Clock.Sleep(pollCtx, drainEvery) == nil {
			_, _ = r.drain(pollCtx)
		}
	})
	errs := r.playAll(ctx, all)
	stopPolling()
	poller.Wait()
	return errors.Join(distinct(append(errs, r.drainRest(ctx), ctx.Err()))...)
}

// distinct keeps the first of errors that say the same: a history that cannot be
// written ends every scenario.
func distinct(errs []error) []error {
	said := map[string]bool{}
	return slices.DeleteFunc(errs, func(err error) bool {
		if err == nil || said[err.Error()] {
			return true
		}
		said[err.Error()] = true
		return false
	})
}

// playAll plays side by side what may be, and then, one after the other, what
// must be alone.
func (r *Runner) playAll(ctx context.Context, all []Scenario) []error {
	errs := make([]error, len(all))
	g := clock.NewGroup(r.Clock)
	for i := range all {
		if !all[i].Alone {
			g.Go("scenario "+all[i].Name, func() { errs[i] = r.play(ctx, &all[i]) })
		}
	}
	g.Wait()
	for i := range all {
		if all[i].Alone {
			errs[i] = r.play(ctx, &all[i])
		}
	}
	return errs
}

// play plays one scenario and writes its End. It returns an error only if the
// history could not be written.
func (r *Runner) play(ctx context.Context, s *Scenario) error {
	end := history.End{Scenario: s.Name}
	switch {
	case s.NeedsProvider && r.Target.Provider == nil:
		end.Error = NeedsProviderReason
	case r.unanswered[s.Endpoint] != "":
		end.Error = r.unanswered[s.Endpoint]
	default:
		if err := s.Play(ctx, &Stage{runner: r, scenario: s}); err != nil {
			var limits *target.LimitsError
			var owner *target.OwnerError
			var place *target.PlaceholderError
			end.Error = err.Error()
			end.Interrupted = ctx.Err() != nil
			if errors.As(err, &owner) {
				end.Error = owner.Error()
			}
			end.Fault = !end.Interrupted && !errors.As(err, &limits) && !errors.As(err, &place) && owner == nil
		}
	}
	end.At = r.now()
	return r.History.End(end)
}

// NeedsProviderReason is the error of a scenario that was not played for want
// of our provider.
const NeedsProviderReason = "needs ratecheck's provider behind the target (--provider-listen or --provider)"
