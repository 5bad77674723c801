package litellm

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/reference"
)

func most(n int64) *int64 { return &n }

// requestsOf is an owner that is allowed so many requests.
func requestsOf(scope history.Scope, n int64) history.Owner {
	return history.Owner{Scope: scope, Of: within(scope), Name: "o1", Limits: history.Limits{Requests: &n}}
}

func tokensOf(scope history.Scope, n int64) history.Owner {
	return history.Owner{Scope: scope, Of: within(scope), Name: "o1", Limits: history.Limits{Tokens: &n}}
}

func within(scope history.Scope) string {
	if scope == history.TeamMember || scope == history.AgentSession {
		return "t1"
	}
	return ""
}

// TestARequestHasADescriptorForEachOwner that the hook can tell, in LiteLLM's
// order, and as the releases have them.
func TestARequestHasADescriptorForEachOwner(t *testing.T) {
	c := caller{hash: "k", key: reference.NewPolicy(most(9), nil, nil), model: "m"}
	for _, scope := range history.Scopes() {
		c.owners = append(c.owners, requestsOf(scope, 3))
	}
	first := []string{"api_key:k", "user:o1", "team:o1", "team_member:t1:o1", "end_user:o1", "model_per_key:k:m"}
	for version, rest := range map[string][]string{
		"1.78.0":  nil,
		"1.79.0":  {"model_per_team:o1:m", "model_per_team:o1:m", "organization:o1"},
		"1.102.0": {"model_per_team:o1:m", "model_per_team:o1:m", "organization:o1"},
		"1.103.0": {"model_per_team:o1:m", "organization:o1"},
	} {
		var got []string
		for _, d := range c.descriptors(release(t, version)) {
			got = append(got, d.scope+":"+d.value)
			want := int64(3)
			if d.scope == keyScope {
				want = 9
			}
			if n, limited := d.limit(reference.Requests); n != want || !limited {
				t.Errorf("%s: %s is allowed %d, want %d", version, d.scope, n, want)
			}
		}
		if d := cmp.Diff(slices.Concat(first, rest), got); d != "" {
			t.Errorf("%s has other descriptors (-want +got):\n%s", version, d)
		}
	}
	c.model = ""
	for _, d := range c.descriptors(release(t, "1.94.0")) {
		if strings.HasPrefix(d.scope, "model_") {
			t.Errorf("a request without a model is counted for %s:%s", d.scope, d.value)
		}
	}
}

