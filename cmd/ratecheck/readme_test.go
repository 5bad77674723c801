package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/clock"
)

var update = flag.Bool("update", false, "write what the commands print into README.md and docs")

// TestReadmeCommands plays every console block of the README and wants what
// stands there. With -update it writes what was printed.
func TestReadmeCommands(t *testing.T) {
	path, err := filepath.Abs(root + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(readFile(t, path))
	t.Chdir(root) // where its reader stands
	block := regexp.MustCompile("(?s)```console\n\\$ ([^\n]*)\n(.*?)```")
	played := 0
	got := block.ReplaceAllStringFunc(readme, func(text string) string {
		played++
		command := block.FindStringSubmatch(text)[1]
		return "```console\n$ " + command + "\n" + play(t, command) + "```"
	})
	if played == 0 {
		t.Fatal("the README has no console block")
	}
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(readme, got); d != "" {
		t.Errorf("README.md says (-) what is not printed (+):\n%s", d)
	}
}

// play runs one command line of the README in this process and returns what it
// prints, without the blanks at the ends of lines.
func play(t *testing.T, command string) string {
	t.Helper()
	args := shellWords(t, command)
	switch {
	case len(args) > 3 && args[0] == "go" && args[1] == "run":
		args = args[3:]
	case args[0] == "ratecheck":
		args = args[1:]
	default:
		t.Fatalf("the README has a command that is not ratecheck: %s", command)
	}
	if args[0] == "serve" {
		return playServe(t, args)
	}
	var out bytes.Buffer
	testApp(&out).main(args)
	return trimEnds(out.String())
}

func testApp(out io.Writer) *app {
	return &app{
		stdin: strings.NewReader(""), stdout: out, stderr: io.Discard,
		getenv: func(string) string { return "" }, isTerminal: func(any) bool { return false },
		clock: clock.System{},
	}
}

// playServe serves on ports that are free and prints the default ones.
func playServe(t *testing.T, args []string) string {
	t.Helper()
	read, write := io.Pipe()
	defer read.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := clock.System{}.NewEvent()
	go func() {
		defer ended.Set()
		command := testApp(write).rootCommand()
		command.SetArgs(append(args, "--listen", "127.0.0.1:0", "--provider-listen", "127.0.0.1:0"))
		if err := command.ExecuteContext(ctx); err != nil {
			t.Error(err)
		}
	}()
	buffer := make([]byte, 4096)
	n, err := read.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := ended.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	text := string(buffer[:n])
	for i, at := range httpAddresses(text)[:2] {
		text = strings.ReplaceAll(text, at, []string{"http://127.0.0.1:4000", "http://127.0.0.1:4001"}[i])
	}
	return text
}

// shellWords splits a command line whose words may stand in single quotes.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

func trimEnds(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// TestReadmeTestCommand: the test command of the README is the one that the
// checks run.
func TestReadmeTestCommand(t *testing.T) {
	for _, path := range []string{"/README.md", "/.ci/run"} {
		if text := string(readFile(t, root+path)); !strings.Contains(text, "\ngo test ./...\n") {
			t.Errorf("%s does not have the test command go test ./...", path[1:])
		}
	}
}
