package scenarios

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/target"
)

// ledger is a provider that has had these calls.
type ledger []history.Call

func (ledger) Register(context.Context, string, history.Script) error { return nil }

func (l ledger) Calls(_ context.Context, from int) ([]history.Call, int, error) {
	return l[from:], 0, nil
}

// A proxy may write the client's key into the body that goes upstream; the
// history holds none.
func TestNoKeyOfAReceivedBodyIsRecorded(t *testing.T) {
	var recorded bytes.Buffer
	r := Runner{
		History: history.NewWriter(&recorded),
		Target: target.Target{Provider: ledger{
			{ID: 1, Body: `{"metadata":{"user_api_key":"sk-1"},"user":"sk-2 sk-1"}`}, {ID: 2},
		}},
	}
	r.noteSecret("sk-1")
	r.noteSecret("sk-2")
	if err := r.History.Run(history.Run{Schema: history.Schema}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	h, err := history.Read(&recorded)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := h.Calls[0].Body, `{"metadata":{"user_api_key":"[key]"},"user":"[key] [key]"}`; got != want || h.Calls[1].Body != "" {
		t.Errorf("recorded %q and %q, want %q", got, h.Calls[1].Body, want)
	}
}

func TestBodyOfAShot(t *testing.T) {
	shot := Shot{
		MaxTokens: 20, Stream: true, Script: history.Script{PromptTokens: 4},
		Members:  map[string]any{"temperature": 0.3, "stop": []string{"a"}},
		Messages: func(prompt string) []any { return []any{"first", prompt} },
	}
	body, promptBytes := requestBody("m", "n001", shot)
	var got, want any
	const text = `{"model":"m","max_tokens":20,"stream":true,"stream_options":{"include_usage":true},"temperature":0.3,"stop":["a"],
		"messages":["first","[[n001]] the the"]}`
	if err := errors.Join(json.Unmarshal(body, &got), json.Unmarshal([]byte(text), &want)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want (-), sent (+):\n%s", d)
	}
	if promptBytes != int64(len(body)) {
		t.Errorf("the cap counts %d bytes of %d", promptBytes, len(body))
	}
	plain, promptBytes := requestBody("m", "n001", Shot{MaxTokens: NoMaxTokens, Script: history.Script{PromptTokens: 4}})
	if want := `{"messages":[{"content":"[[n001]] the the","role":"user"}],"model":"m"}`; string(plain) != want || promptBytes != 16 {
		t.Errorf("%s, %d bytes of prompt", plain, promptBytes)
	}
}

// What must be alone is played after all that may be beside others, in turn.
func TestAloneIsLastAndAlone(t *testing.T) {
	v := clock.NewVirtual(1, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	var recorded bytes.Buffer
	r := Runner{Clock: v, Epoch: v.Now(), History: history.NewWriter(&recorded)}
	var told []string
	part := func(name string, alone bool) Scenario {
		return Scenario{Name: name, Alone: alone, Play: func(ctx context.Context, s *Stage) error {
			told = append(told, name)
			defer func() { told = append(told, name+" over") }()
			return s.Wait(ctx, time.Second)
		}}
	}
	err := v.Run(t.Context(), func() {
		if err := r.History.Run(history.Run{Schema: history.Schema}); err != nil {
			t.Error(err)
		}
		if err := errors.Join(r.playAll(t.Context(), []Scenario{part("x", true), part("a", false), part("y", true), part("b", false)})...); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(told[4:], ", "); got != "x, x over, y, y over" || len(told) != 8 {
		t.Errorf("played %v", told)
	}
	if h, err := history.Read(&recorded); err != nil || len(h.Ends) != 4 {
		t.Errorf("%v, ends %+v", err, h)
	}
}

func TestTotalOfPlans(t *testing.T) {
	plan := func(keys int, windows, seconds float64) Plan {
		return Plan{Keys: keys, Requests: 10 * keys, Tokens: int64(100 * keys), Windows: windows, Seconds: seconds}
	}
	got := Total([]Scenario{
		{Plan: plan(1, 2, 1)}, {Alone: true, Plan: plan(3, 1, 60)}, {Plan: plan(2, 0.5, 5)}, {Alone: true, Plan: plan(4, 0, 1)},
	})
	if d := cmp.Diff(plan(10, 3, 66), got); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
}

func TestCrowd(t *testing.T) {
	broken := errors.New("broken")
	for _, failAt := range []int{-1, 7} {
		v := clock.NewVirtual(1, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		s := &Stage{runner: &Runner{Clock: v, Epoch: v.Now()}, scenario: &Scenario{}}
		done, at, most := 0, 0, 0
		err := v.Run(t.Context(), func() {
			err := s.crowd(50, 4, func(i int) error {
				at++
				most = max(most, at)
				defer func() { at--; done++ }()
				if i == failAt {
					return broken
				}
				return s.Wait(t.Context(), time.Second)
			})
			if (failAt >= 0) != errors.Is(err, broken) {
				t.Errorf("failing at %d: %v", failAt, err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if failAt < 0 && done != 50 || failAt >= 0 && done > failAt+4 || most != 4 {
			t.Errorf("failing at %d: %d done, %d at once", failAt, done, most)
		}
	}
}