// inEachStore runs f with a limiter of a release in memory and in Redis, on
// virtual time.
func inEachStore(t *testing.T, r Release, f func(t *testing.T, l *limiter, wait func(time.Duration))) {
	t.Helper()
	for _, redis := range []bool{false, true} {
		v := clock.NewVirtual(1, start())
		l := newLimiter(Settings{Release: r, Redis: redis, Window: window}, v)
		if err := v.Run(t.Context(), func() {
			f(t, l, func(d time.Duration) {
				if err := v.Sleep(t.Context(), d); err != nil {
					t.Error(err)
				}
			})
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// ask asks n times, and returns what was admitted.
func (c caller) ask(l *limiter, n int, estimate int64) (admitted []*admission) {
	for range n {
		if a, refused := l.admit(c, c.descriptors(l.Release), estimate); refused == nil {
			admitted = append(admitted, a)
		}
	}
	return admitted
}

func (l *limiter) counter(owner, name string) int64 {
	return l.store.look(l.clock.Now(), "{"+owner+"}"+name).Value
}

// TestATeamsLimitForAModelIsHalved where its descriptor stands there twice
// (37789): of 3 one is admitted, and of 2 one. In Redis a reservation is taken
// twice and settled once; in memory it is taken once.
func TestATeamsLimitForAModelIsHalved(t *testing.T) {
	for _, test := range []struct {
		version string
		limit   int64
		want    int
	}{{"1.78.0", 3, 9}, {"1.79.0", 3, 1}, {"1.94.0", 3, 1}, {"1.102.0", 2, 1}, {"1.103.0", 3, 3}, {"1.109.1", 2, 2}} {
		inEachStore(t, release(t, test.version), func(t *testing.T, l *limiter, _ func(time.Duration)) {
			c := caller{hash: "k", model: "m", owners: []history.Owner{requestsOf(history.ModelPerTeam, test.limit)}}
			if got := c.ask(l, 9, 0); len(got) != test.want {
				t.Errorf("%s, Redis %t: %d of 9 admitted, want %d of a limit of %d", test.version, l.Redis, len(got), test.want, test.limit)
			}
		})
	}
	inEachStore(t, release(t, "1.94.0"), func(t *testing.T, l *limiter, wait func(time.Duration)) {
		c := caller{hash: "k", model: "m", owners: []history.Owner{tokensOf(history.ModelPerTeam, 1000)}}
		admitted := c.ask(l, 1, 300)
		times := map[bool]int64{false: 1, true: 2}[l.Redis]
		if got := l.counter("model_per_team:o1:m", tokensName); got != times*300 {
			t.Errorf("Redis %t: %d are reserved, want %d", l.Redis, got, times*300)
		}
		l.succeeded(admitted[0], 50)
		wait(time.Second)
		if got, want := l.counter("model_per_team:o1:m", tokensName), (times-1)*300+50; got != want {
			t.Errorf("Redis %t: settled there are %d, want %d", l.Redis, got, want)
		}
	})
}

// TestOneRefusalIsChargedToOthers: what the key's tokens refuse stays charged to
// the user's requests (39309), and without the quirk does not.
func TestOneRefusalIsChargedToOthers(t *testing.T) {
	for _, charged := range []bool{true, false} {
		inEachStore(t, release(t, "1.94.0").With(RefusalsCharged, charged), func(t *testing.T, l *limiter, _ func(time.Duration)) {
			c := caller{hash: "k", key: reference.NewPolicy(nil, most(150), nil), model: "m", owners: []history.Owner{requestsOf(history.User, 50)}}
			admitted := c.ask(l, 5, 100)
			want := map[bool]int64{true: 5, false: 1}[charged]
			if got := l.counter("user:o1", requestsName); len(admitted) != 1 || got != want {
				t.Errorf("Redis %t, charged %t: %d admitted and %d of the user's requests counted, want 1 and %d", l.Redis, charged, len(admitted), got, want)
			}
		})
	}
}

// TestReservationsAreOfAllOrNone: a team without room gives the key its tokens
// back, and the refusal names the team.
func TestReservationsAreOfAllOrNone(t *testing.T) {
	inEachStore(t, release(t, newestRelease), func(t *testing.T, l *limiter, _ func(time.Duration)) {
		c := caller{hash: "k", key: reference.NewPolicy(nil, most(1000), nil), model: "m", owners: []history.Owner{tokensOf(history.Team, 250)}}
		if admitted := c.ask(l, 2, 100); len(admitted) != 2 {
			t.Fatalf("Redis %t: %d of 2 admitted", l.Redis, len(admitted))
		}
		a, refused := l.admit(c, c.descriptors(l.Release), 100)
		if a != nil || refused == nil || refused.of.scope != string(history.Team) || refused.limit != 250 || refused.remaining != 50 {
			t.Fatalf("Redis %t: refused is %+v", l.Redis, refused)
		}
		for _, owner := range []string{"api_key:k", "team:o1"} {
			if got := l.counter(owner, tokensName); got != 200 {
				t.Errorf("Redis %t: %d are reserved of %s, want 200", l.Redis, got, owner)
			}
		}
		if other := (caller{hash: "k2", model: "m"}); len(other.ask(l, 1, 0)) != 1 {
			t.Errorf("Redis %t: a key of nobody is refused", l.Redis)
		}
	})
}

// TestAnAnswerIsChargedToAllOwners: to those that reserved what is left, and to
// the others all of it; to organizations only where the release does.
func TestAnAnswerIsChargedToAllOwners(t *testing.T) {
	for version, organization := range map[string]int64{"1.82.3": 0, "1.88.0": 30} {
		inEachStore(t, release(t, version), func(t *testing.T, l *limiter, wait func(time.Duration)) {
			c := caller{hash: "k", key: reference.NewPolicy(nil, most(1000), nil), model: "m", owners: []history.Owner{
				requestsOf(history.TeamMember, 50), requestsOf(history.EndUser, 50), requestsOf(history.Organization, 50),
			}}
			admitted := c.ask(l, 1, 100)
			l.succeeded(admitted[0], 30)
			wait(time.Second)
			ahead := int64(0) // one token that the check cost
			if l.Release.Has(OneTokenAhead) {
				ahead = 1
			}
			for owner, want := range map[string]int64{
				"api_key:k": 30 + ahead, "team_member:t1:o1": 30, "team:t1": 30, "user:o1": 30, "end_user:o1": 30,
				"model_per_key:k:m": 30, "model_per_team:t1:m": 30, "organization:o1": organization,
			} {
				if got := l.counter(owner, tokensName); got != want {
					t.Errorf("%s, Redis %t: %s is charged %d, want %d", version, l.Redis, owner, got, want)
				}
			}
		})
	}
}

// TestAFailedCallGivesAllOwnersTheirTokensBack.
func TestAFailedCallGivesAllOwnersTheirTokensBack(t *testing.T) {
	inEachStore(t, release(t, newestRelease), func(t *testing.T, l *limiter, _ func(time.Duration)) {
		c := caller{hash: "k", key: reference.NewPolicy(nil, most(1000), nil), model: "m", owners: []history.Owner{tokensOf(history.Team, 1000), requestsOf(history.User, 50)}}
		admitted := c.ask(l, 1, 100)
		l.failed(admitted[0])
		l.failed(admitted[0]) // is told twice at times
		for _, owner := range []string{"api_key:k", "team:o1", "user:o1"} {
			if got := l.counter(owner, tokensName); got != 0 {
				t.Errorf("Redis %t: %d are left charged to %s", l.Redis, got, owner)
			}
		}
	})
}

// belonging are keys that all belong to these owners.
type belonging []history.Owner

func (b belonging) OwnersOf(bearer string) ([]history.Owner, bool) { return b, bearer == "sk-k" }

func (b belonging) Lookup(string) (reference.Policy, bool) { return reference.Policy{}, true }

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestScopesAreNamed by the headers of answers and by refusals.
func TestScopesAreNamed(t *testing.T) {
	v := clock.NewVirtual(1, start())
	owners := belonging{requestsOf(history.Team, 1), requestsOf(history.User, 5)}
	p := New(Config{
		Settings: Settings{Release: release(t, newestRelease), Window: window, Owned: owners}, Clock: v, Keys: owners,
		Upstream: &url.URL{Scheme: "http", Host: "provider", Path: "/v1"},
		Transport: transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"usage":{"prompt_tokens":1,"completion_tokens":1}}`))}, nil
		}),
	})
	answered := func(bearer string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, history.EndpointPath(history.Chat), strings.NewReader(`{"model":"m","messages":[]}`))
		r.Header.Set("Authorization", "Bearer "+bearer)
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return w
	}
	if err := v.Run(t.Context(), func() {
		h := answered("sk-k").Header()
		for name, want := range map[string]string{"team-remaining": "0", "team-limit": "1", "user-remaining": "4", "user-limit": "5", "api_key-limit": ""} {
			if got := h.Get("x-ratelimit-" + name + "-requests"); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if w := answered("sk-k"); w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), "Rate limit exceeded for team: o1. Limit type: requests. Current limit: 1, Remaining: 0.") {
			t.Errorf("refused with %d %s", w.Code, w.Body.String())
		}
		if w := answered("sk-other"); w.Code != http.StatusUnauthorized {
			t.Errorf("a key that the hook does not know is answered %d", w.Code)
		}
	}); err != nil {
		t.Fatal(err)
	}
}
