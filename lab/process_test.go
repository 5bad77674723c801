package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shell is a process of the shell, which the test's end ends.
func shell(t *testing.T, text string) *process {
	t.Helper()
	p, err := command{
		name: "child",
		argv: []string{"/bin/sh", "-c", text},
		env:  []string{"PATH=/usr/bin:/bin"},
		log:  filepath.Join(t.TempDir(), "child.log"),
	}.start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.end(0) })
	return p
}

// said waits until the process has printed that.
func said(t *testing.T, p *process, word string) {
	t.Helper()
	err := p.awaitReady(t.Context(), killWait, func(context.Context) bool {
		return strings.Contains(logTail(p.log), word)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEnd(t *testing.T) {
	for _, tt := range []struct {
		name, text, state string
	}{
		{"obedient", "echo ready; exec sleep 60", "signal: terminated"},
		{"with children", "sleep 60 & sleep 60 & echo ready; wait", "signal: terminated"},
		{"deaf to SIGTERM", "trap '' TERM; echo ready; while :; do sleep 1; done", "signal: killed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := shell(t, tt.text)
			said(t, p, "ready")
			for range 2 {
				if err := p.end(200 * time.Millisecond); err != nil {
					t.Fatal(err)
				}
			}
			if got := p.cmd.ProcessState.String(); got != tt.state {
				t.Errorf("it ended by %q, want %q", got, tt.state)
			}
			if groupLives(p.pgid) {
				t.Error("its group lives")
			}
		})
	}
}

// TestEndAfterExit has a child that ends by itself and leaves another behind.
func TestEndAfterExit(t *testing.T) {
	p := shell(t, "sleep 60 & exit 3")
	<-p.exited
	if !groupLives(p.pgid) {
		t.Fatal("nothing was left behind: the test shows nothing")
	}
	if err := p.end(time.Minute); err != nil {
		t.Fatal(err)
	}
	if groupLives(p.pgid) {
		t.Error("what it left behind lives")
	}
	if p.cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("it ended by %v, want exit status 3", p.cmd.ProcessState)
	}
}

// TestUnreaped holds that an ended child keeps its id until end: a signal to
// the id could otherwise reach a stranger.
func TestUnreaped(t *testing.T) {
	p := shell(t, "exit 0")
	<-p.exited
	if p.cmd.ProcessState != nil {
		t.Fatal("reaped before end")
	}
	if err := p.end(0); err != nil || p.cmd.ProcessState == nil {
		t.Errorf("after end: %v, %v", err, p.cmd.ProcessState)
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	c := command{name: "step", argv: []string{"/bin/sh", "-c", "echo out; echo err >&2; exit $CODE"},
		log: filepath.Join(dir, "log"), out: filepath.Join(dir, "out")}
	c.env = []string{"CODE=0"}
	if err := c.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(c.out)
	if err != nil || string(out) != "out\n" || logTail(c.log) != "err" {
		t.Errorf("output %q, log %q, %v", out, logTail(c.log), err)
	}
	c.env = []string{"CODE=4"}
	if err := c.run(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 4") || !strings.Contains(err.Error(), "err") {
		t.Errorf("%v, want exit status 4 and the log", err)
	}
	c.argv = []string{"/bin/sh", "-c", "exec sleep 60"}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for range 2 { // while it runs, and before it starts
		if err := c.run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the context's error", err)
		}
	}
	c.argv = []string{filepath.Join(dir, "nothing")}
	if err := c.run(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want that the program is not there", err)
	}
}

func TestAwaitReady(t *testing.T) {
	never := func(context.Context) bool { return false }

	p := shell(t, "echo loading; exec sleep 60")
	said(t, p, "loading")
	err := p.awaitReady(t.Context(), 50*time.Millisecond, never)
	if err == nil || !strings.Contains(err.Error(), "did not answer within 50ms") || !strings.Contains(err.Error(), "loading") {
		t.Errorf("%v, want that time was up, and the log", err)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the user went home")
	cancel(why)
	if err := p.awaitReady(ctx, time.Minute, never); !errors.Is(err, why) {
		t.Errorf("%v, want the context's cause", err)
	}

	p = shell(t, "echo no such module sk-lab-abc-rpm2 >&2; exit 5")
	<-p.exited
	// Even if another process answers in its place.
	err = p.awaitReady(t.Context(), time.Minute, func(context.Context) bool { return true })
	if err == nil || !strings.Contains(err.Error(), "exit status 5") || !strings.Contains(err.Error(), "no such module sk-***") {
		t.Errorf("%v, want exit status 5 and the end of the log without keys", err)
	}

	p = shell(t, "sleep 0.1; exit 6")
	err = p.awaitReady(t.Context(), time.Minute, func(context.Context) bool {
		<-p.exited // it ends while somebody else answers
		return true
	})
	if err == nil || !strings.Contains(err.Error(), "exit status 6") {
		t.Errorf("%v, want exit status 6", err)
	}
}

func TestLogTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if got := logTail(path); !strings.Contains(got, "cannot be read") {
		t.Errorf("no log: %q", got)
	}
	long := strings.Repeat(strings.Repeat("x", 99)+"\n", 1000)
	for _, tt := range []struct{ name, text, want string }{
		{"empty", " \n", "(the log is empty)"},
		{"short", "a\nb\n", "a\nb"},
		{"lines", strings.Repeat("a\n", 30), strings.TrimSpace(strings.Repeat("a\n", tailLines))},
		{"bytes", long + "end", strings.TrimSpace(long[:100*(tailLines-1)]) + "\nend"},
		{"one long line", strings.Repeat("y", 2*tailBytes), strings.Repeat("y", tailBytes)},
		{"cut inside a letter", "é" + strings.Repeat("z", tailBytes-1), strings.Repeat("z", tailBytes-1)},
		{"key", "key sk-lab-a1-team=T,trpm5 unknown; task-lab", "key sk-*** unknown; task-lab"},
	} {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := logTail(path); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
