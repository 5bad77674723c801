package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/sim"
	"github.com/ratecheck/ratecheck/sim/provider"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// world is a provider on a network on virtual time.
type world struct {
	t        *testing.T
	clock    *clock.Virtual
	network  *sim.Network
	provider *provider.Provider
}

// inWorld plays f beside a provider.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	v := clock.NewVirtual(1, epoch)
	w := &world{t: t, clock: v, network: sim.NewNetwork(v, 1), provider: provider.New(v, epoch)}
	w.network.Handle("provider", w.provider)
	if err := v.Run(context.Background(), func() { f(w) }); err != nil {
		t.Error(err)
	}
}

// chat is a request body whose text carries a directive.
func chat(directive string, more ...string) string {
	return fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"[[%s]] the the"}]%s}`, directive, strings.Join(append([]string{""}, more...), ","))
}

const (
	streamed  = `"stream":true`
	withUsage = `"stream_options":{"include_usage":true}`
)

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of the exchange or of reading the body
}

func (w *world) call(ctx context.Context, method, path, body string) answer {
	req, err := http.NewRequestWithContext(ctx, method, "http://provider"+path, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	res, err := w.network.RoundTrip(req)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	content, err := io.ReadAll(res.Body)
	return answer{status: res.StatusCode, header: res.Header, body: string(content), err: err}
}

func (w *world) ask(body string) answer {
	return w.call(context.Background(), http.MethodPost, "/v1/chat/completions", body)
}

// ledger returns the calls that have ended.
func (w *world) ledger() []history.Call {
	calls, _ := w.provider.Finished(0)
	return calls
}

// last is the call that ended last.
func (w *world) last() history.Call {
	calls := w.ledger()
	if len(calls) == 0 {
		w.t.Error("the ledger is empty")
		return history.Call{}
	}
	return calls[len(calls)-1]
}

// said is what an answer says, of a stream all chunks together.
type said struct {
	object string
	id     string
	texts  []string // one per choice or delta that is there
	finish string
	usage  *usage
	usages int
	chunks int
	done   bool
}

type usage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Total      int64 `json:"total_tokens"`
	Details    *struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// read takes an answer apart, plain or streamed.
func read(a answer) (said, error) {
	var s said
	if !strings.HasPrefix(a.header.Get("Content-Type"), "text/event-stream") {
		return s, s.add(a.body)
	}
	for event := range strings.SplitSeq(strings.TrimSuffix(a.body, "\n\n"), "\n\n") {
		text, isData := strings.CutPrefix(event, "data: ")
		switch {
		case !isData:
			return s, fmt.Errorf("the event %q has no data", event)
		case s.done:
			return s, fmt.Errorf("the event %q comes behind the end", event)
		case text == "[DONE]":
			s.done = true
			continue
		}
		s.chunks++
		if err := s.add(text); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *said) add(text string) error {
	var part struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Model   string `json:"model"`
		Created int64  `json:"created"`
		Choices []struct {
			Message *struct{ Role, Content string }
			Delta   *struct{ Role, Content string }
			Finish  *string `json:"finish_reason"`
		} `json:"choices"`
		Usage *usage `json:"usage"`
	}
	if err := json.Unmarshal([]byte(text), &part); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	if part.Choices == nil || part.Model != "m" || part.Created < epoch.Unix() {
		return fmt.Errorf("an envelope without choices, model or time: %s", text)
	}
	if s.id != "" && s.id != part.ID {
		return fmt.Errorf("the id changes from %s to %s", s.id, part.ID)
	}
	s.id, s.object = part.ID, part.Object
	for _, c := range part.Choices {
		if c.Message != nil {
			s.texts = append(s.texts, c.Message.Content)
		}
		if c.Delta != nil {
			s.texts = append(s.texts, c.Delta.Content)
		}
		if c.Finish != nil {
			s.finish += *c.Finish
		}
	}
	if part.Usage != nil {
		s.usage = part.Usage
		s.usages++
		if s.chunks > 0 && len(part.Choices) > 0 {
			return errors.New("the usage of a stream comes with choices")
		}
	}
	return nil
}

// must reads an answer that is to be whole.
func (w *world) must(a answer) said {
	s, err := read(a)
	if a.err != nil || err != nil || a.status != http.StatusOK {
		w.t.Errorf("status %d, %v, %v: %s", a.status, a.err, err, a.body)
	}
	return s
}
