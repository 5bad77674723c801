package lab

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// realRelease is old enough to be measured and new enough for the window size
// to be a setting; RATECHECK_LAB_VERSION names another.
const realRelease = "1.82.3"

// TestRealRelease installs and runs a real LiteLLM. It needs the network for
// the first time and about half a minute of two cores after that.
func TestRealRelease(t *testing.T) {
	dir := os.Getenv("RATECHECK_LAB")
	if dir == "" {
		t.Skip("RATECHECK_LAB is not set: set it to a folder to install a real LiteLLM into, about 600 MB")
	}
	version := cmp.Or(os.Getenv("RATECHECK_LAB_VERSION"), realRelease)
	r, err := Install(t.Context(), dir, version, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	again, err := Install(t.Context(), dir, version, t.Output())
	if err != nil || again.Dir != r.Dir {
		t.Fatalf("installed again: %v, %v; want the same release", again, err)
	}
	checkPinned(t, r)
	for _, redis := range []bool{false, true} {
		t.Run(fmt.Sprintf("redis=%t", redis), func(t *testing.T) { checkReal(t, r, redis) })
	}
}

// checkPinned holds what is installed to what was reviewed.
func checkPinned(t *testing.T, r *Release) {
	if PinsDigest(r.Version) == "" {
		t.Logf("%s was not reviewed: what it is installed with is not compared", r.Version)
		return
	}
	if r.Unpinned != "" {
		t.Logf("the index cannot give what was reviewed: %s", r.Unpinned)
		return
	}
	freeze, err := os.ReadFile(filepath.Join(r.Dir, freezeFile))
	if err != nil {
		t.Fatal(err)
	}
	versions, _ := pinsByName(t, r.Version)
	normal := strings.NewReplacer("_", "-", ".", "-")
	for line := range strings.Lines(string(freeze)) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), "==")
		if !slices.Contains(versions[normal.Replace(strings.ToLower(name))], version) {
			t.Errorf("%s is installed, and %v was reviewed", strings.TrimSpace(line), versions[name])
		}
	}
}

func checkReal(t *testing.T, r *Release, redis bool) {
	upstream := httptest.NewServer(http.HandlerFunc(answerChat))
	defer upstream.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := t.TempDir()
	i, err := r.Start(ctx, Options{
		Dir: dir, Upstream: upstream.URL + "/v1", Models: []string{"m", "m2"}, Redis: redis,
		General: map[string]string{"token_rate_limit_type": "output"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()

	for _, tt := range []struct {
		bearer, model string
		want          []int
	}{
		{"sk-lab-a-rpm2", "m", []int{200, 200, 429}},
		{"sk-lab-b", "m2", []int{200}},
		{"sk-lab-c-team=T-trpm2", "m", []int{200, 200}},
		{"sk-lab-d-team=T-trpm2", "m", []int{429}},
		{"sk-lab-e-user=U-urpm1", "m", []int{200, 429}},
		{"sk-lab-f-rpm9-m_rpm1", "m", []int{200, 429}},
		{"sk-lab-f-rpm9-m_rpm1", "m2", []int{200}},
		{"sk-other", "m", []int{401}},
		{"sk-lab-g-rpm", "m", []int{401}},
		{"sk-lab-g-trpm5", "m", []int{401}},
	} {
		var got []int
		var body string
		for range tt.want {
			var status int
			status, body = chat(t, i.URL(), tt.bearer, tt.model)
			got = append(got, status)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s on %s: %v, want %v; last answer: %s", tt.bearer, tt.model, got, tt.want, body)
		}
	}
	if redis {
		if n := redisSize(t, i.redis.argv[slices.Index(i.redis.argv, "--port")+1]); n == ":0" {
			t.Error("nothing was counted in Redis")
		}
		// Cancelling is the other way to end an instance; Stop then waits.
		cancel()
	}
	if err := i.Stop(); err != nil {
		t.Error(err)
	}
	checkNothingLeft(t, i, dir)
}

// checkNothingLeft looks for what a stopped instance could have left.
func checkNothingLeft(t *testing.T, i *Instance, dir string) {
	t.Helper()
	for _, p := range i.processes() {
		if groupLives(p.pgid) {
			t.Errorf("process group %d of %s is left", p.pgid, p.name)
		}
	}
	if status, _ := get(context.Background(), i.URL()+"/health/liveliness", ""); status != 0 {
		t.Errorf("%s still answers: %d", i.URL(), status)
	}
	for _, pid := range processesNaming(dir) {
		t.Errorf("process %s still names %s", pid, dir)
	}
}

// processesNaming lists the processes with that text in their command line,
// where the system has /proc.
func processesNaming(text string) (pids []string) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), text) {
			pids = append(pids, filepath.Base(filepath.Dir(f)))
		}
	}
	return pids
}

func chat(t *testing.T, url, bearer, model string) (status int, body string) {
	t.Helper()
	payload := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hello"}],"max_tokens":5}`, model)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat/completions", strings.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	if _, err := bufio.NewReader(resp.Body).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.String()
}

// answerChat is as much of a provider as the check needs.
func answerChat(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Model string `json:"model"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != "/v1/chat/completions" {
		http.Error(w, r.URL.Path, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id":"c1","object":"chat.completion","created":1,"model":%q,`+
		`"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hello"}}],`+
		`"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`, in.Model)
}

// redisSize is Redis's own answer to DBSIZE.
func redisSize(t *testing.T, port string) string {
	t.Helper()
	conn, err := net.Dial("tcp4", net.JoinHostPort(loopback, port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("DBSIZE\r\n")); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}
