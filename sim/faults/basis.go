package faults

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"

	"github.com/ratecheck/ratecheck/sim"
)

func basisFaults() []Fault {
	cached := regexp.MustCompile(`"total_tokens":([0-9]+),"prompt_tokens_details":\{"cached_tokens":([0-9]+)\}`)
	return []Fault{
		{
			Name: "cached-counted-twice", Breaks: "tokens/basis",
			Sentence: "cached tokens are added to a total that has them already",
			Apply: onAnswers(func(answer []byte) []byte {
				return cached.ReplaceAllFunc(answer, func(usage []byte) []byte {
					part := cached.FindSubmatch(usage)
					total, _ := strconv.Atoi(string(part[1]))
					extra, _ := strconv.Atoi(string(part[2]))
					return fmt.Appendf(nil, `"total_tokens":%d`, total+extra)
				})
			}),
		},
		{
			Name: "cached-counted-on-streams-alone", Breaks: "tokens/basis",
			Sentence: "cached tokens are free on plain answers and charged on streams, whose details get lost",
			Apply: onAnswers(func(answer []byte) []byte {
				if !bytes.HasPrefix(bytes.TrimSpace(answer), []byte("data:")) {
					return answer
				}
				return cached.ReplaceAll(answer, []byte(`"total_tokens":$1`))
			}),
		},
		{
			Name: "cached-prompts-free", Breaks: "tokens/basis",
			Sentence: "a prompt of which a part was cached is free as a whole, and so is its answer",
			Apply: onAnswers(func(answer []byte) []byte {
				return cached.ReplaceAll(answer, []byte(`"total_tokens":1`))
			}),
		},
	}
}

// onAnswers changes the bodies of what the provider answers, read to their end:
// for what hangs on no time.
func onAnswers(change func([]byte) []byte) func(*sim.Parts) {
	return func(p *sim.Parts) { p.Transport = &answerChanger{p.Transport, change} }
}

type answerChanger struct {
	next   http.RoundTripper
	change func([]byte) []byte
}

func (t *answerChanger) RoundTrip(req *http.Request) (*http.Response, error) {
	content, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	asked := req.Clone(req.Context())
	asked.Body = io.NopCloser(bytes.NewReader(content))
	res, err := t.next.RoundTrip(asked)
	// Requests with cached prompts state this maximum; all other answers stream on.
	if err != nil || !bytes.Contains(content, []byte(`"max_tokens":70,`)) {
		return res, err
	}
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if err := res.Body.Close(); err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(t.change(answer)))
	return res, nil
}
