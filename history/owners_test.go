package history

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const ownedFile = `{"kind":"run","schema":"ratecheck.history/v1","seed":1,"window_ns":5000000000,"ledger":false,"planned":[]}
{"kind":"key","key":"key-1","scenario":"s","limits":{"requests":9},"owners":[{"scope":"team","name":"t1","limits":{"requests":3}},{"scope":"agent_session","of":"a1","name":"s1","limits":{"tokens":0}}]}
{"kind":"key","key":"key-2","scenario":"s","limits":{}}
`

// TestOwnersOfKeys: a key's owners are written and read, and a key without any
// is written as it always was.
func TestOwnersOfKeys(t *testing.T) {
	nine, three, zero := int64(9), int64(3), int64(0)
	want := &History{
		Run: Run{Schema: Schema, Seed: 1, Window: 5e9},
		Keys: []Key{{Alias: "key-1", Scenario: "s", Limits: Limits{Requests: &nine}, Owners: []Owner{
			{Scope: Team, Name: "t1", Limits: Limits{Requests: &three}},
			{Scope: AgentSession, Of: "a1", Name: "s1", Limits: Limits{Tokens: &zero}},
		}}, {Alias: "key-2", Scenario: "s"}},
	}
	got, err := Read(strings.NewReader(ownedFile))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +read:\n%s", d)
	}
	var file bytes.Buffer
	if err := writeWhole(&file, want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(ownedFile, file.String()); d != "" {
		t.Errorf("-want +written:\n%s", d)
	}
	empty, err := Read(strings.NewReader(strings.Replace(ownedFile, `"limits":{}}`, `"limits":{},"owners":[]}`, 1)))
	if err != nil || empty.Keys[1].Owners != nil {
		t.Errorf("no owners are read as %#v, %v", empty.Keys[1].Owners, err)
	}
}

// TestScopesAreAll: each scope stands there once.
func TestScopesAreAll(t *testing.T) {
	seen := map[Scope]bool{}
	for _, s := range Scopes() {
		seen[s] = true
	}
	const all = 11 // the twelve of the reference without the key itself
	if len(seen) != all || len(Scopes()) != all {
		t.Errorf("%d scopes, %d of them different; there are %d", len(Scopes()), len(seen), all)
	}
}
