package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/driver"
)

// plainProxy is a program: the standard library's reverse proxy before the
// upstream that its argument names, with our transport and no limits. It serves
// until it is interrupted.
func plainProxy() {
	upstream, err := url.Parse(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
		Transport: driver.NewTransport(),
	}
	server := httptest.NewServer(proxy)
	fmt.Printf("plain proxy at %s\n", server.URL)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

const (
	// cpuClients is how many clients send at once, each on a connection of its
	// own.
	cpuClients = 16
	// cpuTurn is how many requests a proxy gets before it is the other's turn:
	// both meet the same machine.
	cpuTurn = 800
	// cpuBound is the most that a test lets serve take of processor time, as a
	// multiple of the standard library's reverse proxy. To reach is 1.1, and
	// BenchmarkProxyCPU shows it; beside other work the median of some turns is
	// off by up to a tenth.
	cpuBound = 1.3
)

// proxyBody is a chat completion as a client sends it, some 340 bytes.
const proxyBody = `{"model":"m","messages":[{"role":"system","content":"You are a helpful assistant that answers in one short paragraph."},` +
	`{"role":"user","content":"Explain in plain words what a token bucket is, how it differs from a sliding window, and when one would take which of the two for a public API."}],` +
	`"max_tokens":100,"temperature":0.2}`

// proxyAnswer is a chat completion as a provider answers it, some 600 bytes.
const proxyAnswer = `{"id":"chatcmpl-9f8e7d6c5b4a","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant",` +
	`"content":"A token bucket refills at a steady rate and lets short bursts through; a sliding window counts what came in the last minute. Take the bucket where bursts are welcome, and the window where a promise about any minute has to be kept to the letter."},` +
	`"finish_reason":"stop"}],"usage":{"prompt_tokens":58,"completion_tokens":52,"total_tokens":110},"system_fingerprint":"fp_0123456789"}`

// proxyProcess is a proxy in a process of its own.
type proxyProcess struct {
	url, key string
	pid      int
}

func startProxy(tb testing.TB, key string, args ...string) proxyProcess {
	tb.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(path, args[1:]...)
	var said bytes.Buffer
	cmd.Stderr = &said
	// Its input ends with this process, whatever becomes of it.
	if _, err := cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	addresses := httpAddresses(line)
	if err != nil || len(addresses) == 0 {
		tb.Fatalf("%v says %q (%v), %s", args, line, err, said.String())
	}
	return proxyProcess{addresses[0], key, cmd.Process.Pid}
}

// cpu is the processor time that the threads of the process have taken.
func (p proxyProcess) cpu(tb testing.TB) time.Duration {
	tb.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.pid))
	if err != nil || len(threads) == 0 {
		tb.Fatalf("process %d has no threads: %v", p.pid, err)
	}
	var sum time.Duration
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil {
			tb.Fatal(err) // Go keeps the threads that it has
		}
		first, _, _ := strings.Cut(string(stat), " ") // nanoseconds on a processor
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			tb.Fatalf("%s: %v", stat, err)
		}
		sum += time.Duration(ns)
	}
	return sum
}

// send has all clients send so many requests together and wants each answered.
func (p proxyProcess) send(tb testing.TB, transport http.RoundTripper, requests int) {
	var clients sync.WaitGroup
	for range cpuClients {
		clients.Go(func() {
			for range requests / cpuClients {
				req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.url+"/v1/chat/completions", strings.NewReader(proxyBody))
				if err != nil {
					tb.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+p.key)
				req.Header.Set("Content-Type", "application/json")
				res, err := transport.RoundTrip(req)
				if err != nil {
					tb.Error(err)
					return
				}
				answer, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != http.StatusOK || len(answer) != len(proxyAnswer) {
					tb.Errorf("answered %d %q, %v", res.StatusCode, answer, err)
					return
				}
			}
		})
	}
	clients.Wait()
}

// proxyCPU measures the processor time of a request through serve, with a key of
// these limits, and through the standard library's reverse proxy, in turns. The
// ratio is the median of the turns', since a turn may meet other work.
func proxyCPU(tb testing.TB, key string, turns int) (serve, plain time.Duration, ratio float64) {
	tb.Helper()
	if runtime.GOOS != "linux" {
		tb.Skipf("the processor time of another process is read from /proc, which %s has not", runtime.GOOS)
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, proxyAnswer)
	}))
	tb.Cleanup(upstream.Close)
	proxies := []proxyProcess{
		startProxy(tb, key, "ratecheck", "serve", "--listen", "127.0.0.1:0", "--upstream", upstream.URL+"/v1"),
		startProxy(tb, key, "plainproxy", upstream.URL),
	}
	transport := driver.NewTransport()
	tb.Cleanup(transport.CloseIdleConnections)
	took := make([]time.Duration, len(proxies))
	var ratios []float64
	for turn := range turns + 1 {
		var now [2]time.Duration
		for i, p := range proxies {
			before := p.cpu(tb)
			p.send(tb, transport, cpuTurn)
			now[i] = p.cpu(tb) - before
		}
		if turn == 0 {
			continue // connections are opened and heaps grow
		}
		took[0], took[1] = took[0]+now[0], took[1]+now[1]
		ratios = append(ratios, float64(now[0])/float64(now[1]))
	}
	slices.Sort(ratios)
	each := time.Duration(turns * cpuTurn)
	return took[0] / each, took[1] / each, ratios[len(ratios)/2]
}

// cpuKeys are keys whose limits nobody reaches, by what is limited.
func cpuKeys() map[string]string {
	return map[string]string{
		"requests and tokens":        "sk-ratecheck-cpu-rpm1000000-tpm1000000000",
		"requests, tokens and slots": "sk-ratecheck-cpu-rpm1000000-tpm1000000000-mpr1000",
	}
}

// TestServeTakesLittleMoreThanAPlainProxy: limits cost next to nothing beside
// the sockets.
func TestServeTakesLittleMoreThanAPlainProxy(t *testing.T) {
	if info, known := debug.ReadBuildInfo(); known && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector makes our code dearer and not the kernel's: the ratio says nothing")
	}
	if os.Getenv("RATECHECK_ALONE") == "" {
		t.Skip("RATECHECK_ALONE is not set: beside the tests of other packages the ratio is theirs too")
	}
	for name, key := range cpuKeys() {
		t.Run(name, func(t *testing.T) {
			serve, plain, ratio := proxyCPU(t, key, 11)
			t.Logf("%s of processor time a request, %s in a plain proxy: %.2f times as much", serve, plain, ratio)
			if ratio > cpuBound {
				t.Errorf("a request takes %.2f times the processor time of one in a plain proxy, want at most %.1f", ratio, cpuBound)
			}
		})
	}
}

// BenchmarkProxyCPU reports what a chat completion through serve costs in
// processor time, and as a multiple of the standard library's reverse proxy.
func BenchmarkProxyCPU(b *testing.B) {
	for name, key := range cpuKeys() {
		b.Run(name, func(b *testing.B) {
			var serve, plain time.Duration
			var ratio float64
			for b.Loop() {
				serve, plain, ratio = proxyCPU(b, key, 31)
			}
			b.ReportMetric(float64(serve)/float64(time.Microsecond), "serve-µs")
			b.ReportMetric(float64(plain)/float64(time.Microsecond), "plain-µs")
			b.ReportMetric(ratio, "ratio")
			b.ReportMetric(0, "ns/op") // of all that the benchmark does
		})
	}
}
