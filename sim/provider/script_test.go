package provider_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ratecheck/ratecheck/history"
)

// TestUsageIsTold asks for one script in every way.
func TestUsageIsTold(t *testing.T) {
	script := history.Script{PromptTokens: 10, CompletionTokens: 20, CachedTokens: 4}
	silent := script
	silent.WithoutUsage = true
	for name, c := range map[string]struct {
		script history.Script
		more   []string
		told   bool
	}{
		"plain":                              {script, nil, true},
		"plain, without":                     {silent, nil, false},
		"stream that asks":                   {script, []string{streamed, withUsage}, true},
		"stream that does not ask":           {script, []string{streamed}, false},
		"stream that asks not":               {script, []string{streamed, `"stream_options":{"include_usage":false}`}, false},
		"stream with options null":           {script, []string{streamed, `"stream_options":null`}, false},
		"stream that asks, without":          {silent, []string{streamed, withUsage}, false},
		"plain with the options of a stream": {script, []string{withUsage}, true},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.provider.Register("n1", c.script)
				s := w.must(w.ask(chat("n1", c.more...)))
				if s.usages > 1 || (s.usage != nil) != c.told {
					t.Fatalf("usage told %d times, want %t", s.usages, c.told)
				}
				if u := s.usage; u != nil && (u.Prompt != 10 || u.Completion != 20 || u.Total != 30 || u.Details == nil || u.Details.Cached != 4) {
					t.Errorf("usage %+v", u)
				}
				if got, want := w.last().Usage, (history.Usage{Prompt: 10, Completion: 20, Total: 30, Cached: 4}); got != want {
					t.Errorf("the ledger says %+v, whatever is told it is %+v", got, want)
				}
			})
		})
	}
}

// TestTextIsAsLongAsItsUsage is a law: four code points a token, plain or
// streamed, however the text is cut.
func TestTextIsAsLongAsItsUsage(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		tokens := rapid.Int64Range(0, 300).Draw(r, "completion tokens")
		chunks := rapid.IntRange(0, 40).Draw(r, "chunks")
		stream := rapid.Bool().Draw(r, "stream")
		inWorld(t, func(w *world) {
			w.provider.Register("n1", history.Script{CompletionTokens: tokens, Chunks: chunks})
			more := []string{}
			if stream {
				more = append(more, streamed, withUsage)
			}
			s := w.must(w.ask(chat("n1", more...)))
			if n := utf8.RuneCountInString(strings.Join(s.texts, "")); int64(n) != 4*tokens || s.usage.Completion != tokens {
				r.Fatalf("%d code points for %d tokens, %d are told", n, tokens, s.usage.Completion)
			}
			if s.finish != "stop" || w.last().Produced != tokens || w.last().Stream != stream {
				r.Fatalf("finished by %q, ledger %+v", s.finish, w.last())
			}
			if !stream {
				if s.object != "chat.completion" || len(s.texts) != 1 {
					r.Fatalf("%s with %d texts", s.object, len(s.texts))
				}
				return
			}
			if chunks == 0 {
				chunks = 3
			}
			if want := chunks + 2; s.chunks != want || !s.done || s.object != "chat.completion.chunk" { // finish and usage
				r.Fatalf("%d chunks of %s, want %d; [DONE] %t", s.chunks, s.object, want, s.done)
			}
			// Chunks are as even as can be.
			sizes := make([]int, chunks)
			for i := range sizes {
				sizes[i] = len(s.texts[i])
			}
			if slices.Max(sizes)-slices.Min(sizes) > len(" the") {
				r.Fatalf("chunks of %v bytes", sizes)
			}
		})
	})
}

func TestTimesAreThoseOfTheScript(t *testing.T) {
	const latency, delay = 3 * time.Second, 500 * time.Millisecond
	script := history.Script{CompletionTokens: 8, Latency: latency, Chunks: 4, ChunkDelay: delay}
	for name, c := range map[string]struct {
		more []string
		wait time.Duration // from the first byte to the last
	}{
		"plain":  {nil, 0},
		"stream": {[]string{streamed}, 3 * delay},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.provider.Register("n1", script)
				began := w.clock.Now().Sub(epoch)
				w.must(w.ask(chat("n1", c.more...)))
				got := w.last()
				if got.Received <= began || got.FirstByte != got.Received+latency || got.Done != got.FirstByte+c.wait {
					t.Errorf("received %v, first byte %v, done %v; want %v and %v later", got.Received, got.FirstByte, got.Done, latency, c.wait)
				}
			})
		})
	}
}

