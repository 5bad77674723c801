package target_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
	"github.com/ratecheck/ratecheck/target"
)

const (
	adminKey = "sk-admin"
	// lifetime is that of the keys of tests.
	lifetime = 90 * time.Second
)

// bureau is a target with a management API on virtual time.
type bureau struct {
	*testing.T
	clock    *clock.Virtual
	registry *reference.Registry
	keys     *target.ManagedKeys
	// calls are those that the target had.
	calls []string
}

// manage plays a story with a target whose API wrap changes; nil changes nothing.
func manage(t *testing.T, wrap func(b *bureau, api http.Handler) http.Handler, story func(*bureau)) {
	t.Helper()
	b := &bureau{T: t, clock: clock.NewVirtual(1, epoch)}
	n := sim.NewNetwork(b.clock, 1)
	var err error
	b.registry, err = reference.NewRegistry(reference.RegistryConfig{Clock: b.clock, Random: rand.NewChaCha8([32]byte{1}), AdminKey: adminKey})
	if err != nil {
		t.Fatal(err)
	}
	api := b.registry.Handler(http.NotFoundHandler())
	if wrap != nil {
		api = wrap(b, api)
	}
	n.Handle("proxy.internal", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.calls = append(b.calls, r.Method+" "+r.URL.Path)
		api.ServeHTTP(w, r)
	}))
	b.keys = target.NewManagedKeys(target.Management{
		URL: &url.URL{Scheme: "http", Host: "proxy.internal"}, Transport: n, Clock: b.clock, AdminKey: adminKey, Model: "m", Lifetime: lifetime,
	})
	if err := b.clock.Run(context.Background(), func() { story(b) }); err != nil {
		t.Fatal(err)
	}
}

func (b *bureau) make(nonce string, limits history.Limits) (target.Secret, error) {
	return b.keys.Make(context.Background(), nonce, limits)
}

// left are the aliases of the keys that exist.
func (b *bureau) left() []string {
	aliases := []string{}
	for page := 1; ; page++ {
		req := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/key/list?return_full_object=true&size=100&page=%d", page), nil)
		req.Header.Set("Authorization", "Bearer "+adminKey)
		rec := httptest.NewRecorder()
		b.registry.Handler(http.NotFoundHandler()).ServeHTTP(rec, req)
		var list struct {
			Keys []struct {
				Alias string `json:"key_alias"`
			}
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &list); err != nil {
			b.Fatal(err)
		}
		if len(list.Keys) == 0 {
			return aliases
		}
		for _, k := range list.Keys {
			aliases = append(aliases, k.Alias)
		}
	}
}

// TestManagedKeys makes keys with every set of limits, and deletes them.
func TestManagedKeys(t *testing.T) {
	manage(t, nil, func(b *bureau) {
		sets := []history.Limits{{}, {Requests: limit(0)}, {Tokens: limit(2000)}, {Requests: limit(10), Tokens: limit(20), Parallel: limit(3)}}
		for i, limits := range sets {
			key, err := b.make(fmt.Sprint("ab", i), limits)
			if err != nil {
				t.Fatal(err)
			}
			p, known := b.registry.Lookup(key.Bearer())
			got := history.Limits{Requests: p.Key.RPM, Tokens: p.Key.TPM, Parallel: p.Key.MaxParallel}
			if !known || fmt.Sprint(describe(got)) != fmt.Sprint(describe(limits)) {
				t.Errorf("asked for %v, made %v", describe(limits), describe(got))
			}
		}
		if got := b.left(); !slices.Equal(got, []string{"ratecheck-ab0", "ratecheck-ab1", "ratecheck-ab2", "ratecheck-ab3"}) {
			t.Errorf("aliases %v", got)
		}
		cancelled, cancel := context.WithCancel(context.Background())
		cancel()
		if err := b.keys.Delete(cancelled); err != nil || len(b.left()) != 0 {
			t.Errorf("left %v, %v", b.left(), err)
		}
		if len(b.calls) != len(sets)+1 {
			t.Errorf("calls %v: all keys are to be deleted by one", b.calls)
		}
		if _, err := b.keys.Make(cancelled, "c1", history.Limits{}); !errors.Is(err, context.Canceled) || len(b.left()) != 0 {
			t.Errorf("made when it was over: %v", err)
		}
		if err := b.keys.Delete(context.Background()); err != nil || len(b.calls) != len(sets)+1 {
			t.Errorf("nothing to delete: %v, %v", err, b.calls)
		}
	})
}

