package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ratecheck":   main,
		"badproxy":    badProxy,
		"fakelitellm": fakeLiteLLM,
		"plainproxy":  plainProxy,
	})
}

// TestScripts plays testdata/*.txtar: every command, every exit code and every
// kind of bad input, as a user meets them.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":       exits,
			"waitfor":     waitFor,
			"serving":     serving,
			"interrupt":   interrupt,
			"torn":        torn,
			"httpcall":    httpCall,
			"fakerelease": fakeRelease,
		},
		Setup: func(e *testscript.Env) error {
			e.Values[serversKey{}] = map[string]*background{}
			return nil
		},
	})
}
