package target_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/target"
)

const usual = "sk-lab-{nonce}[-rpm{rpm}][-tpm{tpm}][-mpr{max_parallel}]"

func TestTemplateMistakes(t *testing.T) {
	const inBrackets = "a part in brackets must hold a limit: {rpm}, {tpm}, {max_parallel}"
	for text, c := range map[string]struct {
		at   int
		says string
	}{
		"":                               {1, "there is no {nonce}"},
		"sk":                             {3, "there is no {nonce}"},
		"sk-é€{rpm}":                     {11, "there is no {nonce}"},
		"sk-{nonce":                      {4, "the brace is not closed"},
		"sk-nonce}":                      {9, "'}' without its partner"},
		"sk-é}":                          {5, "'}' without its partner"},
		"sk-{nonce}}":                    {11, "'}' without its partner"},
		"sk-{}":                          {4, "{} is not known; there are {nonce}, {rpm}, {tpm}, {max_parallel}"},
		"sk-{foo}-{nonce}":               {4, "{foo} is not known"},
		"sk-{Nonce}":                     {4, "{Nonce} is not known"},
		"sk-{ nonce}":                    {4, "{ nonce} is not known"},
		"sk-é{nonce}-{foo}":              {13, "{foo} is not known"},
		"sk-{nonce}[-x{foo}]":            {14, "{foo} is not known"},
		"sk-{{nonce}}":                   {4, "{{nonce} is not known"},
		"sk-{nonce}-{nonce}":             {12, "{nonce} stands there twice"},
		"sk-{nonce}-{rpm}-{tpm}[-{rpm}]": {25, "{rpm} stands there twice"},
		"sk-{nonce}[-rpm{rpm}":           {11, "the bracket is not closed"},
		"sk-{nonce}[":                    {11, "the bracket is not closed"},
		"sk-{nonce}]":                    {11, "']' without its partner"},
		"]":                              {1, "']' without its partner"},
		"sk-{nonce}-rpm]":                {15, "']' without its partner"},
		"sk-{nonce}[]":                   {11, inBrackets},
		"sk-{nonce}[-rpm]":               {11, inBrackets},
		"sk[-{nonce}]":                   {3, inBrackets},
		"sk-{nonce}[-{rpm}-{tpm}]":       {19, "one placeholder a part"},
		"sk-{nonce}[-a[b{rpm}]]":         {14, "brackets within brackets"},
		"sk-{nonce}[-{rpm}[b]]":          {18, "brackets within brackets"},
		"sk-{nonce}[-{rpm]":              {13, "the brace is not closed"},
		"sk-{nonce}{rpm}":                {11, "nothing stands between {rpm} and the value before it"},
		"sk-{rpm}{nonce}":                {9, "nothing stands between {nonce}"},
		"sk-{nonce}[{rpm}]":              {12, "nothing stands between {rpm}"},
		"sk-{nonce}-{rpm}[{tpm}]":        {18, "nothing stands between {tpm}"},
		"sk-{nonce}[-{rpm}]{tpm}":        {19, "nothing stands between {tpm}"},
		"sk-{nonce}[-{rpm}x]{tpm}":       {20, "nothing stands between {tpm}"},
		"[-{rpm}]{nonce}":                {9, "nothing stands between {nonce}"},
		"sk-\n{nonce}":                   {4, `'\n' cannot stand in a header`},
		"sk-é\x00{nonce}":                {5, `'\x00' cannot stand in a header`},
		"sk-\xff{nonce}":                 {4, "cannot stand in a header"},
	} {
		parsed, err := target.ParseTemplate(text)
		if err == nil {
			t.Errorf("%q was taken as %v", text, parsed)
			continue
		}
		if where := fmt.Sprintf("key template %q, character %d: ", text, c.at); !strings.HasPrefix(err.Error(), where) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got  %v\nwant %s... %s ...", err, where, c.says)
		}
	}
}

func limit(n int64) *int64 { return &n }

