package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

// lockPoll is how often a lock held by another process is asked for again.
const lockPoll = 200 * time.Millisecond

// lock takes the lock file at path, waiting for whoever holds it where wait is
// set. The kernel frees it should this process die.
func lock(ctx context.Context, path string, wait bool) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lab: opening the lock file: %w; give a folder that can be written to", err)
	}
	for {
		got, err := tryLock(f)
		if got {
			return f.Close, nil
		}
		if err == nil && !wait {
			err = errors.New("held by another process or instance")
		}
		if err == nil {
			err = clock.System{}.Sleep(ctx, lockPoll)
		}
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("lab: lock %s: %w", path, err)
		}
	}
}
