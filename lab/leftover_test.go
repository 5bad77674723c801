package lab

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// TestLeftovers kills a program whose LiteLLM has a process of its own: that one
// is left, and found by who looks next.
func TestLeftovers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skipf("on %s the system does not tell in which folder a process works", runtime.GOOS)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := fakeRelease(t, "sleep 60 &\necho $! >pid\n"+played(t, "litellm"))
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
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if left, err := Leftovers(r.Dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v are left while their program runs", left, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // its status is that it was killed

	var left []Leftover
	p := &process{command: command{name: "sleep"}, exited: make(chan struct{})}
	err = p.awaitReady(t.Context(), killWait, func(context.Context) bool {
		left, err = Leftovers(r.Dir)
		// LiteLLM itself ends a moment after its program.
		return err == nil && len(left) == 1
	})
	if err != nil {
		t.Fatalf("%v; found %v", err, left)
	}
	if left[0].Command != "sleep 60" || filepath.Dir(left[0].Dir) != filepath.Join(r.Dir, workDir) {
		t.Errorf("found %+v", left[0])
	}
	pid, err := os.ReadFile(filepath.Join(left[0].Dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	started, err := os.FindProcess(left[0].PID)
	if err != nil || strings.TrimSpace(string(pid)) != strconv.Itoa(left[0].PID) {
		t.Fatalf("found process %d, started %s: %v", left[0].PID, pid, err)
	}
	if err := started.Kill(); err != nil {
		t.Fatal(err)
	}
	err = p.awaitReady(t.Context(), killWait, func(context.Context) bool {
		left, err = Leftovers(r.Dir)
		folders, _ := os.ReadDir(filepath.Join(r.Dir, workDir))
		return err == nil && len(left) == 0 && len(folders) == 0
	})
	if err != nil {
		t.Errorf("%v; left are %v, and the folder should be gone", err, left)
	}
}

// TestLeftoversLeavesNewFolders: a folder without a lock is about to be used.
func TestLeftoversLeavesNewFolders(t *testing.T) {
	dir := t.TempDir()
	if left, err := Leftovers(dir); err != nil || left != nil {
		t.Errorf("without any: %v, %v", left, err)
	}
	own, err := WorkFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := Leftovers(dir); err != nil || left != nil {
		t.Errorf("with a new one: %v, %v", left, err)
	}
	if _, err := os.Stat(own); err != nil {
		t.Error(err)
	}
}
