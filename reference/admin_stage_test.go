package reference_test

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
)

const adminKey = "sk-admin-1"

// handClock shows the time that a test sets.
type handClock struct {
	clock.Clock
	now time.Time
}

func (c *handClock) Now() time.Time { return c.now }

// office is a registry and its management API.
type office struct {
	*testing.T
	clock    *handClock
	registry *reference.Registry
	handler  http.Handler
}

var officeOpens = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, clock: &handClock{Clock: clock.System{}, now: officeOpens}}
	var err error
	o.registry, err = reference.NewRegistry(reference.RegistryConfig{
		Clock: o.clock, Random: rand.NewChaCha8([32]byte{1}), AdminKey: adminKey, CountsSpend: true,
		Fallback: keyring{"sk-elsewhere": limited(1, 2, 3)},
	})
	if err != nil {
		t.Fatal(err)
	}
	o.handler = o.registry.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	return o
}

// ask sends a call with a bearer token, empty for none.
func (o *office) ask(bearer, method, target string, body io.Reader) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, body)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	rec := httptest.NewRecorder()
	o.handler.ServeHTTP(rec, req)
	return rec
}

// call sends a call of the admin, wants 200 and decodes the answer.
func (o *office) call(target, body string) map[string]any {
	o.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	rec := o.ask(adminKey, method, target, strings.NewReader(body))
	if rec.Code != http.StatusOK {
		o.Fatalf("%s %s was answered %d %s", target, body, rec.Code, rec.Body)
	}
	var answer map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		o.Fatalf("%s was answered %s: %v", target, rec.Body, err)
	}
	return answer
}

// key makes a key with these fields.
func (o *office) key(fields string) string {
	o.Helper()
	key, _ := o.call("/key/generate", fields)["key"].(string)
	return key
}

func (o *office) keys() []any {
	o.Helper()
	list, _ := o.call("/key/list?size=100", "")["keys"].([]any)
	return list
}
