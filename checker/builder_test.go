package checker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/history"
)

// book writes histories by hand.
type book struct {
	t *testing.T
	h history.History
}

// window5 is the window of the hand-written histories.
const window5 = 5 * time.Second

const (
	ms  = time.Millisecond
	sec = time.Second
)

func newBook(t *testing.T) *book {
	return &book{t: t, h: history.History{Run: history.Run{Schema: history.Schema, Window: window5, Ledger: true}}}
}

// scenario plans a scenario that was played to its end.
func (b *book) scenario(name string, asks ...string) *book {
	b.h.Run.Planned = append(b.h.Run.Planned, history.Plan{Scenario: name, Asks: asks})
	b.h.Ends = append(b.h.Ends, history.End{Scenario: name})
	return b
}

// sheet is a key of a book.
type sheet struct {
	b        *book
	alias    string
	scenario string
}

// key adds a key to the scenario planned last.
func (b *book) key(limits history.Limits) *sheet {
	s := &sheet{b: b, alias: "key-" + strconv.Itoa(len(b.h.Keys)+1), scenario: b.h.Run.Planned[len(b.h.Run.Planned)-1].Scenario}
	b.h.Keys = append(b.h.Keys, history.Key{Alias: s.alias, Scenario: s.scenario, Limits: limits})
	return s
}

func perWindow(requests int64) history.Limits { return history.Limits{Requests: &requests} }
func tokensOnly(tokens int64) history.Limits  { return history.Limits{Tokens: &tokens} }
func slots(n int64) history.Limits            { return history.Limits{Parallel: &n} }
func both(requests, tokens int64) history.Limits {
	return history.Limits{Requests: &requests, Tokens: &tokens}
}

// line is an attempt with its calls, before it is entered.
type line struct {
	history.Attempt
	calls []history.Call
}

type change func(*line)

// admit enters an attempt that reached the provider after 1 ms, was answered
// 200 after 2 ms, and cost 10 tokens of a cap of 20.
func (s *sheet) admit(step string, at time.Duration, changes ...change) int {
	l := &line{Attempt: history.Attempt{Step: step, Sent: at, Headers: at + 2*ms, Done: at + 2*ms, Status: 200, Cap: 20}}
	maxTokens := int64(10)
	l.MaxTokens = &maxTokens
	l.calls = []history.Call{{Received: at + ms, Done: at + 2*ms, Status: 200, Usage: history.Usage{Total: 10}}}
	return s.enter(l, changes)
}

// refuse enters an attempt that was answered 429 after 2 ms.
func (s *sheet) refuse(step string, at time.Duration, changes ...change) int {
	l := &line{Attempt: history.Attempt{
		Step: step, Sent: at, Headers: at + 2*ms, Done: at + 2*ms, Status: 429, Cap: 20,
		Header: map[string]string{"retry-after": "5"},
	}}
	return s.enter(l, changes)
}

// lose enters an attempt whose connection broke before it reached the provider.
func (s *sheet) lose(step string, at time.Duration, changes ...change) int {
	l := &line{Attempt: history.Attempt{Step: step, Sent: at, Done: at + 2*ms, Cap: 20, Error: history.Reset, ErrorText: "connection reset"}}
	return s.enter(l, changes)
}

func (s *sheet) enter(l *line, changes []change) int {
	h := &s.b.h
	l.ID = len(h.Attempts) + 1
	l.Nonce, l.Key, l.Scenario, l.Intended = fmt.Sprintf("n%04d", l.ID), s.alias, s.scenario, l.Sent
	for _, c := range changes {
		c(l)
	}
	h.Attempts = append(h.Attempts, l.Attempt)
	if !h.Run.Ledger {
		return l.ID
	}
	for _, c := range l.calls {
		c.ID, c.Nonce = len(h.Calls)+1, l.Nonce
		h.Calls = append(h.Calls, c)
	}
	return l.ID
}

// admits enters n admissions at one instant, and refuses n refusals.
func (s *sheet) admits(n int, step string, at time.Duration, changes ...change) (ids []int) {
	for range n {
		ids = append(ids, s.admit(step, at, changes...))
	}
	return ids
}

func (s *sheet) refuses(n int, step string, at time.Duration, changes ...change) (ids []int) {
	for range n {
		ids = append(ids, s.refuse(step, at, changes...))
	}
	return ids
}

// measured enters the scenario that tells the class: windows of a limit of 2
// that open at their first request and last to the millisecond, each later in
// its turn than the one before, so that no clock explains them. How tokens are
// counted was asked too, and not told.
func (b *book) measured() *sheet {
	k := b.scenario("requests-windows", "requests/limit-kept").key(perWindow(2))
	b.tokensAsked()
	for i := range 6 {
		opens := time.Duration(i) * 6200 * ms
		k.admits(2, "burst-"+strconv.Itoa(i), opens)
		k.refuses(8, "burst-"+strconv.Itoa(i), opens)
		k.refuse("before", opens+4990*ms)
	}
	return k
}

