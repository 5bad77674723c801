package checker

import (
	"encoding/json"
	"testing"
)

// sending sets what was sent and what the provider received; "" was not kept.
func sending(sent, received string) change {
	return func(l *line) {
		l.Body = sent
		for i := range l.calls {
			l.calls[i].Body = received
		}
	}
}

func TestBodyUnchanged(t *testing.T) {
	const id = "forwarding/body-unchanged"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("forwarding-bodies", id)
		return b, b.key(tokensOnly(3900))
	}
	for name, test := range map[string]struct {
		sent, received string
		verdict        Verdict
		says           string
	}{
		"as it was sent":          {`{"model":"m","n":2}`, `{"model":"m","n":2}`, Pass, "1 requests reached the provider"},
		"in another order":        {`{"n":2,"stop":["a","b"],"x":{"y":1,"z":2}}`, `{"x":{"z":2,"y":1},"stop":["a","b"],"n":2}`, Pass, ""},
		"spelled otherwise":       {`{"stop":"\u003c","temperature":1.0,"n":1}`, `{"stop":"<","temperature":1,"n":10e-1}`, Pass, ""},
		"the model mapped":        {`{"model":"m","n":1}`, `{"model":"vendor/m-2","n":1}`, Pass, ""},
		"usage asked for":         {`{"stream":true,"n":1}`, `{"stream":true,"n":1,"stream_options":{"include_usage":true}}`, Pass, "as they were sent"},
		"a default spelled out":   {`{"n":1}`, `{"n":1,"temperature":1,"user":"x"}`, Pass, "added were temperature, user"},
		"null is no member":       {`{"n":1,"stop":null}`, `{"n":1,"max_tokens":null,"tools":null}`, Pass, "1 requests"},
		"temperature dropped":     {`{"temperature":0.3}`, `{}`, Fail, "temperature did not reach"},
		"temperature off by one":  {`{"temperature":0.3}`, `{"temperature":0.30000000000000004}`, Fail, "temperature"},
		"a sign lost":             {`{"presence_penalty":-0.5}`, `{"presence_penalty":0.5}`, Fail, "presence_penalty"},
		"a number as text":        {`{"n":2}`, `{"n":"2"}`, Fail, "n did not"},
		"a list as text":          {`{"stop":["a"]}`, `{"stop":"a"}`, Fail, "stop did not"},
		"a list in another order": {`{"stop":["a","b"]}`, `{"stop":["b","a"]}`, Fail, "stop did not"},
		"a list cut":              {`{"stop":["a","b"]}`, `{"stop":["a"]}`, Fail, "stop did not"},
		"a part lost":             {`{"messages":[{"content":[{"text":"a"},{"text":"b"}]}]}`, `{"messages":[{"content":[{"text":"a"}]}]}`, Fail, "messages did not"},
		"a text changed":          {`{"messages":[{"content":"a"}]}`, `{"messages":[{"content":"b"}]}`, Fail, "messages did not"},
		"true for false":          {`{"x":true}`, `{"x":false}`, Fail, "x did not"},
		"an object for a text":    {`{"x":"a"}`, `{"x":{"a":1}}`, Fail, "x did not"},
		"a message put before":    {`{"messages":[{"content":"a"}]}`, `{"messages":[{"content":"be kind"},{"content":"a"}]}`, Fail, "messages did not"},
		"max_tokens lowered":      {`{"max_tokens":20}`, `{"max_tokens":16}`, Fail, "max_tokens did not"},
		"max_tokens renamed":      {`{"max_completion_tokens":20}`, `{"max_tokens":20}`, Fail, "max_completion_tokens did not"},
		"max_tokens added":        {`{"n":1}`, `{"n":1,"max_tokens":975}`, Fail, "max_tokens was added to a request that had none"},
		"another maximum added":   {`{"n":1}`, `{"n":1,"max_output_tokens":975}`, Fail, "max_output_tokens was added"},
		"no record of it":         {`{"n":1}`, ``, Inconclusive, "did not keep"},
		"received in pieces":      {`{"n":1}`, `{"n":`, Inconclusive, "cannot be read"},
		"two objects":             {`{"n":1}`, `{"n":1}{"n":2}`, Inconclusive, "more behind"},
		"sent in pieces":          {`[`, `{}`, Inconclusive, "cannot be read"},
		"nothing to compare":      {``, ``, Inconclusive, "no request with a body"},
	} {
		t.Run(name, func(t *testing.T) {
			b, k := start(t)
			only := k.admit("tools", 0, sending(test.sent, test.received))
			evidence := []int{}
			if test.verdict == Fail {
				evidence = []int{only}
			}
			b.wants(id, test.verdict, test.says, evidence)
		})
	}
	t.Run("one of two", func(t *testing.T) {
		b, k := start(t)
		k.admit("tools", 0, sending(`{"n":1}`, `{"n":1}`))
		second := k.admit("tools", sec, sending(`{"n":1}`, `{}`))
		b.wants(id, Fail, "n did not", []int{second})
	})
	t.Run("one was refused", func(t *testing.T) {
		b, k := start(t)
		k.admit("tools", 0, sending(`{"n":1}`, `{"n":1}`))
		k.refuse("tools", sec, sending(`{"n":1}`, ""))
		b.wants(id, Inconclusive, "did not reach the provider: attempt 2: status 429", nil)
	})
	t.Run("what is shown weighs more than what is open", func(t *testing.T) {
		b, k := start(t)
		k.refuse("tools", 0, sending(`{"n":1}`, ""))
		k.admit("tools", sec, sending(`{"n":1}`, `{"n":2}`))
		b.wants(id, Fail, "n did not", nil)
	})
	t.Run("a retry is judged too", func(t *testing.T) {
		b, k := start(t)
		k.admit("tools", 0, sending(`{"n":1}`, `{"n":1}`))
		again := b.h.Calls[0]
		again.ID, again.Body = 2, `{}`
		b.h.Calls = append(b.h.Calls, again)
		b.wants(id, Fail, "n did not", []int{1})
	})
	t.Run("another API", func(t *testing.T) {
		b, k := start(t)
		k.admit("tools", 0, sending(`{"max_tokens":1}`, `{"max_output_tokens":1}`), func(l *line) { l.calls[0].Endpoint = "responses" })
		b.wants(id, Inconclusive, "another API", nil)
	})
	t.Run("without the ledger", func(t *testing.T) {
		b, k := start(t)
		b.h.Run.Ledger = false
		k.admit("tools", 0, sending(`{"n":1}`, ""))
		b.wants(id, Skip, "our provider only", nil)
	})
}