func describe(l history.Limits) []int64 {
	var list []int64
	for _, limit := range []*int64{l.Requests, l.Tokens, l.Parallel} {
		if limit == nil {
			list = append(list, -1)
		} else {
			list = append(list, *limit)
		}
	}
	return list
}

// TestManagedKeysExpire: what nobody deletes is gone with its duration, and what
// has expired is no key that is left.
func TestManagedKeysExpire(t *testing.T) {
	manage(t, nil, func(b *bureau) {
		for i := range 250 {
			if _, err := b.make(fmt.Sprint("a", i), history.Limits{}); err != nil {
				t.Fatal(err)
			}
			if i == 100 {
				_ = b.clock.Sleep(context.Background(), lifetime/2)
			}
		}
		_ = b.clock.Sleep(context.Background(), lifetime/2)
		if got := len(b.left()); got != 149 {
			t.Fatalf("%d keys are left, want 149", got)
		}
		if err := b.keys.Delete(context.Background()); err != nil || len(b.left()) != 0 {
			t.Errorf("left %v, %v", b.left(), err)
		}
	})
}

// answer replaces the answers to calls whose path and body it is for.
func answer(path, body string, status int, text string) func(*bureau, http.Handler) http.Handler {
	return func(_ *bureau, api http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent, _ := io.ReadAll(r.Body)
			if r.URL.Path == path && strings.Contains(string(sent), body) {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, text)
				return
			}
			r.Body = io.NopCloser(strings.NewReader(string(sent)))
			api.ServeHTTP(w, r)
		})
	}
}

// TestKeysThatATargetDoesNotMake: the error says what was tried, what came and
// what to do, and no key.
func TestKeysThatATargetDoesNotMake(t *testing.T) {
	silent := func(b *bureau, _ http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = b.clock.NewEvent().Wait(r.Context()) })
	}
	for name, c := range map[string]struct {
		wrap   func(*bureau, http.Handler) http.Handler
		status int
		says   []string
	}{
		"another admin key": {answer("/key/generate", "", 401, `{"error":"sk-admin is nobody's"}`), 401, []string{"status 401", "[key] is nobody's", "is this the admin key"}},
		"no such API":       {answer("/key/generate", "", 404, "not found"), 404, []string{"status 404", "not found", "LiteLLM's management API"}},
		"no database":       {answer("/key/generate", "", 500, strings.Repeat("x", 5000)), 500, []string{"status 500", "has it a database"}},
		"a page":            {answer("/key/generate", "", 200, "<html>"), 200, []string{"not that of LiteLLM", "invalid character '<'"}},
		"no key":            {answer("/key/generate", "", 200, `{"token":"x"}`), 200, []string{"no key"}},
		"a redirect":        {answer("/key/generate", "", 307, ``), 307, []string{"status 307"}},
		"other limits":      {answer("/key/generate", "", 200, `{"key":"sk-1","rpm_limit":7}`), 200, []string{"a key with rpm 5 was asked for, and one with rpm 7 was made"}},
		"no limits":         {answer("/key/generate", "", 200, `{"key":"sk-1"}`), 200, []string{"one with no limits was made"}},
		"silence":           {silent, 0, []string{"no answer within 15s", "is the proxy running there"}},
	} {
		t.Run(name, func(t *testing.T) {
			manage(t, c.wrap, func(b *bureau) {
				key, err := b.make("ab1", history.Limits{Requests: limit(5)})
				checkAdvice(t, err, append(c.says, "POST http://proxy.internal/key/generate"))
				var failed *target.ManagementError
				if key != "" || !errors.As(err, &failed) || failed.Status != c.status || strings.Contains(err.Error(), "sk-") {
					t.Errorf("made %q, %v", key.Bearer(), err)
				}
			})
		})
	}
}
