package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/target"
)

// background are the processes that a script started with serving.
type background struct {
	cmd    *exec.Cmd
	exited clock.Event
	err    error
}

// serversKey is where a script keeps its servers.
type serversKey struct{}

func servers(ts *testscript.TestScript) map[string]*background {
	return ts.Value(serversKey{}).(map[string]*background)
}

// exits runs a program and wants this exit code: exits CODE program args...
// Its output is for stdout and stderr to look at.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		got = failed.ExitCode()
	case err != nil:
		ts.Fatalf("running %v: %v", args[1:], err)
	}
	if got != want {
		ts.Fatalf("%v exited with %d, want %d", args[1:], got, want)
	}
}

// patience is how long a script waits for what a server prints.
const patience = 20 * time.Second

// serving starts a server, waits until it has printed WORD, and sets the
// environment variable NAME to the first http:// address it printed, NAME2 to
// the second: serving NAME WORD program args...
func serving(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: serving NAME WORD program args...")
	}
	name, word := args[0], args[1]
	path, err := exec.LookPath(args[2])
	ts.Check(err)
	out, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	cmd := exec.Command(path, args[3:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = ts.Getenv("WORK")
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "RATECHECK_LAB="+ts.Getenv("RATECHECK_LAB"))
	for _, secret := range []string{adminKeyVariable, "RED_KEY"} { // a script's own variables are not the process's
		cmd.Env = append(cmd.Env, secret+"="+ts.Getenv(secret))
	}
	ts.Check(cmd.Start())
	b := &background{cmd: cmd, exited: clock.System{}.NewEvent()}
	go func() {
		b.err = cmd.Wait()
		_ = out.Close()
		b.exited.Set()
	}()
	servers(ts)[name] = b
	ts.Defer(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = b.exited.Wait(context.Background())
	})
	text := awaitText(ts, out.Name(), word)
	for i, at := range httpAddresses(text) {
		suffix := ""
		if i > 0 {
			suffix = strconv.Itoa(i + 1)
		}
		ts.Setenv(name+suffix, at)
	}
}

// waitFor waits until a file holds a word: waitfor FILE WORD.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: waitfor FILE WORD")
	}
	awaitText(ts, ts.MkAbs(args[0]), args[1])
}

func awaitText(ts *testscript.TestScript, file, word string) string {
	c := clock.System{}
	for deadline := c.Now().Add(patience); ; {
		text, _ := os.ReadFile(file)
		if strings.Contains(string(text), word) {
			return string(text)
		}
		if c.Now().After(deadline) {
			ts.Fatalf("%s did not get to say %q; it holds %q", file, word, text)
		}
		ts.Check(c.Sleep(context.Background(), 10*time.Millisecond))
	}
}

// interrupt sends SIGINT to a server and wants it to exit with a code:
// interrupt NAME CODE.
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: interrupt NAME CODE")
	}
	b := servers(ts)[args[0]]
	if b == nil {
		ts.Fatalf("no server %q was started", args[0])
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(b.cmd.Process.Signal(os.Interrupt))
	ts.Check(b.exited.Wait(context.Background()))
	if got := b.cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("%s exited with %d, want %d", args[0], got, want)
	}
}

// killed kills a server with SIGKILL, so that it can end nothing in good order:
// killed NAME.
func killed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: killed NAME")
	}
	b := servers(ts)[args[0]]
	if b == nil {
		ts.Fatalf("no server %q was started", args[0])
	}
	ts.Check(b.cmd.Process.Kill())
	ts.Check(b.exited.Wait(context.Background()))
}

// endLeft does what the last stderr advises, kill -9 PID, and wants that it says
// so of one process: endleft.
func endLeft(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: endleft")
	}
	advice := regexp.MustCompile(`kill -9 (\d+)`).FindAllStringSubmatch(ts.ReadFile("stderr"), -1)
	if len(advice) != 1 {
		ts.Fatalf("stderr advises to end %v, want one process", advice)
	}
	pid, err := strconv.Atoi(advice[0][1])
	ts.Check(err)
	process, err := os.FindProcess(pid)
	ts.Check(err)
	ts.Check(process.Kill())
}

// empty wants a folder to be there and to hold nothing: empty DIR.
func empty(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: empty DIR")
	}
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(entries) > 0 {
		ts.Fatalf("%s holds %v", args[0], entries)
	}
}

// httpCall sends a request and prints the status and the body of the answer:
// httpcall METHOD URL BEARER [BODY].
func httpCall(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: httpcall METHOD URL BEARER [BODY]")
	}
	body := ""
	if len(args) == 4 {
		body = args[3]
	}
	ctx, cancel := clock.WithTimeout(context.Background(), clock.System{}, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, args[0], args[1], strings.NewReader(body))
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+args[2])
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%d %s\n", res.StatusCode, answer)
	ts.Check(err)
}

// ownersGone wants no owner of a run's keys on a target: ownersgone URL ADMINKEY
// HISTORY. It fails too if the history tells of no owner.
func ownersGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: ownersgone URL ADMINKEY HISTORY")
	}
	h, err := history.Read(strings.NewReader(ts.ReadFile(args[2])))
	ts.Check(err)
	ctx, cancel := clock.WithTimeout(context.Background(), clock.System{}, patience)
	defer cancel()
	ask := func(method, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(ctx, method, args[0]+path, strings.NewReader(body))
		ts.Check(err)
		req.Header.Set("Authorization", "Bearer "+args[1])
		res, err := http.DefaultClient.Do(req)
		ts.Check(err)
		defer func() { _ = res.Body.Close() }()
		answer, err := io.ReadAll(res.Body)
		ts.Check(err)
		return res.StatusCode, string(answer)
	}
	names := map[string]bool{}
	for _, k := range h.Keys {
		for _, o := range k.Owners {
			names[o.Name], names[o.Of] = true, true
		}
	}
	delete(names, "")
	for name := range names {
		id := target.AliasPrefix + name
		for _, call := range [][2]string{
			{"/team/delete", `{"team_ids":["%s"]}`}, {"/user/delete", `{"user_ids":["%s"]}`}, {"/customer/delete", `{"user_ids":["%s"]}`},
			{"/budget/delete", `{"id":"%s"}`}, {"/organization/delete", `{"organization_ids":["%s"]}`}, {"/project/delete", `{"project_ids":["%s"]}`},
		} {
			if status, answer := ask(http.MethodPost, call[0], fmt.Sprintf(call[1], id)); status != http.StatusNotFound {
				ts.Fatalf("%s of %s: %d %s", call[0], id, status, answer)
			}
		}
	}
	if status, answer := ask(http.MethodGet, "/v1/agents", ""); status != http.StatusOK || strings.TrimSpace(answer) != "[]" {
		ts.Fatalf("agents are left: %d %s", status, answer)
	}
	if len(names) == 0 {
		ts.Fatalf("%s tells of no owner", args[2])
	}
	_, err = fmt.Fprintf(ts.Stdout(), "%d owners are gone\n", len(names))
	ts.Check(err)
}

// torn cuts the last N bytes off a file: torn FILE N.
func torn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: torn FILE N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	path := ts.MkAbs(args[0])
	info, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.Truncate(path, info.Size()-int64(n)))
}

func httpAddresses(text string) []string {
	var list []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,\n", r) }) {
		if strings.HasPrefix(word, "http://") || strings.HasPrefix(word, "https://") {
			list = append(list, word)
		}
	}
	return list
}