func TestNoInternalFields(t *testing.T) {
	const id = "forwarding/no-internal-fields"
	start := func(t *testing.T) (*book, *sheet) {
		b := newBook(t).scenario("forwarding-bodies", id)
		return b, b.key(tokensOnly(3900))
	}
	for name, test := range map[string]struct {
		sent, received string
		verdict        Verdict
		observed       string
	}{
		"none":                  {`{"n":1}`, `{"n":1,"user":"x","metadata":{"a":1}}`, Pass, ""},
		"on top":                {`{"n":1}`, `{"n":1,"_reserved":5}`, Fail, "_reserved"},
		"in metadata":           {`{"n":1}`, `{"n":1,"metadata":{"_model":"m","user_api_key_hash":"x"}}`, Fail, "metadata._model, metadata.user_api_key_hash"},
		"in a list":             {`{"n":1}`, `{"messages":[{"a":1},{"proxy_server_request":{}}]}`, Fail, "messages[1].proxy_server_request"},
		"null is a member here": {`{"n":1}`, `{"_x":null}`, Fail, "_x"},
		"the client's own":      {`{"metadata":{"_mine":1}}`, `{"metadata":{"_mine":1}}`, Pass, ""},
		"not kept":              {`{"n":1}`, ``, Inconclusive, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, k := start(t)
			k.admit("tools", 0, sending(test.sent, test.received))
			b.wants(id, test.verdict, "", nil)
			if got := b.verdict(id).Observed; got != test.observed {
				t.Errorf("observed %q, want %q", got, test.observed)
			}
		})
	}
	t.Run("in another API too", func(t *testing.T) {
		b, k := start(t)
		only := k.admit("tools", 0, sending(`{"n":1}`, `{"metadata":{"_x":1}}`), func(l *line) { l.calls[0].Endpoint = "responses" })
		b.wants(id, Fail, "(", []int{only})
	})
	t.Run("without the ledger", func(t *testing.T) {
		b, k := start(t)
		b.h.Run.Ledger = false
		k.admit("tools", 0, sending(`{"n":1}`, ""))
		b.wants(id, Skip, "our provider only", nil)
	})
}

// Numbers are compared by what they are, whatever their spelling.
func TestDecimals(t *testing.T) {
	for _, same := range [][]json.Number{
		{"1", "1.0", "1.000", "10e-1", "0.1e1", "1E0", "1e+0", "100e-2"},
		{"0", "0.0", "-0", "0e5", "0.000e-3"},
		{"0.3", "3e-1", "0.30", "30e-2"},
		{"-2.5", "-25e-1", "-2.50"},
		{"12000", "12e3", "1.2e4"},
		{"1e999999999"},
		{"1e99999999999999999999"},
		{"0.30000000000000004"},
		{"9007199254740993"},
		{"9007199254740992"},
	} {
		for _, other := range same {
			if readDecimal(same[0]) != readDecimal(other) {
				t.Errorf("%s and %s differ", same[0], other)
			}
		}
	}
	for _, two := range [][2]json.Number{
		{"0.3", "0.30000000000000004"}, {"1", "-1"}, {"1", "10"}, {"9007199254740993", "9007199254740992"}, {"1e999999999", "1e999999998"},
		{"1e99999999999999999999", "1e99999999999999999998"}, {"0", "1"}, {"12", "1.2"},
	} {
		if readDecimal(two[0]) == readDecimal(two[1]) {
			t.Errorf("%s and %s are one", two[0], two[1])
		}
	}
}

func FuzzBodies(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":1.0}`, `{"a":[1,{"b":null}],"_c":"\u00e9"}`, `{"a":1e400,"b":-0}`, `[1]`, ``} {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		a, errA := readBody(one)
		b, errB := readBody(two)
		if errA != nil || errB != nil {
			return
		}
		if _, _, _, differ := firstDifference("", a, a); differ {
			t.Errorf("%q differs from itself", one)
		}
		_, _, _, there := firstDifference("", a, b)
		_, _, _, back := firstDifference("", b, a)
		if there != back {
			t.Errorf("%q and %q differ one way only", one, two)
		}
		own := map[string]bool{}
		memberNames(a, own)
		if found := internalMembers("", a, own); len(found) > 0 {
			t.Errorf("%q: what was sent is internal: %v", one, found)
		}
		_ = excerptOf(a)
	})
}
