package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/sim/provider"
)

// sdkVariable names the folder with the official clients: python is a virtual
// environment with testdata/sdk/requirements.txt, node a folder in which npm ci
// was run with testdata/sdk/package-lock.json. .ci/run makes it.
const sdkVariable = "RATECHECK_SDK"

const (
	// sdkWindow leaves a busy machine some seconds between the request that
	// fills a window and the one that is to be refused in it.
	sdkWindow = 5 * time.Second
	// sdkBackoff is above the longest that a client waits before its first
	// retry where it obeys nothing: both packages begin with 0.5 s, less some
	// jitter.
	sdkBackoff = time.Second
	// sdkPatience bounds a client's whole run: a window and the start of an
	// interpreter.
	sdkPatience = 2 * time.Minute
	// sdkAdmitted is how many of a client's requests reach the provider.
	sdkAdmitted = 7
)

// sdkAnswer is what a client made of an answer.
type sdkAnswer struct {
	Text, Finish string
	Tokens       int
	Chunks       int
	Numbers      []float64
	// Sent is how many requests the client sent, Ms how many milliseconds the
	// call took with its retries.
	Sent int
	Ms   float64
}

// sdkRefusal is what a client made of a refusal.
type sdkRefusal struct {
	Class, Code, Type, Message string
	Status, Sent               int
	RetryAfter                 string `json:"retry_after"`
	RetryAfterMs               string `json:"retry_after_ms"`
	ShouldRetry                string `json:"should_retry"`
}

// sdkTold is what a client's script prints.
type sdkTold struct {
	Version          string
	Complete, Stream sdkAnswer
	Embed            sdkAnswer
	Respond          sdkAnswer
	RespondStreamed  sdkAnswer `json:"respond_streamed"`
	// Nobody comes without a key that is known, Never asks for more than its
	// limit; both may retry.
	Nobody, Never sdkRefusal
	// First fills a window of one request. Refused and RefusedStream are sent
	// behind it and may not retry, Retried may once.
	First         sdkAnswer
	Refused       sdkRefusal
	RefusedStream sdkRefusal `json:"refused_stream"`
	Retried       sdkAnswer
}

// TestOfficialClients has OpenAI's own packages complete, stream, embed and be
// refused at serve, and come back when they are told to.
func TestOfficialClients(t *testing.T) {
	t.Parallel()
	dir := os.Getenv(sdkVariable)
	if dir == "" {
		t.Skipf("%s is not set: it names the folder with OpenAI's packages for Python and Node that .ci/run installs", sdkVariable)
	}
	for name, command := range map[string][]string{
		"python": {filepath.Join(dir, "python", "bin", "python"), "python_client.py"},
		"node":   {"node", "node_client.cjs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy, ledger := serveForClients(t)
			keys, err := json.Marshal(map[string]string{
				"open": "sk-ratecheck-open", "once": "sk-ratecheck-once-rpm1", "small": "sk-ratecheck-small-tpm50", "nobody": "sk-nobody",
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := clock.WithTimeout(t.Context(), clock.System{}, sdkPatience)
			defer cancel()
			cmd := exec.CommandContext(ctx, command[0], filepath.Join("testdata", "sdk", command[1]), proxy, string(keys))
			cmd.Env = []string{
				"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
				"NODE_PATH=" + filepath.Join(dir, "node", "node_modules"), "NO_PROXY=127.0.0.1",
			}
			var said bytes.Buffer
			cmd.Stderr = &said
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %v; it says %s", command, err, said.String())
			}
			var told sdkTold
			if err := json.Unmarshal(out, &told); err != nil {
				t.Fatalf("%v printed %q: %v", command, out, err)
			}
			told.check(t)
			if n := calls(t, ledger); n != sdkAdmitted {
				t.Errorf("%d calls reached the provider, want %d: one for each that was admitted", n, sdkAdmitted)
			}
			t.Logf("openai %s for %s: the refusal said %s ms, the retry took %.0f ms", told.Version, name, told.RefusedStream.RetryAfterMs, told.Retried.Ms)
		})
	}
}

