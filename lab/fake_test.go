package lab

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The test binary itself plays LiteLLM, Redis, and a program that is killed
// while it runs an instance.
const (
	roleVar  = "LAB_TEST_ROLE"
	placeVar = "LAB_TEST_PLACE"
)

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleVar) {
	case "":
		os.Exit(m.Run())
	case "litellm":
		err = playLiteLLM(os.Getenv("RATECHECK_LAB_INSTANCE"))
	case "stranger":
		err = playLiteLLM("STRANGER")
	case "redis":
		err = playRedis()
	case "parent":
		err = playParent(os.Getenv(placeVar))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// argument is the value of a flag of this process.
func argument(flag string) string {
	for i, a := range os.Args[:len(os.Args)-1] {
		if a == flag {
			return os.Args[i+1]
		}
	}
	return ""
}

func playLiteLLM(name string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/health/liveliness", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/v1/models", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer "+whoBearer {
			http.Error(w, "lab instance "+name, http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("/port", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, argument("--port")) })
	mux.HandleFunc("/die", func(http.ResponseWriter, *http.Request) {
		fmt.Println("the last words")
		os.Exit(7)
	})
	return http.ListenAndServe(net.JoinHostPort(argument("--host"), argument("--port")), mux)
}

func playRedis() error {
	l, err := net.Listen("tcp4", net.JoinHostPort(argument("--bind"), argument("--port")))
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil && strings.TrimSpace(line) == "PING" {
			if _, err := conn.Write([]byte("+PONG\r\n")); err != nil {
				return err
			}
		}
		conn.Close()
	}
}

func playParent(place string) error {
	r := &Release{Version: realRelease, Dir: place}
	work, err := WorkFolder(place)
	if err != nil {
		return err
	}
	i, err := r.Start(context.Background(), Options{Dir: work, Upstream: "http://127.0.0.1:9/v1"})
	if err != nil {
		return err
	}
	fmt.Println(i.URL())
	select {}
}

// script writes a program of the shell.
func script(t *testing.T, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

// played is a shell line that turns into this binary in that role.
func played(t *testing.T, role string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s=%s exec '%s' \"$@\"", roleVar, role, self)
}

// fakeRelease is a release whose litellm is that shell text.
func fakeRelease(t *testing.T, litellm string) *Release {
	t.Helper()
	dir := t.TempDir()
	script(t, filepath.Join(dir, "bin", "litellm"), litellm)
	return &Release{Version: realRelease, Dir: dir}
}

// fakeOptions are right ones, in a folder of their own.
func fakeOptions(t *testing.T) Options {
	t.Helper()
	return Options{Dir: t.TempDir(), Upstream: "http://127.0.0.1:9/v1"}
}
