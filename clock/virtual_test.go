package clock_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestVirtualTimeJumps(t *testing.T) {
	v := clock.NewVirtual(1, start)
	var at []time.Duration
	err := v.Run(context.Background(), func() {
		g := clock.NewGroup(v)
		for _, d := range []time.Duration{time.Hour, time.Minute, 24 * time.Hour} {
			g.Go("sleeper", func() {
				if err := v.Sleep(context.Background(), d); err != nil {
					t.Error(err)
				}
				at = append(at, v.Now().Sub(start))
			})
		}
		g.Wait()
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{time.Minute, time.Hour, 24 * time.Hour}; !slices.Equal(at, want) {
		t.Errorf("woke at %v, want %v", at, want)
	}
}

func TestSeedPicksTheInterleaving(t *testing.T) {
	play := func(seed uint64) string {
		v := clock.NewVirtual(seed, start)
		var order strings.Builder
		if err := v.Run(context.Background(), func() {
			g := clock.NewGroup(v)
			for i := range 8 {
				g.Go("racer", func() {
					_ = v.Sleep(context.Background(), time.Second)
					fmt.Fprint(&order, i)
				})
			}
			g.Wait()
		}); err != nil {
			t.Fatal(err)
		}
		return order.String()
	}
	seen := map[string]bool{}
	for seed := range uint64(20) {
		first := play(seed)
		if again := play(seed); first != again {
			t.Fatalf("seed %d gave %s, then %s", seed, first, again)
		}
		seen[first] = true
	}
	if len(seen) < 15 {
		t.Errorf("20 seeds gave only %d interleavings", len(seen))
	}
}

func TestCancelWakesWaiters(t *testing.T) {
	v := clock.NewVirtual(1, start)
	err := v.Run(context.Background(), func() {
		ctx, cancel := v.WithCancel(context.Background())
		derived, stop := context.WithCancel(ctx)
		defer stop()
		g := clock.NewGroup(v)
		g.Go("sleeper", func() {
			if err := v.Sleep(derived, time.Hour); !errors.Is(err, context.Canceled) {
				t.Errorf("Sleep returned %v", err)
			}
		})
		g.Go("waiter", func() {
			if err := v.NewEvent().Wait(derived); !errors.Is(err, context.Canceled) {
				t.Errorf("Wait returned %v", err)
			}
		})
		_ = v.Sleep(context.Background(), time.Minute)
		cancel()
		g.Wait()
		if got := v.Now().Sub(start); got != time.Minute {
			t.Errorf("the cancelled waits ended after %v, want 1m", got)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTimeoutRunsOnVirtualTime(t *testing.T) {
	v := clock.NewVirtual(1, start)
	if err := v.Run(context.Background(), func() {
		ctx, cancel := clock.WithTimeout(context.Background(), v, 3*time.Minute)
		defer cancel()
		if err := v.NewEvent().Wait(ctx); err == nil {
			t.Error("the wait did not fail")
		}
		if got := v.Now().Sub(start); got != 3*time.Minute {
			t.Errorf("timed out after %v", got)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestStoppedTimerDoesNotRun(t *testing.T) {
	v := clock.NewVirtual(1, start)
	if err := v.Run(context.Background(), func() {
		stop := v.AfterFunc(time.Second, func() { t.Error("the timer ran") })
		if !stop() {
			t.Error("stop says it came too late")
		}
		ran := false
		late := v.AfterFunc(time.Second, func() { ran = true })
		_ = v.Sleep(context.Background(), 2*time.Second)
		if !ran || late() {
			t.Errorf("ran = %v, and stopping it afterwards reports success", ran)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestDeadlockNamesTheTasks(t *testing.T) {
	v := clock.NewVirtual(1, start)
	err := v.Run(context.Background(), func() {
		g := clock.NewGroup(v)
		g.Go("forgotten reader", func() { _ = v.NewEvent().Wait(context.Background()) })
		g.Wait()
	})
	var deadlock *clock.DeadlockError
	if !errors.As(err, &deadlock) || !strings.Contains(err.Error(), "forgotten reader") {
		t.Fatalf("got %v, want a deadlock that names the reader", err)
	}
}

func TestPanicOfATaskEndsTheWorld(t *testing.T) {
	v := clock.NewVirtual(1, start)
	err := v.Run(context.Background(), func() {
		v.Go("clumsy", func() { panic("dropped it") })
		_ = v.Sleep(context.Background(), time.Hour)
	})
	var panicked *clock.PanicError
	if !errors.As(err, &panicked) || panicked.Task != "clumsy" {
		t.Fatalf("got %v, want the panic of the task", err)
	}
}

func TestInterruptReachesTheWorld(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	v := clock.NewVirtual(1, start)
	err := v.Run(ctx, func() {
		cancel() // as a signal would, from outside the world
		if err := v.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("Sleep returned %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTasksLeftBehindFindTheirWayOut(t *testing.T) {
	v := clock.NewVirtual(1, start)
	var left error
	if err := v.Run(context.Background(), func() {
		v.Go("poller", func() {
			for left == nil {
				left = v.Sleep(context.Background(), time.Second)
			}
		})
		_ = v.Sleep(context.Background(), time.Minute)
	}); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(left, clock.ErrStopped) {
		t.Errorf("the poller's wait returned %v, want ErrStopped", left)
	}
}

func TestSystemClock(t *testing.T) {
	var c clock.System
	ctx, cancel := clock.WithTimeout(context.Background(), c, 5*time.Millisecond)
	defer cancel()
	if err := c.NewEvent().Wait(ctx); err == nil {
		t.Error("an event that never happens did not time out")
	}
	e := c.NewEvent()
	c.Go("setter", func() { e.Set(); e.Set() })
	if err := e.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	if err := c.Sleep(ctx, time.Hour); err == nil {
		t.Error("Sleep under a cancelled context returned nil")
	}
}
