package checker

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ratecheck/ratecheck/history"
)

// anyHistory draws a history of nonsense: steps and outcomes that no scenario
// makes, all requirements asked of it.
func anyHistory(t *rapid.T) *history.History {
	var all []string
	for _, r := range Catalogue() {
		all = append(all, r.ID)
	}
	names := []string{
		"burst-start", "burst-end", "pace", "use-up", "after-one-window", "ask", "slow", "probe", "probe-1", "probe-2", "probe-3",
		"fail", "fill", "fill-control", "fill-after-failures", "traffic", "quiet", "noisy", "hold", "plain", "stream", "obey", "ask-late",
		"crowd", "old", "last", "fresh", "open", "straddle", "next-window", "new-window", "settled", "leave", "retried", "fail-left",
		"never", "search", "confirm", "one-more", "exact", "mix-1", "fill-1", "mix-2", "fill-2", "mix-3", "fill-3", "early",
	}
	at := rapid.Map(rapid.Int64Range(0, int64(30*sec)), func(n int64) time.Duration { return time.Duration(n) })
	short := rapid.Map(rapid.Int64Range(0, int64(7*sec)), func(n int64) time.Duration { return time.Duration(n) })
	amount := rapid.Int64Range(0, 50)
	limit := rapid.Ptr(rapid.Int64Range(0, 60), true)
	h := &history.History{Run: history.Run{
		Window: rapid.SampledFrom([]time.Duration{5 * sec, time.Minute}).Draw(t, "window"),
		Ledger: rapid.Bool().Draw(t, "ledger"), LedgerSkew: rapid.SampledFrom([]time.Duration{0, 5 * ms}).Draw(t, "skew"),
		TokenClass: rapid.SampledFrom([]string{"", history.CheckThenCharge}).Draw(t, "class"),
		Planned:    []history.Plan{{Scenario: "s", Asks: all}},
	}, Ends: []history.End{{Scenario: "s"}}}
	for _, alias := range []string{"a", "b"}[:rapid.IntRange(1, 2).Draw(t, "keys")] {
		h.Keys = append(h.Keys, history.Key{Alias: alias, Scenario: "s", Limits: history.Limits{
			Requests: limit.Draw(t, "rpm"), Tokens: limit.Draw(t, "tpm"), Parallel: limit.Draw(t, "slots"),
		}})
		for _, scope := range rapid.SliceOfNDistinct(rapid.SampledFrom(history.Scopes()), 0, 4, rapid.ID).Draw(t, "scopes") {
			k := &h.Keys[len(h.Keys)-1]
			k.Owners = append(k.Owners, history.Owner{
				Scope: scope, Name: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "owner"),
				Limits: history.Limits{Requests: limit.Draw(t, "owner's rpm"), Tokens: limit.Draw(t, "owner's tpm")},
			})
		}
	}
	for i := range rapid.IntRange(0, 40).Draw(t, "attempts") {
		sent := at.Draw(t, "sent")
		a := history.Attempt{
			ID: i + 1, Scenario: "s", Nonce: string(rune('A' + i)), Key: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"),
			Step: rapid.SampledFrom(names).Draw(t, "step"), Stream: rapid.Bool().Draw(t, "stream"), Cap: amount.Draw(t, "cap"),
			Sent: sent, Done: sent + short.Draw(t, "took"), Status: rapid.SampledFrom([]int{0, 200, 200, 429, 429, 500, 503}).Draw(t, "status"),
			MaxTokens: rapid.Ptr(amount, true).Draw(t, "max"), ErrorEvent: rapid.IntRange(0, 9).Draw(t, "event") == 0,
		}
		if a.Status != 0 {
			a.Headers = a.Done
		}
		a.Error = rapid.SampledFrom([]history.ErrorClass{"", "", history.Left, history.Cut}).Draw(t, "error")
		if a.Events = rapid.IntRange(0, 5).Draw(t, "events"); a.Events > 0 {
			a.FirstByte = min(a.Done, sent+1+short.Draw(t, "first byte"))
		}
		a.Header = rapid.MapOf(
			rapid.SampledFrom([]string{"x-ratelimit-remaining-tokens", "x-ratelimit-remaining-requests", "x-ratelimit-limit-tokens", "retry-after", "x-ratelimit-reset-requests", "reset_at", "rate_limit_type", "llm_provider-x-ratelimit-limit-tokens"}),
			rapid.SampledFrom([]string{"0", "7", "40", "-3", "soon", "", "in 7s (HTTP-date)", "in -1h0m0s (RFC 3339, by our clock)", "1795318209", "tokens"}),
		).Draw(t, "header")
		body := rapid.SampledFrom([]string{"", "", "{", "null", "[]", `{"n":1}`, `{"n":1.0,"_x":[{"proxy_y":null}]}`, `{"max_tokens":5}`})
		a.Body = body.Draw(t, "sent body")
		h.Attempts = append(h.Attempts, a)
		for range rapid.IntRange(0, 2).Draw(t, "calls") {
			received := sent - h.Run.LedgerSkew + short.Draw(t, "received")
			h.Calls = append(h.Calls, history.Call{
				ID: len(h.Calls) + 1, Nonce: a.Nonce, Received: received, Done: received + short.Draw(t, "served"),
				Status: rapid.SampledFrom([]int{200, 500}).Draw(t, "upstream"), Usage: history.Usage{Prompt: amount.Draw(t, "prompt"), Completion: amount.Draw(t, "completion"), Total: amount.Draw(t, "used"), Cached: amount.Draw(t, "cached")},
				FirstByte: rapid.SampledFrom([]time.Duration{0, received + 1}).Draw(t, "first byte sent"), Produced: amount.Draw(t, "produced"), Chunks: rapid.IntRange(0, 3).Draw(t, "chunks"),
				Body: body.Draw(t, "received body"),
				RateHeaders: rapid.MapOf(
					rapid.SampledFrom([]string{"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Requests"}), rapid.SampledFrom([]string{"7", "40", "41"}),
				).Draw(t, "headers sent"),
			})
		}
	}
	return h
}

