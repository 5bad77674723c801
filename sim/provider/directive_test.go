package provider

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
)

func TestFindDirective(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		"[[abcd0001]] the the":              "abcd0001",
		`{"content":"hi [[ab12]]"}`:         "ab12",
		"[[usage=10,20 latency=50ms]]":      "usage=10,20 latency=50ms",
		"[[ a1 ]]":                          "a1",
		"[[a-b_c.d]]":                       "a-b_c.d",
		"[[first]] [[second]]":              "first",
		"[[NOT]] [[this]]":                  "this",
		"[[[this]]":                         "this",
		"[[[[this]]]]":                      "this",
		"[[a] [[this]]":                     "this",
		"[[a [b [[this]]":                   "this",
		"[[a]b]] [[this]]":                  "this",
		`{"x":[[1,2],[3,4]],"y":"[[this]]"`: "this",
		"[[1, 2]] [[this]]":                 "this",
		"[[\n 1,\n 2\n]] [[this]]":          "this",
		`[["a"]] [[this]]`:                  "this",
		"[[é]] [[this]]":                    "this",
		"[[a\nb]] [[this]]":                 "this",
		"[[]] [[ ]] [[this]]":               "this",
		"[[\xff]] [[this]]":                 "this",
		"[[this":                            "",
		"[[this]":                           "",
		"[[this] ]":                         "",
		"[this]":                            "",
		"]][[":                              "",
		"[[" + strings.Repeat("a", maxDirective) + "]]":                strings.Repeat("a", maxDirective),
		"[[" + strings.Repeat("a", maxDirective+1) + "]]":              "",
		"[[" + strings.Repeat("a", maxDirective+1) + "]] and [[this]]": "this",
	} {
		if got := findDirective([]byte(text)); got != want {
			t.Errorf("in %.80q there is %.80q, want %.80q", text, got, want)
		}
	}
}

// TestFindDirectiveInTime looks through large bodies of the worst kind. A search
// that begins anew at every bracket takes minutes.
func TestFindDirectiveInTime(t *testing.T) {
	const (
		size  = 2 << 20
		bound = 5 * time.Second // some ten times what it takes under the race detector
	)
	for name, body := range map[string]string{
		"brackets":       strings.Repeat("[", size-2) + "]]",
		"pairs":          strings.Repeat("[[a", size/3) + "]]",
		"one long text":  "[[" + strings.Repeat("a", size-4) + "]]",
		"near misses":    strings.Repeat("[[a]", size/4),
		"without an end": "[[" + strings.Repeat("a ", size/2),
	} {
		began := clock.System{}.Now()
		found := findDirective([]byte(body))
		took := clock.System{}.Now().Sub(began)
		t.Logf("2 MiB of %s: %v", name, took)
		if took > bound {
			t.Errorf("2 MiB of %s took %v", name, took)
		}
		if name == "pairs" && found != "a" || name != "pairs" && found != "" {
			t.Errorf("in %s there is %.40q", name, found)
		}
	}
}

