package target_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// TestKeysThatAreLeft: what could not be deleted is named, what was never made
// or is gone is not.
func TestKeysThatAreLeft(t *testing.T) {
	byAlias := answer("/key/delete", "key_aliases", 400, "aliases are not known here")
	stubborn := func(b *bureau, api http.Handler) http.Handler {
		return answer("/key/delete", "ratecheck-a2", 500, "the database is busy")(b, answer("/key/delete", `"keys"`, 500, "busy")(b, api))
	}
	lost := func(b *bureau, api http.Handler) http.Handler { // makes the second key, and does not say so
		made := 0
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/key/generate" {
				if made++; made == 2 {
					api.ServeHTTP(httptest.NewRecorder(), r)
					w.WriteHeader(http.StatusBadGateway)
					return
				}
			}
			api.ServeHTTP(w, r)
		})
	}
	gone := func(b *bureau, api http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/key/delete" {
				_ = b.clock.NewEvent().Wait(r.Context())
				return
			}
			api.ServeHTTP(w, r)
		})
	}
	for name, c := range map[string]struct {
		wrap func(*bureau, http.Handler) http.Handler
		left []string
		says []string
	}{
		"aliases are not known": {byAlias, nil, nil},
		"an answer was lost":    {lost, nil, nil},
		"one stays":             {stubborn, []string{"ratecheck-a2"}, []string{"drops them 1m30s after they were made", "ratecheck-a2: ", "busy"}},
		"the target is gone":    {gone, []string{"ratecheck-a1", "ratecheck-a2", "ratecheck-a3"}, []string{"ratecheck-a1, ratecheck-a2, ratecheck-a3", "no answer within"}},
	} {
		t.Run(name, func(t *testing.T) {
			manage(t, c.wrap, func(b *bureau) {
				made := map[string]bool{}
				for i := range 3 {
					if key, err := b.make(fmt.Sprint("a", i+1), history.Limits{}); err == nil {
						made[key.Bearer()] = true
					}
				}
				before := b.clock.Now()
				err := b.keys.Delete(context.Background())
				if got := b.left(); !slices.Equal(got, append([]string{}, c.left...)) {
					t.Errorf("left %v, want %v", got, c.left)
				}
				if took := b.clock.Now().Sub(before); took > 31*time.Second {
					t.Errorf("it took %v", took)
				}
				if c.left == nil {
					if err != nil {
						t.Error(err)
					}
					return
				}
				checkAdvice(t, err, c.says)
				for _, key := range slices.Collect(maps.Keys(made)) {
					if err != nil && strings.Contains(err.Error(), key) {
						t.Errorf("the error tells a key: %v", err)
					}
				}
			})
		})
	}
}

// TestMakingGoesOnWhenInterrupted: a key that the target is making when the run
// is interrupted must be known, or nobody would delete it.
func TestMakingGoesOnWhenInterrupted(t *testing.T) {
	slow := func(b *bureau, api http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := b.clock.Sleep(r.Context(), time.Second); err == nil {
				api.ServeHTTP(w, r)
			}
		})
	}
	manage(t, slow, func(b *bureau) {
		ctx, cancel := b.clock.WithCancel(context.Background())
		defer b.clock.AfterFunc(time.Second/2, cancel)()
		if _, err := b.keys.Make(ctx, "a1", history.Limits{}); err != nil || ctx.Err() == nil {
			t.Errorf("making: %v, the run: %v", err, ctx.Err())
		}
		if got := b.left(); !slices.Equal(got, []string{"ratecheck-a1"}) {
			t.Errorf("made %v", got)
		}
		if err := b.keys.Delete(ctx); err != nil || len(b.left()) != 0 {
			t.Errorf("left %v, %v", b.left(), err)
		}
	})
}