// Whatever a history holds, each planned pair gets one result, and a fault of
// ours is none of them; a FAIL names attempts of the history.
func TestAnyHistoryIsJudged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := anyHistory(t)
		results := Judge(h).Results
		if len(results) != len(Catalogue()) {
			t.Fatalf("%d results for %d requirements", len(results), len(Catalogue()))
		}
		for _, r := range results {
			if r.Verdict == Error || r.Message == "" {
				t.Fatalf("%s: %s: %q", r.Requirement, r.Verdict, r.Message)
			}
			if r.Verdict == Fail && (len(r.Attempts) == 0 || r.Expected == "" || r.Observed == "") {
				t.Fatalf("%s: a FAIL with attempts %v, expected %q, observed %q", r.Requirement, r.Attempts, r.Expected, r.Observed)
			}
			for _, id := range r.Attempts {
				if id < 1 || id > len(h.Attempts) {
					t.Fatalf("%s names attempt %d of %d", r.Requirement, id, len(h.Attempts))
				}
			}
		}
	})
}

// Verdicts hang on the differences of times, and not on when a run began or on
// the order in which the ledger was written down.
func TestVerdictsDoNotHangOnTheStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := anyHistory(t)
		want := verdicts(h)
		shift := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "shift"))
		moved := *h
		moved.Attempts, moved.Calls = slices.Clone(h.Attempts), slices.Clone(h.Calls)
		for i := range moved.Attempts {
			a := &moved.Attempts[i]
			a.Sent, a.Done = a.Sent+shift, a.Done+shift
			if a.Headers > 0 {
				a.Headers += shift
			}
			if a.FirstByte > 0 {
				a.FirstByte += shift
			}
		}
		for i := range moved.Calls {
			moved.Calls[i].Received += shift
			moved.Calls[i].Done += shift
			if moved.Calls[i].FirstByte > 0 {
				moved.Calls[i].FirstByte += shift
			}
		}
		slices.Reverse(moved.Calls)
		if diff := cmp.Diff(want, verdicts(&moved)); diff != "" {
			t.Fatalf("%s later: -before +after\n%s", shift, diff)
		}
	})
}

func verdicts(h *history.History) map[string]Verdict {
	list := map[string]Verdict{}
	for _, r := range Judge(h).Results {
		list[r.Requirement] = r.Verdict
	}
	return list
}
