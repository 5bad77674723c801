package sound

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"
	"unicode"

	"github.com/ratecheck/ratecheck/reference"
	"github.com/ratecheck/ratecheck/sim"
)

// ownTokenizer reserves by a tokenizer that cuts a text where letters and digits
// meet, as common vocabularies do, so that two texts of one length may be
// estimated differently.
type ownTokenizer struct {
	reference.Store

	mu   sync.Mutex
	cuts int64 // of the request that is being decided
}

func tokenizing(p *sim.Parts) {
	s := &ownTokenizer{Store: p.Store}
	p.Store = s
	p.Wrap = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			s.mu.Lock()
			s.cuts = cutsOf(body)
			s.mu.Unlock()
			// One task runs at a time, and decides before it waits.
			next.ServeHTTP(w, r)
		})
	}
}

// cutsOf counts where letters and digits meet in the prompt of a request.
func cutsOf(body []byte) int64 {
	var request struct {
		Messages, Prompt, Input json.RawMessage
	}
	if json.Unmarshal(body, &request) != nil {
		return 0
	}
	var cuts int64
	for _, text := range []json.RawMessage{request.Messages, request.Prompt, request.Input} {
		var last rune
		for _, r := range string(text) {
			if unicode.IsDigit(r) && unicode.IsLetter(last) || unicode.IsLetter(r) && unicode.IsDigit(last) {
				cuts++
			}
			last = r
		}
	}
	return cuts
}

// Reserve adds to an estimate what its text is cut into.
func (s *ownTokenizer) Reserve(now time.Time, items []reference.Item) reference.Decision {
	s.mu.Lock()
	cuts := s.cuts
	s.mu.Unlock()
	for i := range items {
		it := &items[i]
		if limit := it.Limits[reference.Tokens]; limit != reference.Unlimited && it.Amounts[reference.Tokens] > 0 {
			it.Amounts[reference.Tokens] = min(it.Amounts[reference.Tokens]+cuts, max(limit, it.Amounts[reference.Tokens]))
		}
	}
	return s.Store.Reserve(now, items)
}