// tokensAsked enters that somebody asked how tokens are counted, which told
// nothing.
func (b *book) tokensAsked() {
	b.h.Run.Planned = append(b.h.Run.Planned, history.Plan{Scenario: "tokens-asked", Asks: []string{asksForTokenClass}})
}

func streamed(l *line) { l.Stream = true }

func status(code int) change { return func(l *line) { l.Status = code } }

// costing sets what an attempt used, was capped at, and stated as max_tokens.
func costing(used, most, maxTokens int64) change {
	return func(l *line) {
		l.Cap, l.MaxTokens = most, &maxTokens
		for i := range l.calls {
			l.calls[i].Usage.Total = used
		}
	}
}

// taking stretches an answer: the provider has the request all the while.
func taking(d time.Duration) change {
	return func(l *line) {
		l.Headers, l.Done = l.Sent+d, l.Sent+d
		for i := range l.calls {
			l.calls[i].Done = l.Done
		}
	}
}

// arriving delays the decision: the request reached the provider, or the refusal
// was answered, only then.
func arriving(d time.Duration) change {
	return func(l *line) {
		l.Headers, l.Done = max(l.Headers, l.Sent+d), max(l.Done, l.Sent+d)
		for i := range l.calls {
			l.calls[i].Received = l.Sent + d
			l.calls[i].Done = max(l.calls[i].Done, l.Sent+d)
		}
	}
}

// telling sets a header, with v's number where it is one.
func telling(name string, v any) change {
	return func(l *line) {
		header := map[string]string{}
		for k, v := range l.Header {
			header[k] = v
		}
		header[name] = fmt.Sprint(v)
		l.Header = header
	}
}

// left tells what is left of the token limit.
func left(n int64) change { return telling("x-ratelimit-remaining-tokens", n) }

// upstreamFails has the provider answer 500.
func upstreamFails(l *line) {
	l.Status = 500
	for i := range l.calls {
		l.calls[i].Status, l.calls[i].Usage = 500, history.Usage{}
	}
}

func refusedInStream(l *line) { l.Stream, l.Status, l.ErrorEvent, l.Excerpt = true, 200, true, "over" }

// verdict judges the book and returns the one result on a requirement.
func (b *book) verdict(requirement string) Result {
	b.t.Helper()
	return verdictOf(b.t, &b.h, requirement)
}

func verdictOf(t interface {
	Helper()
	Fatalf(string, ...any)
}, h *history.History, requirement string) Result {
	t.Helper()
	var found []Result
	for _, r := range Judge(h).Results {
		if r.Requirement == requirement {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d results on %s, want 1", len(found), requirement)
	}
	return found[0]
}

// wants checks a verdict, what its message says, and the attempts it names;
// nil attempts are not checked.
func (b *book) wants(requirement string, verdict Verdict, says string, attempts []int) {
	b.t.Helper()
	r := b.verdict(requirement)
	if r.Verdict != verdict {
		b.t.Errorf("%s: %s (%s; expected %s; observed %s), want %s", requirement, r.Verdict, r.Message, r.Expected, r.Observed, verdict)
	}
	if !strings.Contains(r.Message, says) {
		b.t.Errorf("%s: the message %q does not say %q", requirement, r.Message, says)
	}
	if attempts != nil && !slices.Equal(r.Attempts, attempts) {
		b.t.Errorf("%s: names the attempts %v, want %v", requirement, r.Attempts, attempts)
	}
	if verdict == Fail && (r.Expected == "" || r.Observed == "" || len(r.Attempts) == 0) {
		b.t.Errorf("%s: a FAIL must tell expected %q, observed %q and attempts %v", requirement, r.Expected, r.Observed, r.Attempts)
	}
}

// msTimes makes a factor of a count.
func msTimes(n int) time.Duration { return time.Duration(n) }

// tokenBucket enters the scenario that tells how tokens are counted: a bucket of
// 1000, empty at once and refilled by 400 each 2 s.
func (b *book) tokenBucket() *sheet {
	k := b.scenario("tokens-sequential", asksForTokenClass).key(tokensOnly(1000))
	k.admit("ask", 0, costing(1000, 1000, 1000))
	for i := range 10 {
		at := 2 * msTimes(i+1) * sec
		k.refuse("ask", at-200*ms, costing(0, 400, 400))
		k.admit("ask", at, costing(400, 400, 400))
	}
	return k
}

// tokenCounter enters the scenario that tells how tokens are counted: a sliding
// counter of 1000, whose first window is used up at once and is forgotten in the
// course of the second.
func (b *book) tokenCounter() *sheet {
	k := b.scenario("tokens-sequential", asksForTokenClass).key(tokensOnly(1000))
	k.admit("ask", 0, costing(1000, 1000, 1000))
	for _, at := range []time.Duration{sec, 2 * sec, 3 * sec, 4 * sec, 4900 * ms} {
		k.refuse("ask", at, costing(0, 118, 118))
	}
	for i := range 7 {
		at := 5600*ms + 600*msTimes(i)*ms
		k.refuse("ask", at-100*ms, costing(0, 118, 118))
		k.admit("ask", at, costing(118, 118, 118))
	}
	return k
}