func TestApplyDirective(t *testing.T) {
	before := history.Script{PromptTokens: 1, CompletionTokens: 2}
	changed := func(f func(s *history.Script)) history.Script {
		s := before
		f(&s)
		return s
	}
	for text, c := range map[string]struct {
		nonce string
		want  history.Script
	}{
		"":                                 {"", before},
		"nonce=a1":                         {"a1", before},
		"a1":                               {"", before},
		"usage=10,20":                      {"", changed(func(s *history.Script) { s.PromptTokens, s.CompletionTokens = 10, 20 })},
		"usage=10":                         {"", before},
		"usage=10,20,30":                   {"", before},
		"usage=-1,20":                      {"", before},
		"usage=1,many":                     {"", before},
		"usage":                            {"", before},
		"the usage of words":               {"", before},
		"usage=9,9000000":                  {"", changed(func(s *history.Script) { s.PromptTokens, s.CompletionTokens = 9, maxCompletionTokens })},
		"usage=99999999999999999999,1":     {"", changed(func(s *history.Script) { s.PromptTokens, s.CompletionTokens = maxPromptTokens, 1 })},
		"usage=10,20 cached=5":             {"", changed(func(s *history.Script) { s.PromptTokens, s.CompletionTokens, s.CachedTokens = 10, 20, 5 })},
		"cached=5 usage=10,20":             {"", changed(func(s *history.Script) { s.PromptTokens, s.CompletionTokens, s.CachedTokens = 10, 20, 5 })},
		"cached=5":                         {"", changed(func(s *history.Script) { s.CachedTokens = 1 })},
		"cached=-5":                        {"", before},
		"latency=50ms":                     {"", changed(func(s *history.Script) { s.Latency = 50 * time.Millisecond })},
		"latency=50":                       {"", changed(func(s *history.Script) { s.Latency = 50 * time.Millisecond })},
		"latency=1.5s":                     {"", changed(func(s *history.Script) { s.Latency = 1500 * time.Millisecond })},
		"latency=24h":                      {"", changed(func(s *history.Script) { s.Latency = maxDirectiveWait })},
		"latency=-1s":                      {"", before},
		"latency=soon":                     {"", before},
		"latency=9223372036854775807":      {"", changed(func(s *history.Script) { s.Latency = maxDirectiveWait })},
		"chunk_delay=99999999999999999999": {"", changed(func(s *history.Script) { s.ChunkDelay = maxDirectiveWait })},
		"status=429":                       {"", changed(func(s *history.Script) { s.Status = 429 })},
		"status=99":                        {"", before},
		"status=199":                       {"", before},
		"status=600":                       {"", before},
		"status=99999999999999999999":      {"", before},
		"fail_first=2":                     {"", changed(func(s *history.Script) { s.FailFirst = 2 })},
		"fail_first=-2":                    {"", before},
		"chunks=7 chunk_delay=2s":          {"", changed(func(s *history.Script) { s.Chunks, s.ChunkDelay = 7, 2*time.Second })},
		"chunks=999999":                    {"", changed(func(s *history.Script) { s.Chunks = maxDirectiveChunks })},
		"chunks=-1":                        {"", before},
		"cut_after=2":                      {"", changed(func(s *history.Script) { s.CutAfter = 2 })},
		"no_usage":                         {"", changed(func(s *history.Script) { s.WithoutUsage = true })},
		"rl":                               {"", changed(func(s *history.Script) { s.RateHeaders = openAIRateHeaders() })},
	} {
		s := before
		if nonce := applyDirective(text, &s); nonce != c.nonce {
			t.Errorf("%q: nonce %q, want %q", text, nonce, c.nonce)
		}
		if diff := cmp.Diff(c.want, s); diff != "" {
			t.Errorf("%q gives another script (-want +got):\n%s", text, diff)
		}
	}
}

// bounded is what holds of every script that a stranger's text asks for.
func bounded(s history.Script) bool {
	return s.PromptTokens >= 0 && s.PromptTokens <= maxPromptTokens &&
		s.CompletionTokens >= 0 && s.CompletionTokens <= maxCompletionTokens &&
		s.CachedTokens >= 0 && s.CachedTokens <= s.PromptTokens &&
		s.Latency >= 0 && s.Latency <= maxDirectiveWait && s.ChunkDelay >= 0 && s.ChunkDelay <= maxDirectiveWait &&
		(s.Status == 0 || isStatus(s.Status)) && s.FailFirst >= 0 && s.CutAfter >= 0 &&
		s.Chunks >= 0 && s.Chunks <= maxDirectiveChunks && checkScript(s) == nil
}

// TestWordsAreBounded draws directives that are made of the right words.
func TestWordsAreBounded(t *testing.T) {
	word := rapid.Custom(func(t *rapid.T) string {
		name := rapid.SampledFrom([]string{"nonce", "usage", "cached", "latency", "status", "fail_first", "chunks", "chunk_delay", "cut_after", "no_usage", "rl"}).Draw(t, "name")
		return name + rapid.StringMatching(`(=-?[0-9]{0,20}(,-?[0-9]{0,20}|ms|s|h|e9|\.5s)?)?`).Draw(t, "value")
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(word).Draw(t, "words"), " ")
		s := history.Script{}
		if applyDirective(text, &s); !bounded(s) {
			t.Fatalf("%q gives %+v", text, s)
		}
	})
}

// FuzzDirective holds a directive that is found in garbage to its shape and its
// bounds.
func FuzzDirective(f *testing.F) {
	for _, text := range []string{
		"[[a1]]", "[[usage=10,20 cached=3 latency=50ms status=429 fail_first=1 chunks=3 chunk_delay=1s cut_after=2 no_usage rl nonce=a]]",
		"[[[[]]]]", "[[1]][[a]]", "[[a\xff]]", "[[latency=1e400s]]", `{"messages":[[{"content":"[[x]]"}]]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		directive := findDirective(body)
		if directive != "" && (!isDirective(directive) || len(directive) > maxDirective || !strings.Contains(string(body), directive) || strings.TrimSpace(directive) != directive) {
			t.Errorf("in %q there is %q", body, directive)
		}
		for _, text := range []string{directive, string(body)} {
			s := unscripted(body, request{})
			if applyDirective(text, &s); !bounded(s) {
				t.Errorf("%q gives %+v", text, s)
			}
		}
		// Where nothing was found before it, a nonce is found behind any text.
		if directive == "" && utf8.Valid(body) {
			quoted, err := json.Marshal(string(body) + " ]][[abcd0001]]")
			if err != nil {
				t.Fatal(err)
			}
			if got := findDirective(quoted); got == "" {
				t.Errorf("the nonce is lost in %s", quoted)
			}
		}
	})
}
