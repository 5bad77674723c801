package reference_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/reference"
)

// scripted answers its calls one after the other, and remembers which host and
// model each was for.
type scripted struct {
	answers []http.Handler
	calls   []string
}

func (u *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.calls = append(u.calls, strings.TrimSuffix(r.Host, ".internal")+" "+modelOf(r)+" "+r.Header.Get("Authorization"))
	next := u.answers[0]
	if len(u.answers) > 1 {
		u.answers = u.answers[1:]
	}
	next.ServeHTTP(w, r)
}

var (
	fine  = status(200, `{"usage":{"prompt_tokens":10,"completion_tokens":5}}`)
	fine2 = status(200, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n", "Content-Type", "text/event-stream")
)

// deployed has two deployments of m, and one of spare that calls it by another
// name, behind the same upstream.
func deployed(c *reference.ProxyConfig) {
	at := func(host string) *url.URL { return &url.URL{Scheme: "http", Host: host, Path: "/v1"} }
	c.Deployments = []reference.Deployment{
		{ID: "m-1", Model: "m", Upstream: at("one.internal"), Price: &reference.Price{Input: 0.001, Output: 0.01}},
		{ID: "m-2", Model: "m", Upstream: at("two.internal"), APIKey: "k2"},
		{ID: "spare-1", Model: "spare", UpstreamModel: "spare-2026", Upstream: at("three.internal")},
	}
	c.Upstream = nil
	c.Retries, c.Fallbacks = 1, map[string][]string{"m": {"unknown", "spare"}}
}

// withDeployments plays a story with the upstream at the deployments' hosts.
func withDeployments(t *testing.T, keys keyring, u *scripted, story func(*stage)) {
	play(t, setting{keys: keys, configure: deployed}, func(s *stage) {
		for _, host := range []string{"one", "two", "three"} {
			s.network.Handle(host+".internal", u)
		}
		story(s)
	})
}

// TestRetriesAndFallbacks: counted in the headers, charged once, whatever kind
// of failure it was and whether a stream was asked for.
func TestRetriesAndFallbacks(t *testing.T) {
	const one, two, three = "one m ", "two m Bearer k2", "three spare-2026 "
	failures := map[string]http.Handler{
		"500": status(500, `{}`), "503": status(503, `{}`), "429": status(429, `{}`), "408": status(408, `{}`), "a broken connection": abort(),
	}
	for name, failure := range failures {
		for _, stream := range []bool{false, true} {
			last := fine
			fields := `"max_tokens":90`
			if stream {
				last, fields = fine2, fields+`,"stream":true`
			}
			for fails, calls := range [][]string{{one}, {one, two}, {one, two, three}, {one, two, three, three}} {
				u := &scripted{}
				for range fails {
					u.answers = append(u.answers, failure)
				}
				u.answers = append(u.answers, last)
				withDeployments(t, oneKey(10, 1000, 1), u, func(s *stage) {
					what := fmt.Sprintf("%d times %s, stream %v", fails, name, stream)
					a := s.chat(ask("n", fields))
					s.wantStatus(what, a, 200)
					if diff := cmp.Diff(calls, u.calls); diff != "" {
						s.Errorf("%s: calls (-want +got):\n%s", what, diff)
					}
					want := map[string]string{
						"x-litellm-attempted-retries":   []string{"0", "1", "1", "2"}[fails],
						"x-litellm-attempted-fallbacks": []string{"0", "0", "2", "2"}[fails], "x-litellm-max-fallbacks": "2",
						"x-litellm-model-id":                   []string{"m-1", "m-2", "spare-1", "spare-1"}[fails],
						"x-litellm-model-api-base":             "http://" + strings.Fields(calls[fails])[0] + ".internal/v1",
						"x-litellm-model-group":                "m",
						"x-ratelimit-api_key-remaining-tokens": "900", "x-ratelimit-api_key-remaining-requests": "9",
					}
					for header, value := range want {
						if got := a.header.Get(header); got != value {
							s.Errorf("%s: %s is %q, want %q", what, header, got, value)
						}
					}
					s.wantLeft(what, left{"9", "985", "1"})
				})
			}
		}
	}
}

// TestLastFailureIsPassedOn when no attempt is left, and gives all back.
func TestLastFailureIsPassedOn(t *testing.T) {
	u := &scripted{answers: []http.Handler{status(500, `first`), abort(), status(500, `third`), status(503, `last`)}}
	withDeployments(t, oneKey(10, 1000, 1), u, func(s *stage) {
		a := s.chat(ask("n", `"max_tokens":90`))
		if a.status != 503 || a.body != "last" || len(u.calls) != 4 {
			s.Errorf("got %d %s after %d calls", a.status, a.body, len(u.calls))
		}
		s.wantLeft("afterwards", left{"9", "1000", "1"})
	})
}

// TestOnlyADeploymentsFailureIsTriedAgain: not what is wrong with the request,
// and not when nobody waits for it any more.
func TestOnlyADeploymentsFailureIsTriedAgain(t *testing.T) {
	for _, code := range []int{400, 401, 404, 413, 422} {
		u := &scripted{answers: []http.Handler{status(code, `{}`), fine}}
		withDeployments(t, oneKey(10, 1000, 1), u, func(s *stage) {
			s.wantStatus("answer", s.chat(ask("n", `"max_tokens":90`)), code)
			if len(u.calls) != 1 {
				s.Errorf("a %d was tried %d times", code, len(u.calls))
			}
		})
	}
	u := &scripted{}
	withDeployments(t, oneKey(10, 1000, 1), u, func(s *stage) {
		u.answers = []http.Handler{http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_ = s.clock.Sleep(r.Context(), time.Minute)
			panic(http.ErrAbortHandler)
		})}
		s.chatFor(time.Second, ask("n", `"max_tokens":90`))
		s.sleep(time.Millisecond)
		if len(u.calls) != 1 {
			s.Errorf("a request that nobody waits for was tried %d times", len(u.calls))
		}
	})
}

