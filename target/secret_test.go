package target_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ratecheck/ratecheck/target"
)

const bare = "sk-lab-ab12-rpm5"

// TestSecretHidesItself prints and encodes a key in every way that a careless
// line of code could.
func TestSecretHidesItself(t *testing.T) {
	secret := target.Secret(bare)
	type holder struct {
		Key  target.Secret
		Keys []target.Secret
	}
	held := holder{secret, []target.Secret{secret}}
	byName := map[string]target.Secret{"a": secret}
	printed := map[string]string{
		"Sprint":   fmt.Sprint(secret),
		"Sprintln": fmt.Sprintln(secret, &held),
		"error":    fmt.Errorf("key %v: %s", secret, secret).Error(),
		"String":   secret.String(),
		"GoString": secret.GoString(),
	}
	// Not %p, nor %w outside fmt.Errorf: fmt asks no method there, and vet
	// reports both.
	for _, verb := range "vsqxXdbcoOtUeEfFgGTz" {
		for _, flags := range []string{"", "#", "+", " ", "0", "-30", ".3"} {
			format := "%" + flags + string(verb)
			for name, value := range map[string]any{"alone": secret, "in a struct": held, "in a pointer": &held, "in a map": byName, "in an interface": []any{secret}} {
				printed[format+" "+name] = fmt.Sprintf(format, value)
			}
		}
	}
	for name, encode := range map[string]func(v any) ([]byte, error){"json": json.Marshal, "xml": xml.Marshal} {
		for what, value := range map[string]any{"alone": secret, "in a struct": held} {
			text, err := encode(value)
			if err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
			}
			printed[name+" "+what] = string(text)
		}
	}
	text, err := json.Marshal(byName)
	if err != nil {
		t.Error(err)
	}
	printed["json of a map"] = string(text)
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("made", "key", secret, "held", held)
	}
	printed["slog"] = log.String()

	for how, text := range printed {
		// Both hexadecimal forms of a letter that is not in [key].
		for _, shown := range []string{bare, "736b2d6c6162", "736B2D6C6162", "sk-"} {
			if strings.Contains(text, shown) {
				t.Errorf("%s shows the key: %s", how, text)
			}
		}
	}
	for _, how := range []string{"Sprint", "%v alone", "%s alone", "%q alone", "%#v alone", "%x alone", "%d alone"} {
		if printed[how] != "[key]" {
			t.Errorf("%s prints %q", how, printed[how])
		}
	}
	if printed["json alone"] != `"[key]"` {
		t.Errorf("JSON is %s", printed["json alone"])
	}
	if secret.Bearer() != bare {
		t.Errorf("the bearer is %q", secret.Bearer())
	}
}