// serveForClients runs serve until the test ends, and returns the addresses of
// the proxy and of the provider.
func serveForClients(t *testing.T) (proxy, ledger string) {
	t.Helper()
	told, out := io.Pipe()
	ctx, interrupt := context.WithCancel(context.Background())
	root := testApp(out).rootCommand()
	root.SetArgs([]string{"serve", "--listen", "127.0.0.1:0", "--provider-listen", "127.0.0.1:0", "--window", sdkWindow.String()})
	ended := clock.System{}.NewEvent()
	go func() {
		defer ended.Set()
		if err := root.ExecuteContext(ctx); err != nil {
			t.Errorf("serve ended with %v", err)
		}
	}()
	t.Cleanup(func() {
		interrupt()
		if err := ended.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		_ = told.Close()
	})
	line, err := bufio.NewReader(told).ReadString('\n')
	addresses := httpAddresses(line)
	if err != nil || len(addresses) != 2 {
		t.Fatalf("serve says %q, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, told) }()
	return addresses[0], addresses[1]
}

// calls is how many calls a provider has finished.
func calls(t *testing.T, at string) int {
	t.Helper()
	res, err := http.Get(at + provider.ControlCalls)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var ledger provider.Ledger
	if err := json.NewDecoder(res.Body).Decode(&ledger); err != nil {
		t.Fatal(err)
	}
	return ledger.Finished
}

func (told sdkTold) check(t *testing.T) {
	t.Helper()
	const text, tokens = " the the the the the", 12 // usage=7,5 of the scripts
	for name, a := range map[string]sdkAnswer{
		"complete": told.Complete, "stream": told.Stream, "first": told.First, "retried": told.Retried,
		"respond": told.Respond, "respond_streamed": told.RespondStreamed,
	} {
		if a.Text != text || a.Tokens != tokens {
			t.Errorf("%s: %q with %d tokens, want %q with %d", name, a.Text, a.Tokens, text, tokens)
		}
	}
	for name, want := range map[string]struct {
		sdkAnswer
		finish string
	}{"complete": {told.Complete, "stop"}, "stream": {told.Stream, "stop"}, "respond_streamed": {told.RespondStreamed, "completed"}} {
		if want.Finish != want.finish {
			t.Errorf("%s: ended with %q, want %q", name, want.Finish, want.finish)
		}
	}
	if told.Stream.Chunks < 2 {
		t.Errorf("stream: %d chunks, want several", told.Stream.Chunks)
	}
	if n := told.Embed.Numbers; told.Embed.Tokens != 7 || len(n) != 3 || math.Abs(n[0]-0.1) > 1e-6 {
		t.Errorf("embed: %v with %d tokens, want 0.1, 0.2, 0.3 with 7", n, told.Embed.Tokens)
	}
	told.checkRefusals(t)
}

func (told sdkTold) checkRefusals(t *testing.T) {
	t.Helper()
	type want struct {
		got            sdkRefusal
		class, message string
		status         int
	}
	for name, w := range map[string]want{
		"nobody":         {told.Nobody, "AuthenticationError", "no such key", http.StatusUnauthorized},
		"never":          {told.Never, "RateLimitError", "Limit type: tokens. Current limit: 50", http.StatusTooManyRequests},
		"refused":        {told.Refused, "RateLimitError", "Limit type: requests. Current limit: 1, Remaining: 0", http.StatusTooManyRequests},
		"refused_stream": {told.RefusedStream, "RateLimitError", "Limit type: requests. Current limit: 1, Remaining: 0", http.StatusTooManyRequests},
	} {
		g := w.got
		if g.Class != w.class || g.Status != w.status || g.Code != strconv.Itoa(w.status) || !strings.Contains(g.Message, w.message) {
			t.Errorf("%s: %+v, want a %s with %d and %q", name, g, w.class, w.status, w.message)
		}
		if g.Sent != 1 {
			t.Errorf("%s: %d requests were sent, want 1", name, g.Sent)
		}
	}
	if told.Never.ShouldRetry != "false" || told.Never.RetryAfter != "" {
		t.Errorf("never: x-should-retry %q and retry-after %q, want false and none", told.Never.ShouldRetry, told.Never.RetryAfter)
	}
	for name, g := range map[string]sdkRefusal{"refused": told.Refused, "refused_stream": told.RefusedStream} {
		ms, err := strconv.ParseInt(g.RetryAfterMs, 10, 64)
		if wait := time.Duration(ms) * time.Millisecond; err != nil || wait <= 0 || wait > sdkWindow ||
			g.RetryAfter != strconv.FormatInt((ms+999)/1000, 10) {
			t.Errorf("%s: retry-after %q, retry-after-ms %q (%v): want the rest of %s, rounded up", name, g.RetryAfter, g.RetryAfterMs, err, sdkWindow)
		}
	}
	// One retry that is admitted: the client came neither by its own backoff nor
	// too soon.
	waited := time.Duration(told.Retried.Ms * float64(time.Millisecond))
	if told.Retried.Sent != 2 || waited < sdkBackoff {
		t.Errorf("retried: admitted after %d requests and %s, want 2 and the rest of the window of %s", told.Retried.Sent, waited, sdkWindow)
	}
}
