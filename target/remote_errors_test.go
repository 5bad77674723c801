package target_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/sim"
	"github.com/ratecheck/ratecheck/target"
)

// TestThatIsNoProvider asks what is no provider of ours: the error must say
// where, what was found, and what to do.
func TestThatIsNoProvider(t *testing.T) {
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	const advice = "is it a `ratecheck provider`"
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		says   []string
	}{
		"a page":            {text(200, "<!doctype html>"), []string{"invalid character '<'", advice}},
		"another API":       {text(200, `{"status":"ok"}`), []string{"no now_ns", advice}},
		"null":              {text(200, "null"), []string{"no now_ns", advice}},
		"an array":          {text(200, "[]"), []string{"array", advice}},
		"nothing":           {text(204, ""), []string{"unexpected end", advice}},
		"404":               {text(404, "404 page not found\n"), []string{"404 Not Found to GET /ratecheck/calls", "page not found", advice}},
		"401":               {text(401, strings.Repeat("x", 5000)), []string{"401", advice}},
		"a redirect":        {text(307, ""), []string{"307", advice}},
		"an endless answer": {text(200, strings.Repeat(" ", 65<<20)), []string{"more than 67108864 bytes", advice}},
		"a cut": {func(w http.ResponseWriter, _ *http.Request) {
			text(200, "{")(w, nil)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, []string{"unexpected EOF"}},
		"silence": {nil, []string{"context canceled", "start one with `ratecheck provider`"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := clock.NewVirtual(1, epoch)
			n := sim.NewNetwork(v, 1)
			if c.answer == nil {
				c.answer = func(_ http.ResponseWriter, r *http.Request) { _ = v.NewEvent().Wait(r.Context()) }
			}
			n.Handle("elsewhere", c.answer)
			base := &url.URL{Scheme: "http", Host: "elsewhere", User: url.UserPassword("me", "hunter2")}
			broken := v.Run(context.Background(), func() {
				_, err := target.NewRemoteProvider(base, n, v, epoch).Sync(context.Background())
				checkAdvice(t, err, append(c.says, "elsewhere"))
			})
			if broken != nil {
				t.Error(broken)
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		v := clock.NewVirtual(1, epoch)
		broken := v.Run(context.Background(), func() {
			remote := target.NewRemoteProvider(&url.URL{Scheme: "http", Host: "nobody"}, sim.NewNetwork(v, 1), v, epoch)
			_, err := remote.Sync(context.Background())
			checkAdvice(t, err, []string{"http://nobody", "connection refused", "start one with `ratecheck provider`"})
			checkAdvice(t, remote.Register(context.Background(), "n1", history.Script{}), []string{"http://nobody"})
			_, _, err = remote.Calls(context.Background(), 0)
			checkAdvice(t, err, []string{"http://nobody"})
		})
		if broken != nil {
			t.Error(broken)
		}
	})
}

func checkAdvice(t *testing.T, err error, words []string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q lacks %q", err, word)
		}
	}
	if strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 1000 {
		t.Errorf("the error says too much: %.1200s", err)
	}
}
