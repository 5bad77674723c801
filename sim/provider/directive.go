package provider

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// findDirective returns what stands between the first [[ and ]] of the text
// that can be a directive: a nonce or name=value words. It looks at the raw
// body, whose nested JSON arrays may look alike but hold other characters.
func findDirective(body []byte) string {
	for {
		at := bytes.Index(body, []byte("[["))
		if at < 0 {
			return ""
		}
		body = body[at+2:]
		end := bytes.Index(body, []byte("]]"))
		if end < 0 {
			return ""
		}
		if text := strings.TrimSpace(string(body[:end])); isDirective(text) {
			return text
		}
	}
}

func isDirective(text string) bool {
	letter := false
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z':
			letter = true
		case r >= '0' && r <= '9', strings.ContainsRune("=,._- ", r):
		default:
			return false
		}
	}
	return letter
}

// unscripted is what a call is answered that nobody registered anything for: a
// completion as long as it may be, at most defaultCompletion.
func unscripted(body []byte, req request) history.Script {
	const defaultCompletion = 16
	completion := int64(defaultCompletion)
	if req.MaxTokens != nil && *req.MaxTokens >= 0 {
		completion = min(completion, *req.MaxTokens)
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
// Words it does not know are left alone: the text is somebody's prompt.
func applyDirective(text string, s *history.Script) (nonce string) {
	for _, w := range strings.Fields(text) {
		name, value, _ := strings.Cut(w, "=")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "nonce":
			nonce = value
		case "usage":
			prompt, completion, _ := strings.Cut(value, ",")
			s.PromptTokens, _ = strconv.ParseInt(prompt, 10, 64)
			s.CompletionTokens, _ = strconv.ParseInt(completion, 10, 64)
		case "cached":
			s.CachedTokens = n
		case "latency":
			s.Latency = parseWait(value)
		case "status":
			if n >= http.StatusOK && n <= 599 {
				s.Status = int(n)
			}
		case "fail_first":
			s.FailFirst = int(n)
		case "chunks":
			s.Chunks = int(min(n, maxDirectiveChunks))
		case "chunk_delay":
			s.ChunkDelay = parseWait(value)
		case "cut_after":
			s.CutAfter = int(n)
		case "no_usage":
			s.WithoutUsage = true
		case "rl":
			s.RateHeaders = openAIRateHeaders()
		}
	}
	s.CompletionTokens = max(0, min(s.CompletionTokens, maxDirectiveTokens))
	return nonce
}

// What a stranger's text may ask for is bounded: a directive must not make the
// provider write without end.
const (
	maxDirectiveChunks = 10_000
	maxDirectiveTokens = 1_000_000
	maxDirectiveWait   = 10 * time.Minute
)

// parseWait reads a duration such as 50ms, or a number of milliseconds.
func parseWait(value string) time.Duration {
	d, err := time.ParseDuration(value)
	if err != nil {
		ms, _ := strconv.ParseInt(value, 10, 64)
		d = time.Duration(ms) * time.Millisecond
	}
	return max(0, min(d, maxDirectiveWait))
}
