package lab

import (
	_ "embed"
	"strings"
)

// reviewed lists the releases that were looked at, with the hashes of their
// packages as the index had them then.
//
//go:embed assets/reviewed.txt
var reviewed string

// NewestName stands for the newest release that was reviewed.
const NewestName = "newest"

// review is a release that was reviewed.
type review struct {
	version string
	hashes  []string // sha256:HEX
}

// reviews are the releases of assets/reviewed.txt, oldest first.
func reviews() []review {
	var list []review
	for line := range strings.Lines(reviewed) {
		line = strings.TrimSuffix(strings.TrimSpace(line), `\`)
		switch word := strings.TrimSpace(line); {
		case strings.HasPrefix(word, "litellm=="):
			list = append(list, review{version: strings.TrimPrefix(word, "litellm==")})
		case strings.HasPrefix(word, "--hash=") && len(list) > 0:
			last := &list[len(list)-1]
			last.hashes = append(last.hashes, strings.TrimPrefix(word, "--hash="))
		}
	}
	return list
}

// Reviewed are the releases that were reviewed, oldest first. They and what they
// depend on are installed by the hashes of their packages (PinsDigest).
func Reviewed() []string {
	var versions []string
	for _, r := range reviews() {
		versions = append(versions, r.version)
	}
	return versions
}

// Resolve is the release that a name stands for: the newest reviewed one for
// NewestName, else the name itself. It refuses what is no release and the
// compromised ones (ErrCompromised), with a *SetupError.
func Resolve(name string) (string, error) {
	if name == NewestName {
		all := Reviewed()
		name = all[len(all)-1]
	}
	if err := checkVersion(name); err != nil {
		return "", &SetupError{err}
	}
	return name, nil
}

// requirement asks for a release as a line of a requirements file, with its
// hashes where they are known. extra is "" or "[proxy]".
func requirement(extra, version string) string {
	line := "litellm" + extra + "==" + version
	for _, h := range hashesOf(version) {
		line += " --hash=" + h
	}
	return line
}

func hashesOf(version string) []string {
	for _, r := range reviews() {
		if r.version == version {
			return r.hashes
		}
	}
	return nil
}

// SetupError is an error that its reader can mend before anything is started:
// something that this machine lacks, a port that is taken, an option that is not
// right.
type SetupError struct{ Err error }

func (e *SetupError) Error() string { return e.Err.Error() }

func (e *SetupError) Unwrap() error { return e.Err }
