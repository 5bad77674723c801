package reference_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ratecheck/ratecheck/clock"
	"github.com/ratecheck/ratecheck/reference"
)

// BenchmarkLookup finds the policy of one of ten thousand keys, as every request
// does.
func BenchmarkLookup(b *testing.B) {
	r, err := reference.NewRegistry(reference.RegistryConfig{Clock: clock.System{}, Random: rand.NewChaCha8([32]byte{1}), AdminKey: adminKey})
	if err != nil {
		b.Fatal(err)
	}
	const keys = 10_000
	for i := range keys {
		if err := r.Add(reference.KeyEntry, map[string]json.RawMessage{"key": fmt.Appendf(nil, `"sk-%d"`, i), "rpm_limit": json.RawMessage("5")}); err != nil {
			b.Fatal(err)
		}
	}
	if _, known := r.Lookup("sk-77"); !known {
		b.Fatal("the key is not known")
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Lookup("sk-77")
	}
}
