// Package litellm is a model of what releases of LiteLLM's third rate limiter
// do, not of what they should do. A release is a list of quirks; each quirk is
// one thing that the code of those releases was seen to do.
//
// It counts in the process's memory or in a small model of Redis, both on the
// world's clock: a Redis server, and miniredis too, expires keys by its own
// time. Scopes are those that an auth hook can tell: the key, user, team, team
// member, end user and organization, and models of keys and teams. Requests to
// /v1/messages reach the provider as such; the real releases translate them.
package litellm

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Release is what one release does.
type Release struct {
	// Version is as PyPI spells it: 1.82.3.
	Version string
	quirks  map[Quirk]bool
}

// Releases are those that the model is shown with: the ones that were run or
// read, and the first after most of the changes, the oldest first.
func Releases() []string {
	return []string{
		firstRelease, "1.80.0", "1.80.10", "1.82.3", reserves, "1.86.0", capsFloor, "1.91.0", countsSlots, "1.99.0", resetsAll, newestRelease,
	}
}

// Find returns a release. Every version from 1.77.2 to 1.109.1 is known; those
// that were neither run nor read are what the ranges of Traits say. It fails on
// others, and on what is no version.
func Find(version string) (Release, error) {
	if _, ok := parse(version); !ok {
		return Release{}, fmt.Errorf("%q is no release of LiteLLM; write it as %s", version, newestRelease)
	}
	if compare(version, firstRelease) < 0 || compare(version, newestRelease) > 0 {
		return Release{}, fmt.Errorf("LiteLLM %s is not modelled; releases from %s to %s are", version, firstRelease, newestRelease)
	}
	r := Release{Version: version, quirks: map[Quirk]bool{}}
	for _, t := range Traits() {
		r.quirks[t.Quirk] = t.In(version)
	}
	return r, nil
}

// Has says whether the release has a quirk.
func (r Release) Has(q Quirk) bool { return r.quirks[q] }

// With returns the release with a quirk, or without it.
func (r Release) With(q Quirk, has bool) Release {
	quirks := maps.Clone(r.quirks)
	quirks[q] = has
	return Release{Version: r.Version, quirks: quirks}
}

// withoutReservation is the release with its reservation switched off.
func (r Release) withoutReservation() Release {
	return r.With(ChargesAfterAnswer, true).With(OneTokenAhead, true).With(InjectsMaxTokens, false).With(UncappedFloor, false)
}

// In says whether a release has the trait.
func (t Trait) In(version string) bool {
	return compare(version, t.From) >= 0 && (t.Before == "" || compare(version, t.Before) < 0)
}

// Span is the range of releases, for who reads it.
func (t Trait) Span() string {
	if t.Before == "" {
		return t.From + " and later"
	}
	return "from " + t.From + " to before " + t.Before
}

// parse reads three numbers.
func parse(version string) (numbers [3]int, ok bool) {
	parts := strings.Split(version, ".")
	if len(parts) != len(numbers) {
		return numbers, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || strconv.Itoa(n) != part {
			return numbers, false
		}
		numbers[i] = n
	}
	return numbers, true
}

func compare(a, b string) int {
	x, _ := parse(a)
	y, _ := parse(b)
	return slices.CompareFunc(x[:], y[:], cmp.Compare[int])
}
