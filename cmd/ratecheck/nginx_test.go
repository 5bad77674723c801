package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/checker"
	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reports"
)

// nginxRunsVariable sets how often each configuration of nginx is run.
const nginxRunsVariable = "RATECHECK_NGINX_RUNS"

// nginxConfig is an nginx in one process that keeps all it writes in its prefix.
// %[1]s is where it listens, %[2]s the limit's zone, %[3]s the limit, %[4]s the
// provider.
const nginxConfig = `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 2048; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  %[2]s
  server {
    listen %[1]s backlog=2048;
    location / {
      %[3]s
      proxy_pass http://%[4]s;
      proxy_buffering off;
      proxy_read_timeout 120s;
    }
  }
}
`

// startNginx starts nginx before a provider that is not there yet, and returns
// its URL.
func startNginx(t *testing.T, zone, limit, provider string) string {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // Debian's, which may not be in a user's PATH
		if _, err := os.Stat(program); err != nil {
			t.Skip("nginx is not installed (apt-get install nginx-light): the test needs one")
		}
	}
	dir, address := t.TempDir(), freeAddress(t)
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, address, zone, limit, provider), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(program, "-p", dir, "-c", config)
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("nginx: %v: %s", err, said.String())
		}
	})
	c := clock.System{}
	const patience, pause = 200, 25 * time.Millisecond
	for range patience {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return "http://" + address
		}
		if c.Sleep(t.Context(), pause) != nil {
			break
		}
	}
	t.Fatalf("nginx does not listen on %s: %s", address, said.String())
	return ""
}

// TestNginx checks a real nginx in its three ways to limit. None breaks a limit;
// its refusals are what they are: 503, with a page, and without Retry-After.
func TestNginx(t *testing.T) {
	t.Parallel()
	const zone = "limit_req_zone $http_authorization zone=keys:1m rate=2r/s;"
	const window = 5 * time.Second // at 2r/s that is 10 requests
	contract := map[string]checker.Verdict{
		"refusal/status": checker.Fail, "refusal/retry-after": checker.Fail, "refusal/body": checker.Fail,
		"refusal/before-stream": checker.Pass,
	}
	plays := map[string]struct {
		zone, limit string
		args        []string
		class       []string // what the class must say, one of them
		passes      []string
	}{
		"meter": {
			zone: zone, limit: "limit_req zone=keys burst=9 nodelay;", args: []string{"--rpm", "10"},
			class: []string{"token bucket"},
			passes: []string{
				"requests/limit-kept", "requests/limit-usable", "requests/window-reopens", "requests/one-upstream-call",
				"isolation/keys", "refusal/quick",
			},
		},
		"queue": {
			zone: zone, limit: "limit_req zone=keys burst=9;", args: []string{"--rpm", "10"},
			class: []string{"leaky bucket as a queue (waits up to "},
			passes: []string{
				"requests/limit-kept", "requests/limit-usable", "requests/window-reopens", "requests/one-upstream-call", "isolation/keys",
			},
		},
		"slots": {
			zone: "limit_conn_zone $http_authorization zone=keys:1m;", limit: "limit_conn keys 3;", args: []string{"--max-parallel", "3"},
			passes: []string{"parallel/limit-kept"},
		},
	}
	runs := 1
	if n, err := strconv.Atoi(os.Getenv(nginxRunsVariable)); err == nil {
		runs = n
	}
	for name, p := range plays {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for run := range runs {
				provider := freeAddress(t)
				url := startNginx(t, p.zone, p.limit, provider)
				r := judged(t, append([]string{
					url, "--key-template", "sk-{nonce}", "--provider-listen", provider, "--window", window.String(),
				}, p.args...)...)
				t.Logf("run %d: %+v; class %q", run+1, r.Summary, r.Target.Class)
				checkNginx(t, r, p.passes, contract)
				if p.class != nil && !slices.ContainsFunc(p.class, func(c string) bool { return strings.Contains(r.Target.Class, c) }) {
					t.Errorf("run %d: the class is %q, want one of %q", run+1, r.Target.Class, p.class)
				}
			}
		})
	}
}

func checkNginx(t *testing.T, r reports.Report, passes []string, contract map[string]checker.Verdict) {
	t.Helper()
	tell := func(result reports.Result, want string) {
		t.Errorf("%s: %s (%s; expected %s; observed %s), want %s", result.Requirement, result.Verdict, result.Message, result.Expected, result.Observed, want)
	}
	for _, result := range r.Results {
		bad := result.Verdict != checker.Pass && result.Verdict != checker.Skip
		switch want, ofContract := contract[result.Requirement]; {
		case slices.Contains(passes, result.Requirement):
			if result.Verdict != checker.Pass {
				tell(result, "PASS")
			}
		case ofContract:
			if result.Verdict != want && result.Verdict != checker.Skip {
				tell(result, string(want))
			}
		case result.Requirement == "headers/on-answers" && result.Verdict == checker.Warn:
		case bad:
			tell(result, "PASS or SKIP")
		}
	}
}
