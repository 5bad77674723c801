package lab

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/semver"
)

func TestReviewed(t *testing.T) {
	form := regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	for _, r := range reviews() {
		if err := checkVersion(r.version); err != nil {
			t.Error(err)
		}
		if len(r.hashes) == 0 {
			t.Errorf("%s has no hashes", r.version)
		}
		for _, h := range r.hashes {
			if !form.MatchString(h) {
				t.Errorf("%s: %q is no hash", r.version, h)
			}
		}
	}
	all := Reviewed()
	if !slices.IsSortedFunc(all, func(a, b string) int { return semver.Compare("v"+a, "v"+b) }) || len(all) < 5 {
		t.Errorf("%v are not in order", all)
	}
	if got, err := Resolve(NewestName); err != nil || got != all[len(all)-1] {
		t.Errorf("newest is %s, %v; want %s", got, err, all[len(all)-1])
	}
	if got, err := Resolve("1.81.0"); err != nil || got != "1.81.0" {
		t.Errorf("%s, %v; want a release that was not reviewed as it is", got, err)
	}
	var setup *SetupError
	if _, err := Resolve("1.82.7"); !errors.Is(err, ErrCompromised) || !errors.As(err, &setup) {
		t.Errorf("%v, want that it is refused", err)
	}
}

func TestRequirement(t *testing.T) {
	if got := requirement("[proxy]", "1.81.0"); got != "litellm[proxy]==1.81.0" {
		t.Errorf("%q: a release that was not reviewed has hashes", got)
	}
	got := requirement("", "1.82.3")
	if !strings.HasPrefix(got, "litellm==1.82.3 --hash=sha256:") || strings.Contains(got, "\n") {
		t.Errorf("%q, want one line with hashes", got)
	}
}
