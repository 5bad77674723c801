package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
)

const (
	// warmKey has no limits and is used for nothing else.
	warmKey = "sk-lab-warm"
	// warmTogether is how many requests a release is warmed up with at once: as
	// many as a run's first bursts together.
	warmTogether = 40
	// warmLeave is when some of the clients leave: their streams take longer.
	warmLeave = 100 * time.Millisecond
	// warmDeadline bounds one request of the warm-up.
	warmDeadline = 15 * time.Second
)

// warmUp lets a release load what it loads at its first requests. Fresh ones were
// measured to take up to two seconds for each of the first bursts, which moves
// them out of the windows that they are sent into. What comes of it is not looked
// at: a release that does not answer is found by the run.
func warmUp(ctx context.Context, base *url.URL, model string) error {
	c := clock.System{}
	d := &driver.Driver{Clock: c, Epoch: c.Now(), Transport: driver.NewTransport(), URL: base, Deadline: warmDeadline}
	const text = "[[usage=4,10 chunks=10 chunk_delay=50ms]]"
	messages := []map[string]string{{"role": "user", "content": text}}
	shots := []struct {
		path   string
		member string
		prompt any
	}{
		{"/v1/chat/completions", "messages", messages},
		{"/v1/completions", "prompt", text},
		{"/v1/embeddings", "input", text},
		{"/v1/responses", "input", text},
		{"/v1/messages", "messages", messages},
	}
	send := func(shot int, stream bool, leave time.Duration) error {
		body := map[string]any{"model": model, shots[shot].member: shots[shot].prompt}
		if shots[shot].member != "input" {
			body["max_tokens"] = 10
		}
		if stream {
			body["stream"] = true
		}
		encoded, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("warming up: %w", err)
		}
		d.Do(ctx, driver.Request{
			Attempt: history.Attempt{Stream: stream}, Bearer: warmKey, Path: shots[shot].path, Body: encoded, LeaveAfter: leave,
		})
		return nil
	}
	var all sync.WaitGroup
	failed := make(chan error, warmTogether)
	for i := range warmTogether {
		// All endpoints in turn; of every four requests one is plain, two are
		// streams, and one is a stream whose client leaves.
		shot, leave := i%len(shots), time.Duration(0)
		if i%4 == 3 {
			leave = warmLeave
		}
		stream := i%4 > 0 && shots[shot].path != "/v1/embeddings"
		all.Go(func() { failed <- send(shot, stream, leave) })
	}
	all.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}
