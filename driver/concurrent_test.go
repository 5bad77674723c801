package driver_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/history"
)

// TestBurst has one driver send at once, as scenarios do: no attempt may see
// anything of another.
func TestBurst(t *testing.T) {
	const n = 64
	var arrived sync.WaitGroup
	arrived.Add(n)
	d := serve(t, func(w http.ResponseWriter, r *http.Request) {
		name, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		arrived.Done()
		arrived.Wait() // all of them are in flight together
		w.Header().Set("X-Litellm-Call-Id", string(name))
		body(429, typeJSON, string(name))(w, r)
	})
	var over sync.WaitGroup
	for i := range n {
		over.Go(func() {
			name := fmt.Sprintf("call-%d", i)
			a := d.Do(context.Background(), driver.Request{
				Attempt: history.Attempt{ID: i, Nonce: name, Asks: []string{"a"}},
				Bearer:  name + "-key", Path: "/v1/chat/completions", Body: []byte(name),
			})
			checkTimes(t, a)
			check(t, a, history.Attempt{Status: 429, Excerpt: name})
			if a.ID != i || a.Nonce != name || len(a.Asks) != 1 || a.Header["x-litellm-call-id"] != name {
				t.Errorf("%s came back as %+v", name, a)
			}
		})
	}
	over.Wait()
}

// TestConnectionsAreReused sends many requests in turn: an answer that was read
// to its end leaves its connection to the next.
func TestConnectionsAreReused(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		stream bool
	}{
		"plain":   {body(200, typeJSON, plainAnswer), false},
		"refusal": {body(429, typeJSON, plainError), false},
		"stream":  {pieces(wholeStream, 100), true},
	} {
		t.Run(name, func(t *testing.T) {
			from := map[string]bool{}
			d := serve(t, func(w http.ResponseWriter, r *http.Request) {
				from[r.RemoteAddr] = true
				c.answer(w, r)
			})
			for range 10 {
				if a := do(t, d, c.stream); a.Error != "" {
					t.Fatal(a.Error, a.ErrorText)
				}
			}
			if len(from) != 1 {
				t.Errorf("10 requests in turn took %d connections", len(from))
			}
		})
	}
}
