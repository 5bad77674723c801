package litellm

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the goldens anew")

// TestReleasesAreListsOfQuirks prints the table of all releases and quirks.
func TestReleasesAreListsOfQuirks(t *testing.T) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%-32s %-6s", "quirk", "issue")
	for _, version := range Releases() {
		fmt.Fprintf(&b, " %-7s", version)
	}
	for _, trait := range Traits() {
		row := fmt.Sprintf("\n%-32s %-6s", trait.Quirk, trait.Issue)
		for _, version := range Releases() {
			has := "."
			if release(t, version).Has(trait.Quirk) {
				has = "x"
			}
			row += fmt.Sprintf(" %-7s", has)
		}
		b.WriteString(strings.TrimRight(row, " "))
	}
	b.WriteString("\n")
	const path = "testdata/quirks.golden"
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("the table has changed (-update writes it):\n%s", b.String())
	}
}

func release(t *testing.T, version string) Release {
	t.Helper()
	r, err := Find(version)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTraitsAreWhole: each has a name of its own, a sentence, and a range that
// is one.
func TestTraitsAreWhole(t *testing.T) {
	seen := map[Quirk]bool{}
	for _, trait := range Traits() {
		if seen[trait.Quirk] || trait.What == "" {
			t.Errorf("%s stands there twice, or says nothing", trait.Quirk)
		}
		seen[trait.Quirk] = true
		_, from := parse(trait.From)
		_, before := parse(trait.Before)
		if !from || trait.Before != "" && (!before || compare(trait.From, trait.Before) >= 0) {
			t.Errorf("%s is %s", trait.Quirk, trait.Span())
		}
		if !slices.ContainsFunc(Releases(), trait.In) {
			t.Errorf("%s is in none of the releases that are shown", trait.Quirk)
		}
	}
}

func TestReleasesThatAreNone(t *testing.T) {
	for _, version := range []string{"", "1.82", "v1.82.3", "1.82.3rc1", "1.077.2", "1.77.1", "1.109.2", "2.0.0", "-1.82.3", "1.82.+3"} {
		if _, err := Find(version); err == nil {
			t.Errorf("%q is a release", version)
		}
	}
	if r := release(t, "1.100.0"); !r.Has(SharedWindowKey) || r.Has(WindowedInFlight) || r.Has(ResponsesReservedAsText) {
		t.Errorf("1.100.0 is %v", r.quirks)
	}
}

// TestTheEnvironmentSwitches what it switches there, and nothing where a release
// does not read it.
func TestTheEnvironmentSwitches(t *testing.T) {
	off := map[string]string{reservationVariable: "False"}
	for version, charges := range map[string]bool{"1.82.3": true, "1.88.0": false, "1.94.0": true, "1.109.1": true} {
		s, err := Settings{Release: release(t, version)}.WithEnvironment(off)
		if err != nil || s.Release.Has(ChargesAfterAnswer) != charges || s.Release.Has(OneTokenAhead) != charges {
			t.Errorf("%s without reservation: %v, %v", version, s.Release.quirks, err)
		}
		if release(t, version).Has(ChargesAfterAnswer) != (version == "1.82.3") {
			t.Errorf("%s was changed itself", version)
		}
	}
	s, err := Settings{}.WithEnvironment(map[string]string{windowVariable: "7", zoneVariable: "Etc/GMT-2"})
	if err != nil || s.Window.Seconds() != 7 || s.Zone.String() != "Etc/GMT-2" {
		t.Errorf("%+v, %v", s, err)
	}
	for name, value := range map[string]string{windowVariable: "0", zoneVariable: "Nowhere/At", "LITELLM_LOG": "DEBUG"} {
		if _, err := (Settings{}).WithEnvironment(map[string]string{name: value}); err == nil {
			t.Errorf("%s=%s is taken", name, value)
		}
	}
}
