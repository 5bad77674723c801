package target_test

import (
	"context"
	"testing"

	"github.com/ratecheck/ratecheck/history"
	"github.com/ratecheck/ratecheck/target"
)

func TestFixedKeys(t *testing.T) {
	template, err := target.ParseTemplate("sk-{nonce}")
	if err != nil {
		t.Fatal(err)
	}
	rpm, tpm := int64(10), int64(400)
	granted := history.Limits{Requests: &rpm}
	var keys target.Granter = target.Fixed{Template: template, Limits: granted}
	wanted := history.Limits{Tokens: &tpm}
	key, err := keys.Make(context.Background(), "ab12", wanted)
	if err != nil || key.Bearer() != "sk-ab12" {
		t.Errorf("%q, %v", key.Bearer(), err)
	}
	if got := keys.Granted(); got != granted {
		t.Errorf("granted are %+v", got)
	}
	lacking := &target.LimitsError{Granted: granted, Wanted: wanted}
	if want := "the target's keys all have rpm 10; this needs a key with tpm 400"; lacking.Error() != want {
		t.Errorf("%q, want %q", lacking.Error(), want)
	}
}

func TestNamesLimits(t *testing.T) {
	for text, want := range map[string]bool{
		"sk-{nonce}": false, "{nonce}": false, "sk-{nonce}[-rpm{rpm}]": true, "sk-{nonce}-{tpm}": true, "x{nonce}[-m{max_parallel}]y": true,
	} {
		template, err := target.ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := template.NamesLimits(); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
