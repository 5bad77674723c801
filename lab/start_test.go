package lab

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

func TestStartStop(t *testing.T) {
	r := fakeRelease(t, played(t, "litellm"))
	o := fakeOptions(t)
	i, err := r.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	if status, _ := get(t.Context(), i.URL()+"/health/liveliness", ""); status != 200 {
		t.Errorf("%s answers %d", i.URL(), status)
	}
	auth, err := os.ReadFile(filepath.Join(o.Dir, "custom_auth.py"))
	if err != nil || string(auth) != customAuth {
		t.Errorf("custom_auth.py is not there: %v", err)
	}
	if _, err := r.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "working folder of its own") {
		t.Errorf("a second instance in one folder: %v", err)
	}
	for range 2 {
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
	}
	checkNothingLeft(t, i, o.Dir)
	if err := i.Wait(t.Context()); err != nil {
		t.Errorf("waiting for a stopped instance: %v", err)
	}
	i, err = r.Start(t.Context(), o)
	if err != nil {
		t.Fatalf("again in the same folder: %v", err)
	}
	if err := i.Stop(); err != nil {
		t.Error(err)
	}
}

func TestStopNil(t *testing.T) {
	var i *Instance
	if err := i.Stop(); err != nil {
		t.Error(err)
	}
}

func TestStartFixedPort(t *testing.T) {
	l, err := net.Listen("tcp4", address(0))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := fakeOptions(t)
	o.Port = l.Addr().(*net.TCPAddr).Port
	r := fakeRelease(t, played(t, "litellm"))
	if _, err := r.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("on a taken port: %v", err)
	}
	l.Close()
	i, err := r.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	if i.URL() != "http://"+l.Addr().String() {
		t.Errorf("it listens on %s, want %s", i.URL(), l.Addr())
	}
}

// TestStartFails has releases that do not come up: the error tells why, and
// nothing is left.
func TestStartFails(t *testing.T) {
	for _, tt := range []struct {
		name, litellm string
		redis         bool
		want          string
	}{
		{"ends early", "echo Traceback: no module named x; exit 3", true, "Traceback: no module named x"},
		{"loses its port", "echo >>tries; echo address already in use; exit 1", false, errPortTaken.Error()},
		{"never answers", "exec sleep 60", true, context.DeadlineExceeded.Error()},
		{"another answers", played(t, "stranger"), false, context.DeadlineExceeded.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bin := t.TempDir()
			script(t, filepath.Join(bin, "redis-server"), played(t, "redis"))
			t.Setenv("PATH", bin+":/usr/bin:/bin")
			o := fakeOptions(t)
			o.Redis = tt.redis
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			i, err := fakeRelease(t, tt.litellm).Start(ctx, o)
			if i != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, %v; want an error that tells of %q", i, err, tt.want)
			}
			if left := processesNaming(o.Dir); len(left) > 0 {
				t.Errorf("processes %v are left", left)
			}
			if tries, err := os.ReadFile(filepath.Join(o.Dir, "tries")); err == nil && len(tries) != portTries {
				t.Errorf("tried %d times, want %d", len(tries), portTries)
			}
		})
	}
}

func TestStartNotInstalled(t *testing.T) {
	r := &Release{Version: realRelease, Dir: t.TempDir()}
	if _, err := r.Start(t.Context(), fakeOptions(t)); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "install") {
		t.Errorf("%v, want that it is not installed", err)
	}
	r.Version = "1.82.8"
	if _, err := r.Start(t.Context(), fakeOptions(t)); !errors.Is(err, ErrCompromised) {
		t.Errorf("%v, want ErrCompromised", err)
	}
}

func TestStartWithoutRedisServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	o := fakeOptions(t)
	o.Redis = true
	_, err := fakeRelease(t, "exit 1").Start(t.Context(), o)
	if !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "install Debian's redis-server") {
		t.Errorf("%v, want how to get Redis", err)
	}
}

// TestDies has an instance of which one half ends by itself.
func TestDies(t *testing.T) {
	bin := t.TempDir()
	script(t, filepath.Join(bin, "redis-server"), played(t, "redis"))
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	for _, victim := range []string{"litellm", "redis"} {
		o := fakeOptions(t)
		o.Redis = true
		i, err := fakeRelease(t, played(t, "litellm")).Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer i.Stop()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := i.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting while it runs: %v", err)
		}
		want := "redis-server ended (signal: killed)"
		if victim == "litellm" {
			get(t.Context(), i.URL()+"/die", "")
			want = "the last words"
		} else {
			killGroup(i.redis.pgid)
		}
		if err := i.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error that tells of %q", err, want)
		}
		checkNothingLeft(t, i, o.Dir)
	}
}

func TestCancelEndsInstance(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := fakeOptions(t)
	i, err := fakeRelease(t, played(t, "litellm")).Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	cancel()
	bounded, done := context.WithTimeout(t.Context(), 2*stopGrace)
	defer done()
	if err := i.Wait(bounded); err != nil {
		t.Fatal(err)
	}
	checkNothingLeft(t, i, o.Dir)
}

// TestKilledParent kills a program that runs an instance: the instance must not
// outlive it.
func TestKilledParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skipf("on %s a child is not told that its parent was killed", runtime.GOOS)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := fakeRelease(t, played(t, "litellm"))
	parent := exec.CommandContext(t.Context(), self)
	parent.Env = append(os.Environ(), roleVar+"=parent", placeVar+"="+r.Dir)
	parent.Stderr = t.Output()
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp4", strings.TrimPrefix(strings.TrimSpace(url), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // its status is that it was killed
	if err := conn.SetReadDeadline(clock.System{}.Now().Add(killWait)); err != nil {
		t.Fatal(err)
	}
	// The connection ends when the process at its other end does.
	var timeout net.Error
	if _, err := conn.Read(make([]byte, 1)); errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the instance lives on")
	}
}

// TestReplicas has a balancer that asks two LiteLLMs in turn.
func TestReplicas(t *testing.T) {
	o := fakeOptions(t)
	o.Replicas, o.Workers = 2, 3
	i, err := fakeRelease(t, played(t, "litellm")).Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	seen := map[string]int{}
	for range 4 {
		_, port := get(t.Context(), i.URL()+"/port", "")
		seen[port]++
	}
	if len(seen) != 2 || seen[strings.TrimPrefix(i.URL(), "http://127.0.0.1:")] > 0 {
		t.Errorf("asked %v through %s, want two others in turn", seen, i.URL())
	}
	for port, n := range seen {
		if n != 2 {
			t.Errorf("port %s was asked %d of 4 times", port, n)
		}
	}
	if argv := strings.Join(i.replicas[1].argv, " "); !strings.Contains(argv, "--num_workers 3") {
		t.Errorf("started as %s, want 3 workers", argv)
	}
	get(t.Context(), i.URL()+"/die", "")
	if err := i.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "replica 1") {
		t.Errorf("%v, want which replica ended", err)
	}
	checkNothingLeft(t, i, o.Dir)
}