// TestSilentDeploymentIsReplaced: an upstream that says nothing for too long is
// given up, and the slot is held meanwhile.
func TestSilentDeploymentIsReplaced(t *testing.T) {
	u := &scripted{}
	withDeployments(t, oneKey(-1, 1000, 1), u, func(s *stage) {
		u.answers = []http.Handler{http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_ = s.clock.Sleep(r.Context(), time.Hour)
			panic(http.ErrAbortHandler)
		}), fine}
		s.together(2, func(i int) {
			if i == 0 {
				s.wantStatus("answer", s.chat(ask("n", `"max_tokens":90`)), 200)
				return
			}
			s.sleep(5 * time.Minute)
			s.wantRefused("beside it", s.chat(ask("n", `"max_tokens":1`)), "api_key", "max_parallel_requests")
		})
		s.wantLeft("afterwards", left{tokens: "1000", slots: "1"}) // its window is over
	})
}

// TestDeploymentsTakeTurns, and a model that nobody serves is charged nothing.
func TestDeploymentsTakeTurns(t *testing.T) {
	u := &scripted{answers: []http.Handler{fine}}
	withDeployments(t, oneKey(10, -1, -1), u, func(s *stage) {
		for range 4 {
			s.chat(ask("n", ""))
		}
		if got := strings.Join(u.calls, "|"); got != "one m |two m Bearer k2|one m |two m Bearer k2" {
			s.Errorf("calls: %s", got)
		}
		a := s.chat(askFor("nobody's", "n", ""))
		s.wantStatus("a model that nobody serves", a, 404)
		s.wantLeft("afterwards", left{requests: "6"})
	})
}

// TestKeyMayNotUseEveryModel: 403, charged nothing; a blocked key gets nothing
// at all.
func TestKeyMayNotUseEveryModel(t *testing.T) {
	some, blocked := limited(10, 1000, 1), limited(10, 1000, 1)
	some.Key.AllowedModels, blocked.Key.Blocked = []string{"m"}, true
	play(t, setting{keys: keyring{testKey: some, "sk-blocked": blocked}}, func(s *stage) {
		s.wantStatus("its model", s.chat(ask("n", `"max_tokens":1`)), 200)
		a := s.chat(askFor("other", "n", ""))
		s.wantStatus("another", a, 403)
		if remaining(a, "api_key", "requests") != 9 || !strings.Contains(a.body, "permission_error") {
			s.Errorf("another model: %v %s", rates(a.header), a.body)
		}
		for _, path := range []string{"/v1/chat/completions", "/v1/messages", "/v1/models"} {
			method := http.MethodPost
			if path == "/v1/models" {
				method = http.MethodGet
			}
			a := s.send(t.Context(), method, path, "sk-blocked", ask("n", ""))
			s.wantStatus("blocked at "+path, a, 403)
		}
	})
}