func TestStatuses(t *testing.T) {
	rates := map[string]string{"X-Ratelimit-Remaining-Requests": "7"}
	for name, c := range map[string]struct {
		script history.Script
		want   []int
		kind   string
	}{
		"none":              {history.Script{}, []int{200, 200}, ""},
		"200":               {history.Script{Status: 200}, []int{200, 200}, ""},
		"503":               {history.Script{Status: 503}, []int{503, 503, 503}, "server_error"},
		"429":               {history.Script{Status: 429}, []int{429, 429}, "rate_limit_error"},
		"500 at first":      {history.Script{FailFirst: 2}, []int{500, 500, 200, 200}, "server_error"},
		"429 at first":      {history.Script{FailFirst: 1, Status: 429}, []int{429, 200}, "rate_limit_error"},
		"200 fails nothing": {history.Script{FailFirst: 1, Status: 200}, []int{500, 200}, "server_error"},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream %t", name, stream), func(t *testing.T) {
				c.script.RateHeaders, c.script.PromptTokens, c.script.CompletionTokens = rates, 5, 6
				inWorld(t, func(w *world) {
					w.provider.Register("n1", c.script)
					w.provider.Register("n2", c.script)
					more := []string{`"x":1`}
					if stream {
						more = append(more, streamed)
					}
					var got, told []int
					for range c.want {
						a := w.ask(chat("n1", more...))
						got = append(got, a.status)
						if a.header.Get("X-Ratelimit-Remaining-Requests") != "7" {
							t.Errorf("status %d has no rate headers", a.status)
						}
						if a.status != 200 && (a.header.Get("Content-Type") != "application/json" || !strings.Contains(a.body, `"type":"`+c.kind+`"`)) {
							t.Errorf("status %d with %s: %s", a.status, a.header.Get("Content-Type"), a.body)
						}
					}
					for _, call := range w.ledger() {
						told = append(told, call.Status)
						if want := (history.Usage{Prompt: 5, Completion: 6, Total: 11}); call.Status == 200 && call.Usage != want || call.Status != 200 && (call.Usage != history.Usage{} || call.Produced != 0) {
							t.Errorf("status %d cost %+v, %d produced", call.Status, call.Usage, call.Produced)
						}
					}
					if !slices.Equal(got, c.want) || !slices.Equal(told, c.want) {
						t.Errorf("answered %v, in the ledger %v, want %v", got, told, c.want)
					}
					if a := w.ask(chat("n2")); a.status != c.want[0] {
						t.Errorf("another nonce begins with %d", a.status)
					}
				})
			})
		}
	}
}

func TestCuts(t *testing.T) {
	for name, c := range map[string]struct {
		cutAfter, chunks int
		stream           bool
		cut              bool
		produced         int64
	}{
		"plain":                      {cutAfter: 1, cut: true},
		"plain, later":               {cutAfter: 9, cut: true},
		"plain, never":               {produced: 12},
		"stream, first chunk":        {cutAfter: 1, chunks: 4, stream: true, cut: true, produced: 3},
		"stream, third chunk":        {cutAfter: 3, chunks: 4, stream: true, cut: true, produced: 9},
		"stream, last chunk":         {cutAfter: 4, chunks: 4, stream: true, cut: true, produced: 12},
		"stream, behind the last":    {cutAfter: 5, chunks: 4, stream: true, produced: 12},
		"stream, third of the usual": {cutAfter: 3, stream: true, cut: true, produced: 12},
		"stream, never":              {chunks: 4, stream: true, produced: 12},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.provider.Register("n1", history.Script{CompletionTokens: 12, CutAfter: c.cutAfter, Chunks: c.chunks})
				more := []string{`"x":1`}
				if c.stream {
					more = append(more, streamed)
				}
				a := w.ask(chat("n1", more...))
				switch {
				case !c.cut:
					if s := w.must(a); c.stream && !s.done {
						t.Error("no [DONE]")
					}
				case c.stream:
					text, err := read(a)
					if !errors.Is(a.err, io.ErrUnexpectedEOF) || err != nil || text.done || text.finish != "" || int64(len(strings.Join(text.texts, ""))) != 4*c.produced {
						t.Errorf("%v, %v, %+v", a.err, err, text)
					}
				case !errors.Is(a.err, io.EOF) || a.status != 0:
					t.Errorf("status %d, %v", a.status, a.err)
				}
				if got := w.last(); got.Cut != c.cut || got.Produced != c.produced || got.Gone || got.Status != http.StatusOK {
					t.Errorf("ledger %+v", got)
				}
			})
		})
	}
}

func TestHandshake(t *testing.T) {
	for name, more := range map[string][]string{"plain": {`"x":1`}, "stream": {streamed, withUsage}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.provider.Register("n1", history.Script{PromptTokens: 4, CompletionTokens: 4, Handshake: true})
				s := w.must(w.ask(chat("n1", more...)))
				if text := strings.Join(s.texts, ""); text != "ratecheck provider n1" {
					t.Errorf("the text is %q", text)
				}
				if got := w.last(); s.usage == nil || s.usage.Total != 8 || got.Usage.Total != 8 || got.Produced != 4 {
					t.Errorf("usage %+v, ledger %+v", s.usage, got)
				}
			})
		})
	}
}

func TestRateHeadersAreSent(t *testing.T) {
	rates := map[string]string{"X-Ratelimit-Limit-Requests": "10", "Retry-After": "3"}
	for name, more := range map[string][]string{"plain": {`"x":1`}, "stream": {streamed}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.provider.Register("n1", history.Script{RateHeaders: rates})
				a := w.ask(chat("n1", more...))
				got := map[string]string{}
				for name := range rates {
					got[name] = a.header.Get(name)
				}
				if diff := cmp.Diff(rates, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
