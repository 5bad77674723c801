package reports

import (
	"cmp"
	"fmt"
	"regexp"

	"golang.org/x/mod/semver"

	"github.com/ratecheck/ratecheck/checker"
)

// Defect is a known defect of a product's releases, and the requirement that it
// breaks.
type Defect struct {
	Product string `json:"product"`
	// Issue is its number in the product's tracker; empty where none is known.
	Issue string `json:"issue"`
	// From is the oldest release that is known to have it. Before is the oldest
	// later one that is known to be without it; empty where none is known.
	From   string `json:"from"`
	Before string `json:"before"`
	// What says in a line what the release does.
	What string `json:"what"`
	// Gone says since when it is gone, or how long it is known to be there.
	Gone string `json:"gone"`
	// Workaround is the way around it; empty where none is known.
	Workaround string `json:"workaround"`
}

// sighting says by what a defect is seen: the requirement that it breaks, at an
// endpoint as in checker.Result.
type sighting struct {
	requirement, endpoint string
	Defect
}

// String is the defect in one line.
func (d *Defect) String() string {
	return fmt.Sprintf("looks like %s %s: %s; %s; way around: %s",
		d.Product, cmp.Or(d.Issue, "(no issue known)"), d.What, d.Gone, cmp.Or(d.Workaround, "none known"))
}

// LooksLike returns the first defect known of this release of the product that
// breaks what the result says is broken. It is nil for a release outside the
// range in which a defect is known, and for a version that cannot be read: a
// guess would send its reader to the wrong issue.
func LooksLike(product, version string, result checker.Result) *Defect {
	if result.Verdict != checker.Fail && result.Verdict != checker.Warn {
		return nil
	}
	release := canonical(version)
	for _, s := range litellmDefects() {
		if s.Product == product && s.requirement == result.Requirement && s.endpoint == result.Endpoint && s.isIn(release) {
			return &s.Defect
		}
	}
	return nil
}

// isIn says whether a release, in canonical form, is in the defect's range. A
// candidate for the first release without it is before that release.
func (d *Defect) isIn(release string) bool {
	return release != "" && semver.Compare(release, canonical(d.From)) >= 0 &&
		(d.Before == "" || semver.Compare(release, canonical(d.Before)) < 0)
}

// versionShape reads versions of PEP 440 and of git tags: a release, perhaps a
// candidate (1.85.0rc1, 1.85.0-rc.1) or a build of the release itself
// (1.82.3.post1, v1.82.3-stable, 1.82.3+local).
var versionShape = regexp.MustCompile(`^v?(\d+)\.(\d+)\.(\d+)(?:[-.]?(rc|a|b|dev)[-.]?(\d+)|\.post\d+|-stable|\+[0-9A-Za-z.]+)?$`)

// canonical is a version in the form that semver compares, and empty where it
// cannot be read.
func canonical(version string) string {
	part := versionShape.FindStringSubmatch(version)
	if part == nil {
		return ""
	}
	v := fmt.Sprintf("v%s.%s.%s", part[1], part[2], part[3])
	if part[4] != "" {
		v += "-" + part[4] + "." + part[5]
	}
	if !semver.IsValid(v) {
		return ""
	}
	return v
}
