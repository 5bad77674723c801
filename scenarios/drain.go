package scenarios

import (
	"context"
	"time"
)

// drain writes down what the ledger has gained.
func (r *Runner) drain(ctx context.Context) (inFlight int, err error) {
	if r.Target.Provider == nil {
		return 0, nil
	}
	calls, inFlight, err := r.Target.Provider.Calls(ctx, r.drained)
	if err != nil {
		return 0, err
	}
	for _, c := range calls {
		r.drained++
		c.Body = r.withoutKeys(c.Body)
		if err := r.History.Call(c); err != nil {
			return 0, err
		}
	}
	return inFlight, nil
}

// drainRest waits a little for the calls that are still in flight. It goes on
// when ctx is cancelled: an interrupted run is to have a whole ledger too.
func (r *Runner) drainRest(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	give := r.now() + drainPatience
	for {
		inFlight, err := r.drain(ctx)
		if err != nil || inFlight == 0 || r.now() >= give {
			return err
		}
		const pause = 50 * time.Millisecond
		if err := r.Clock.Sleep(ctx, pause); err != nil {
			return nil
		}
	}
}
