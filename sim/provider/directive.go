package provider

import (
	"bytes"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// maxDirective is the longest directive, in bytes. What is longer is somebody's
// text.
const maxDirective = 1024

// findDirective returns what stands between the first [[ and ]] of the text
// that can be a directive: a nonce or name=value words. It looks at the raw
// body, whose nested JSON arrays may look alike but hold other characters, and
// looks at no byte of it twice.
func findDirective(body []byte) string {
	for {
		at := bytes.Index(body, []byte("[["))
		if at < 0 {
			return ""
		}
		inside := body[at+2:]
		end := bytes.IndexFunc(inside, func(r rune) bool { return !isDirectiveRune(r) && !isJSONSpace(r) })
		switch {
		case end < 0:
			return ""
		case end == 0:
			body = body[at+1:] // of [[[ the last two may be what begins it
			continue
		case end <= maxDirective && bytes.HasPrefix(inside[end:], []byte("]]")):
			if text := strings.TrimSpace(string(inside[:end])); isDirective(text) {
				return text
			}
		}
		body = inside[end:]
	}
}

func isJSONSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }

func isDirectiveRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("=,._- ", r)
}

// isDirective says whether a text holds only what a directive may hold, and a
// letter: numbers alone are somebody's array.
func isDirective(text string) bool {
	letter := false
	for _, r := range text {
		if !isDirectiveRune(r) {
			return false
		}
		letter = letter || r >= 'a' && r <= 'z'
	}
	return letter
}

// unscripted is what a call is answered that nobody registered anything for: a
// completion as long as it may be, at most defaultCompletion.
func unscripted(body []byte, req request) history.Script {
	const defaultCompletion = 16
	completion := int64(defaultCompletion)
	if most := req.most(); most != nil && *most >= 0 {
		completion = min(completion, *most)
	}
	return history.Script{PromptTokens: int64(len(body) / 4), CompletionTokens: completion}
}

// openAIRateHeaders are what the directive rl adds: rate headers as OpenAI
// sends them.
func openAIRateHeaders() map[string]string {
	return map[string]string{
		"X-Ratelimit-Limit-Requests": "10000", "X-Ratelimit-Remaining-Requests": "9999", "X-Ratelimit-Reset-Requests": "6ms",
		"X-Ratelimit-Limit-Tokens": "200000", "X-Ratelimit-Remaining-Tokens": "199900", "X-Ratelimit-Reset-Tokens": "30ms",
	}
}

// applyDirective reads the words of a directive into s and returns its nonce.
// Words that it does not know, or whose value is none, are left alone: the text
// is somebody's prompt.
func applyDirective(text string, s *history.Script) (nonce string) {
	for _, w := range strings.Fields(text) {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "nonce":
			nonce = value
		case "usage":
			prompt, completion, _ := strings.Cut(value, ",")
			if p, ok := parseCount(prompt, maxPromptTokens); ok {
				if c, ok := parseCount(completion, maxCompletionTokens); ok {
					s.PromptTokens, s.CompletionTokens = p, c
				}
			}
		case "cached":
			setCount(&s.CachedTokens, value, maxPromptTokens)
		case "latency":
			setWait(&s.Latency, value)
		case "status":
			if n, ok := parseCount(value, math.MaxInt32); ok && isStatus(int(n)) {
				s.Status = int(n)
			}
		case "fail_first":
			setCount(&s.FailFirst, value, math.MaxInt32)
		case "chunks":
			setCount(&s.Chunks, value, maxDirectiveChunks)
		case "chunk_delay":
			setWait(&s.ChunkDelay, value)
		case "cut_after":
			setCount(&s.CutAfter, value, math.MaxInt32)
		case "no_usage":
			s.WithoutUsage = true
		case "rl":
			s.RateHeaders = openAIRateHeaders()
		}
	}
	s.CachedTokens = min(s.CachedTokens, s.PromptTokens)
	return nonce
}

// isStatus says whether a status can be that of a final answer.
func isStatus(n int) bool { return n >= http.StatusOK && n <= 599 }

// What a stranger's text may ask for is bounded: a directive must not make the
// provider write without end, nor a usage that does not add up.
const (
	maxDirectiveChunks  = 10_000
	maxCompletionTokens = 1_000_000
	maxPromptTokens     = 1 << 40 // costs nothing but must not overflow a sum
	maxDirectiveWait    = 10 * time.Minute
)

// parseCount reads a number of 0 or more; what is larger than most is most.
func parseCount(value string, most int64) (int64, bool) {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return int64(min(n, uint64(most))), true
}

func setCount[N int | int64](to *N, value string, most int64) {
	if n, ok := parseCount(value, most); ok {
		*to = N(n)
	}
}

// setWait reads a duration such as 50ms, or a number of milliseconds.
func setWait(to *time.Duration, value string) {
	d, err := time.ParseDuration(value)
	if err != nil {
		ms, ok := parseCount(value, maxDirectiveWait.Milliseconds())
		if !ok {
			return
		}
		d = time.Duration(ms) * time.Millisecond
	}
	*to = max(0, min(d, maxDirectiveWait))
}
