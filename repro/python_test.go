package repro

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
)

// TestThePythonProviderAnswers plays all requests of all stories to the provider
// that a story comes with: each is answered with the usage that it asks for, no
// sooner than it asks for, and as a stream where it is one.
func TestThePythonProviderAnswers(t *testing.T) {
	base := pythonProvider(t)
	c := clock.System{}
	const longest = 2 * time.Second // what takes longer is asked for in the same words
	seen := map[string]bool{}
	for _, r := range Catalogue() {
		for _, step := range r.Steps(testWindow) {
			body := stepBody(step.Shot)
			endpoint := cmp.Or(step.Shot.Endpoint, history.Chat)
			if name := endpoint + body; seen[name] || step.Shot.Script.Latency > longest {
				continue
			} else {
				seen[name] = true
			}
			sent := c.Now()
			res, err := http.Post(base+history.EndpointPath(endpoint), "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("%s, %s: %s, %v", r.ID, step.Name, res.Status, err)
			}
			if took := c.Now().Sub(sent); took < step.Shot.Script.Latency {
				t.Errorf("%s, %s was answered after %s, want %s", r.ID, step.Name, took, step.Shot.Script.Latency)
			}
			if step.Shot.Stream {
				if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" || !strings.Contains(string(answer), "data: {") {
					t.Errorf("%s, %s is answered as %s: %s", r.ID, step.Name, kind, answer)
				}
				continue
			}
			var told struct {
				Usage struct {
					Prompt     int64 `json:"prompt_tokens"`
					Completion int64 `json:"completion_tokens"`
					Input      int64 `json:"input_tokens"`
					Output     int64 `json:"output_tokens"`
					Total      int64 `json:"total_tokens"`
				} `json:"usage"`
			}
			if err := json.Unmarshal(answer, &told); err != nil {
				t.Fatalf("%s, %s: %v in %s", r.ID, step.Name, err, answer)
			}
			u, want := told.Usage, step.Shot.Script
			if u.Prompt+u.Input != want.PromptTokens || u.Completion+u.Output != want.CompletionTokens || u.Total != want.PromptTokens+want.CompletionTokens {
				t.Errorf("%s, %s: usage %+v, want %d and %d", r.ID, step.Name, u, want.PromptTokens, want.CompletionTokens)
			}
		}
	}
	if len(seen) < len(Catalogue())/2 {
		t.Errorf("%d requests were played", len(seen))
	}
}

// pythonProvider starts the provider of a story and returns where it listens.
func pythonProvider(t *testing.T) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skipf("the provider of the stories is written in Python: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	file := filepath.Join(t.TempDir(), "provider.py")
	if err := os.WriteFile(file, []byte(providerFile), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, file, fmt.Sprint(port))
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // its status is that it was killed
	})
	address := fmt.Sprintf("127.0.0.1:%d", port)
	c := clock.System{}
	const patience, tries = 20 * time.Second, 400
	for range tries {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return "http://" + address
		}
		if err := c.Sleep(context.Background(), patience/tries); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("nothing listens at %s", address)
	return ""
}

// TestTheScriptOfAStoryIsOne: a shell reads it, and no line waits for what was
// started beside it.
func TestTheScriptOfAStoryIsOne(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skipf("the requests of a story are a shell script: %v", err)
	}
	for _, r := range Catalogue() {
		s := Story{Setup: r.Setup, Limits: r.Limits, Window: testWindow.Seconds(), steps: r.Steps(testWindow)}
		names := map[string]string{}
		for _, file := range s.Files() {
			names[file[0]] = file[1]
		}
		for name, text := range map[string]string{"requests.sh": names["requests.sh"], "what starts it": strings.Join(s.Start(), "\n")} {
			check := exec.CommandContext(t.Context(), bash, "-n")
			check.Stdin = strings.NewReader(text)
			if out, err := check.CombinedOutput(); err != nil || text == "" {
				t.Errorf("%s, %s: %v: %s\n%s", r.ID, name, err, out, text)
			}
		}
		for _, line := range s.Start() {
			if strings.TrimSpace(line) == "wait" {
				t.Errorf("%s waits for the proxy, which never ends", r.ID)
			}
		}
		for _, step := range s.steps {
			if !strings.Contains(names["requests.sh"], "send "+step.Name+" ") {
				t.Errorf("%s does not send %s", r.ID, step.Name)
			}
		}
	}
}