func TestTemplateKeys(t *testing.T) {
	for name, c := range map[string]struct {
		template, nonce string
		limits          history.Limits
		want            string
	}{
		"no limits":            {usual, "ab12", history.Limits{}, "sk-lab-ab12"},
		"all limits":           {usual, "ab12", history.Limits{Requests: limit(10), Tokens: limit(2000), Parallel: limit(3)}, "sk-lab-ab12-rpm10-tpm2000-mpr3"},
		"one limit":            {usual, "ab12", history.Limits{Tokens: limit(2000)}, "sk-lab-ab12-tpm2000"},
		"limits of 0":          {usual, "ab12", history.Limits{Requests: limit(0), Parallel: limit(0)}, "sk-lab-ab12-rpm0-mpr0"},
		"the largest limit":    {usual, "ab12", history.Limits{Requests: limit(999999999999999999)}, "sk-lab-ab12-rpm999999999999999999"},
		"without brackets":     {"{nonce}:{rpm}", "a", history.Limits{Requests: limit(5)}, "a:5"},
		"the nonce behind":     {"k[-{rpm}r]-{nonce}", "9r", history.Limits{Requests: limit(5)}, "k-5r-9r"},
		"the nonce as a limit": {"k[-rpm{rpm}]-{nonce}", "rpm5", history.Limits{}, "k-rpm5"},
		"no room for limits":   {"sk.{nonce}+*", "a1", history.Limits{}, "sk.a1+*"},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := target.ParseTemplate(c.template)
			if err != nil {
				t.Fatal(err)
			}
			key, err := parsed.Make(context.Background(), c.nonce, c.limits)
			if err != nil || key.Bearer() != c.want {
				t.Fatalf("made %s, %v; want %s", key.Bearer(), err, c.want)
			}
			back, ok := parsed.Match(key.Bearer())
			if diff := cmp.Diff(c.limits, back); !ok || diff != "" {
				t.Errorf("read back %t (-made +read):\n%s", ok, diff)
			}
			if parsed.String() != c.template {
				t.Errorf("prints as %s", parsed)
			}
		})
	}
}

func TestKeysThatCannotBeMade(t *testing.T) {
	for name, c := range map[string]struct {
		template, nonce string
		limits          history.Limits
		says            string
	}{
		"a limit without a place":  {"sk-{nonce}[-{rpm}]", "a", history.Limits{Tokens: limit(5)}, "there is no {tpm} in it"},
		"a place without a limit":  {"sk-{nonce}-{rpm}", "a", history.Limits{}, "{rpm} is not in brackets"},
		"a nonce of other letters": {usual, "a-b", history.Limits{}, "could not be read back"},
		"no nonce":                 {usual, "", history.Limits{}, "could not be read back"},
		"a negative limit":         {usual, "a", history.Limits{Requests: limit(-1)}, `rpm -1 could not be read back`},
		"a limit too large":        {usual, "a", history.Limits{Requests: limit(1e18)}, "from 0 to 999999999999999999"},
		"parts that run together":  {"sk-{nonce}[x{rpm}]", "a", history.Limits{Requests: limit(5)}, "could not be read back"},
		"a nonce like a part":      {"sk-{nonce}[x{rpm}]", "ax5", history.Limits{}, ""},
		"two parts that are alike": {"[a{rpm}][a{tpm}]-{nonce}", "n", history.Limits{Tokens: limit(5)}, "tpm 5 could not be read back"},
		"a nonce like a limit":     {"k[{rpm}r]{nonce}", "5rx", history.Limits{}, "could not be read back"},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := target.ParseTemplate(c.template)
			if err != nil {
				t.Fatal(err)
			}
			key, err := parsed.Make(context.Background(), c.nonce, c.limits)
			if c.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || key != "" || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.template) {
				t.Errorf("made %q, %v", key.Bearer(), err)
			}
		})
	}
}

