package checker

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A pattern means what the regular expression means that has .* for each star.
func TestMatchesIDIsARegularExpression(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab/*]{0,6}`).Draw(t, "pattern")
		id := rapid.StringMatching(`[ab/]{0,8}`).Draw(t, "id")
		quoted := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")
		want := regexp.MustCompile("^" + quoted + "$").MatchString(id)
		if got := MatchesID(pattern, id); got != want {
			t.Fatalf("%q on %q: %v, want %v", pattern, id, got, want)
		}
	})
}
