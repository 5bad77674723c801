package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/ratecheck/ratecheck/"
	root   = "../.."
)

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// goFiles calls f with every Go file of the module, its path relative to it.
func goFiles(t *testing.T, f func(path string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			f(filepath.ToSlash(relative), readFile(t, path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRoomsKnowOnlyWhomTheyMay holds the directions of the dependencies: each
// room imports no other rooms of the module than these.
func TestRoomsKnowOnlyWhomTheyMay(t *testing.T) {
	may := map[string][]string{
		"clock":         {},
		"history":       {},
		"checker":       {"history", "checker/window"},
		"reference":     {"clock"},
		"sim":           {"reference", "history", "clock", "sim/provider", "sim/sound", "sim"},
		"driver":        {"history", "clock"},
		"target":        {"history", "clock"},
		"scenarios":     {"driver", "target", "history", "clock"},
		"lab":           {"sim", "target", "clock"},
		"reports":       {"checker", "history"},
		"repro":         {"driver", "target", "scenarios", "history", "clock", "reference", "sim", "sim/litellm", "sim/provider"},
		"cmd/ratecheck": nil, // knows all
	}
	seen := map[string]bool{}
	goFiles(t, func(path string, content []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		room := roomOf(path, may)
		allowed, known := may[room]
		if !known {
			t.Errorf("%s is in no room", path)
			return
		}
		seen[room] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), path, content, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			imported, ours := strings.CutPrefix(name, module)
			if ours && room != "cmd/ratecheck" && !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s; %s may know %v", path, imported, room, allowed)
			}
		}
	})
	for room := range may {
		if !seen[room] {
			t.Errorf("the room %s is empty", room)
		}
	}
}

func roomOf(path string, rooms map[string][]string) string {
	dir := filepath.ToSlash(filepath.Dir(path))
	for dir != "." {
		if _, known := rooms[dir]; known {
			return dir
		}
		dir = filepath.ToSlash(filepath.Dir(dir))
	}
	return dir
}

// TestTimePassesInTheClockAlone: neither code nor tests read or wait on the
// machine's time beside the clock.
func TestTimePassesInTheClockAlone(t *testing.T) {
	forbidden := []string{"time.Now(", "time.Sleep(", "time.After(", "time.AfterFunc(", "time.NewTimer(", "time.NewTicker(", "time.Tick(", "time.Since(", "time.Until("}
	goFiles(t, func(path string, content []byte) {
		if strings.HasPrefix(path, "clock/") || path == "cmd/ratecheck/rooms_test.go" {
			return
		}
		for n, line := range strings.Split(string(content), "\n") {
			for _, call := range forbidden {
				if strings.Contains(line, call) {
					t.Errorf("%s:%d uses %s", path, n+1, strings.TrimSuffix(call, "("))
				}
			}
		}
	})
}