func TestMatchRejectsOthers(t *testing.T) {
	parsed, err := target.ParseTemplate(usual)
	if err != nil {
		t.Fatal(err)
	}
	for _, bearer := range []string{
		"", "sk-lab-", "sk-lab", "sk-lab-ab12 ", " sk-lab-ab12", "sk-lab-ab12\n", "sk-lab-ab12-", "sk-lab-ab_12", "sk-lab-é",
		"sk-other-ab12", "xsk-lab-ab12", "sk-lab-ab12-rpm", "sk-lab-ab12-rpm-5", "sk-lab-ab12-rpm5x", "sk-lab-ab12-rpm5.0",
		"sk-lab-ab12-rpm٣", "sk-lab-ab12-tpm5-rpm5", "sk-lab-ab12-rpm5-rpm5", "sk-lab-ab12-rpm1000000000000000000", "SK-LAB-ab12", "[key]",
	} {
		if limits, ok := parsed.Match(bearer); ok {
			t.Errorf("%q was read as a key with %+v", bearer, limits)
		}
	}
}

// TestMakeAndMatch is a law: whatever key a template makes, it reads the same
// limits from it; and a template whose parts begin with different words makes
// every key.
func TestMakeAndMatch(t *testing.T) {
	some := rapid.Ptr(rapid.Int64Range(0, 1e18-1), true)
	literal := rapid.StringMatching(`[a-z0-9_.:+-]{0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		distinct := rapid.Bool().Draw(t, "distinct words")
		names := rapid.Permutation([]string{"nonce", "rpm", "tpm", "max_parallel"}).Draw(t, "order")
		var text strings.Builder
		for i, name := range names {
			before := literal.Draw(t, "before")
			if distinct {
				before = fmt.Sprintf("_%c.", 'a'+i)
			}
			part := before + "{" + name + "}"
			if name != "nonce" {
				part = "[" + part + "]"
			}
			text.WriteString(part)
		}
		parsed, err := target.ParseTemplate(text.String())
		if err != nil {
			if distinct || !strings.Contains(err.Error(), "nothing stands between") {
				t.Fatal(err)
			}
			return
		}
		nonce := rapid.StringMatching(`[a-z][a-z0-9]{0,7}`).Draw(t, "nonce")
		limits := history.Limits{Requests: some.Draw(t, "rpm"), Tokens: some.Draw(t, "tpm"), Parallel: some.Draw(t, "max_parallel")}
		key, err := parsed.Make(context.Background(), nonce, limits)
		if err != nil {
			if distinct {
				t.Fatal(err)
			}
			return
		}
		back, ok := parsed.Match(key.Bearer())
		if diff := cmp.Diff(limits, back); !ok || diff != "" {
			t.Fatalf("%s of %s is read as %t (-made +read):\n%s", key.Bearer(), parsed, ok, diff)
		}
		if _, ok := parsed.Match(key.Bearer() + "!"); ok {
			t.Fatalf("%s! is taken for a key of %s", key.Bearer(), parsed)
		}
	})
}

// FuzzTemplate parses garbage: what is taken makes keys that it reads back, or
// says why not.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{usual, "", "{nonce}", "{nonce}[x{rpm}]", "[{rpm}]{nonce}", "\xff{nonce}", "{{nonce}}", "(?P<nonce>)[a{tpm}]{nonce}"} {
		f.Add(text, "a1", int64(5))
	}
	f.Fuzz(func(t *testing.T, text, nonce string, n int64) {
		parsed, err := target.ParseTemplate(text)
		if err != nil {
			if !strings.Contains(err.Error(), ", character ") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		for _, limits := range []history.Limits{{}, {Requests: &n}, {Tokens: &n}, {Requests: &n, Tokens: &n, Parallel: &n}} {
			key, err := parsed.Make(context.Background(), nonce, limits)
			if err != nil {
				continue
			}
			back, ok := parsed.Match(key.Bearer())
			if diff := cmp.Diff(limits, back); !ok || diff != "" {
				t.Errorf("%q of %q is read as %t:\n%s", key.Bearer(), text, ok, diff)
			}
		}
	})
}
