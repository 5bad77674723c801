package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/driver"
	"github.com/ratecheck/ratecheck/lab"
	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/target"
)

// fakeRelease puts a reviewed release into the folder of the lab whose litellm is
// the program fakelitellm: fakerelease VERSION.
func fakeRelease(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fakerelease VERSION")
	}
	pins := lab.PinsDigest(args[0])
	dir := filepath.Join(ts.Getenv("RATECHECK_LAB"), fmt.Sprintf("litellm-%s-%.12s", args[0], pins))
	ts.Check(os.MkdirAll(filepath.Join(dir, "bin"), 0o700))
	for _, program := range []string{"python", "litellm"} {
		ts.Check(os.WriteFile(filepath.Join(dir, "bin", program), []byte("#!/bin/sh\nexec fakelitellm \"$@\"\n"), 0o700))
	}
	marker, err := json.Marshal(map[string]string{"version": args[0], "dir": dir, "pins": pins})
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(dir, "ratecheck-lab.json"), marker, 0o600))
}

// fakeLiteLLM is a program: the reference proxy, started as a lab starts
// LiteLLM. FAKE in its environment says what goes wrong: "broken" ends at once,
// "dies" ends at its 20th request for a key with limits, "forks" has a process of
// its own that does not end with it, as LiteLLM's workers do not.
func fakeLiteLLM() {
	host, port := flag.String("host", "", ""), flag.Int("port", 0, "")
	config := flag.String("config", "", "")
	flag.String("telemetry", "", "")
	flag.Int("num_workers", 1, "")
	flag.Parse()
	if os.Getenv("FAKE") == "broken" {
		fmt.Println("ModuleNotFoundError: No module named 'proxy'")
		os.Exit(1)
	}
	if os.Getenv("FAKE") == "forks" {
		if err := exec.Command("sleep", "60").Start(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	handler, err := fakeProxy(*config)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := http.ListenAndServe(net.JoinHostPort(*host, strconv.Itoa(*port)), handler); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func fakeProxy(config string) (http.Handler, error) {
	text, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	base := regexp.MustCompile(`api_base: "(.*)"`).FindSubmatch(text)
	if base == nil {
		return nil, fmt.Errorf("no api_base in %s", text)
	}
	upstream, err := url.Parse(string(base[1]))
	if err != nil {
		return nil, err
	}
	template, err := target.ParseTemplate(lab.KeyTemplate)
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.Atoi(os.Getenv("LITELLM_RATE_LIMIT_WINDOW_SIZE"))
	if err != nil {
		return nil, err
	}
	sound := reference.NewProxy(reference.ProxyConfig{
		Clock: clock.System{}, Store: reference.NewMemory(), Keys: templateKeys{template}, Window: time.Duration(seconds) * time.Second,
		Upstream: upstream, Transport: driver.NewTransport(), Models: []string{os.Getenv("RATECHECK_LAB_MODELS")},
	})
	var asked atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/health/liveliness":
		case r.Header.Get("Authorization") == "Bearer lab-who":
			http.Error(w, "lab instance "+os.Getenv("RATECHECK_LAB_INSTANCE"), http.StatusUnauthorized)
		default:
			if strings.Contains(r.Header.Get("Authorization"), "-rpm") && asked.Add(1) == 20 && os.Getenv("FAKE") == "dies" {
				fmt.Println("Segmentation fault")
				os.Exit(139)
			}
			sound.ServeHTTP(w, r)
		}
	}), nil
}
