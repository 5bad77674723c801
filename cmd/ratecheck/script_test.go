package main

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// atOnce is how many parallel tests run at once where nobody says: those that
// take long wait for the windows of real servers, and take little of the
// processor meanwhile.
const atOnce = 6

func TestMain(m *testing.M) {
	if runtime.GOMAXPROCS(0) < atOnce {
		// A -parallel of the command line is read later and goes before.
		if err := flag.Set("test.parallel", strconv.Itoa(atOnce)); err != nil {
			panic(err)
		}
	}
	testscript.Main(worlds{m}, map[string]func(){
		"ratecheck":   main,
		"badproxy":    badProxy,
		"fakelitellm": fakeLiteLLM,
		"plainproxy":  plainProxy,
	})
}

// worlds are the tests, and not the commands that they start: many build a world
// that is garbage within the second, and collecting it took a fourth of the time.
type worlds struct{ *testing.M }

func (w worlds) Run() int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(1000)
	}
	return w.M.Run()
}

// TestScripts plays testdata/*.txtar: every command, every exit code and every
// kind of bad input, as a user meets them.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":       exits,
			"waitfor":     waitFor,
			"serving":     serving,
			"interrupt":   interrupt,
			"killed":      killed,
			"endleft":     endLeft,
			"empty":       empty,
			"torn":        torn,
			"httpcall":    httpCall,
			"ownersgone":  ownersGone,
			"fakerelease": fakeRelease,
		},
		Setup: func(e *testscript.Env) error {
			e.Values[serversKey{}] = map[string]*background{}
			return nil
		},
	})
}
