// Package lab installs, configures, starts and stops real LiteLLM releases on
// this machine, without a database. Keys carry their own limits (KeyTemplate);
// behind LiteLLM stands an OpenAI-compatible provider that somebody else runs.
// All listens on loopback.
package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/ratecheck/ratecheck/clock"
)

// ErrCompromised is the error for releases whose packages were reported to hold
// foreign code: 1.82.7, 1.82.8 and all of 1.107. Installing one is enough to run
// that code, so they are refused before anything is downloaded.
var ErrCompromised = errors.New("reported compromised")

// Release is an installed LiteLLM release.
type Release struct {
	// Version is the release, such as 1.82.3.
	Version string
	// Dir is its virtual environment.
	Dir string
	// Relaxed names helper packages that were taken in another version than the
	// release asks for, because the index lacks the one it asks for.
	Relaxed []string
	// Unpinned is why it has packages of the day on which it was installed, not
	// those that were reviewed with it; "" where it has these, or none were
	// reviewed.
	Unpinned string
}

// marker says that an installation was finished. It is written last.
type marker struct {
	Version string `json:"version"`
	// Dir is where it was installed: a virtual environment that was moved does
	// not run.
	Dir     string   `json:"dir"`
	Python  string   `json:"python"`
	With    string   `json:"with"`
	Relaxed []string `json:"relaxed,omitempty"`
	// Pins is the digest of the list of packages that was asked for, and Unpinned
	// why it could not be had: after another review it is asked for again.
	Pins     string `json:"pins,omitempty"`
	Unpinned string `json:"unpinned,omitempty"`
}

const (
	markerFile = "ratecheck-lab.json"
	freezeFile = "freeze.txt"
)

// versionForm is a release as PyPI spells it: three numbers, and what makes it a
// pre-, post- or development release. Other spellings that mean the same release
// (v1.2.3, 1.2.3.0, 1.02.3) are refused, so that none slips past a comparison.
var versionForm = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)((?:a|b|rc)[0-9]+|\.(?:post|dev)[0-9]+)?$`)

// checkVersion refuses what is no release, and the compromised ones with every
// pre- and post-release of theirs.
func checkVersion(version string) error {
	m := versionForm.FindStringSubmatch(version)
	if m == nil {
		return fmt.Errorf("lab: LiteLLM %q is no release: give one as PyPI spells it, such as 1.82.3", version)
	}
	switch base := strings.Join(m[1:4], "."); {
	case base == "1.82.7", base == "1.82.8", m[1] == "1" && m[2] == "107":
		return fmt.Errorf("lab: LiteLLM %s is refused: %w; take another release", version, ErrCompromised)
	}
	return nil
}

// Install makes, or finds, the virtual environment of one LiteLLM release under
// dir. It downloads from PyPI, with uv where that can be had and else with pip,
// and needs Python: 3.11, or python3 from 3.9 up. Progress is told line by
// line. A release that was reviewed gets exactly the packages that were reviewed
// with it; where the index lacks one of them, or this Python can run one of them
// not, it gets those that the index has (Release.Unpinned). An installation that
// was broken off is begun again; a second Install in the same dir waits for the
// first. It fails on compromised releases (ErrCompromised), without Python, and
// when the packages cannot be had or have other hashes than those that were
// reviewed. What can be mended on this machine is a *SetupError.
func Install(ctx context.Context, dir, version string, progress io.Writer) (*Release, error) {
	if err := checkVersion(version); err != nil {
		return nil, &SetupError{err}
	}
	if errPlatform != nil {
		return nil, &SetupError{errPlatform}
	}
	if dir == "" {
		return nil, errors.New("lab: no folder to install into was given")
	}
	if progress == nil {
		progress = io.Discard
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("lab: folder %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("lab: folder to install into: %w", err)
	}
	venv := filepath.Join(dir, folderName(version))
	if r := installed(venv, version); r != nil {
		r.tell(progress)
		return r, nil
	}
	unlock, err := lock(ctx, filepath.Join(dir, "install.lock"), true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unlock() }()
	// Whoever held the lock may have installed this very release.
	if r := installed(venv, version); r != nil {
		r.tell(progress)
		return r, nil
	}
	clk := clock.System{}
	began := clk.Now()
	python, err := findPython(ctx)
	if err != nil {
		return nil, &SetupError{err}
	}
	if err := clear(venv); err != nil {
		return nil, &SetupError{err}
	}
	in, err := findInstaller(ctx, dir, python, progress)
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintf(progress, "installing LiteLLM %s with %s and Python %s\n", version, in.name(), python.version)
	took, err := in.install(ctx, venv, version, progress)
	if err != nil {
		return nil, err
	}
	if err := checkFreeze(filepath.Join(venv, freezeFile), version); err != nil {
		return nil, err
	}
	m := marker{
		Version: version, Dir: venv, Python: python.version, With: in.name(),
		Relaxed: took.relaxed, Pins: PinsDigest(version), Unpinned: took.unpinned,
	}
	if err := writeMarker(venv, m); err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintf(progress, "LiteLLM %s installed in %v: %s\n", version, clk.Now().Sub(began).Round(time.Second), venv)
	nameEarlier(dir, version, progress)
	return installed(venv, version), nil
}

// installed is the release in venv, or nil if it is not there, not finished, or
// not runnable any more.
func installed(venv, version string) *Release {
	b, err := os.ReadFile(filepath.Join(venv, markerFile))
	if err != nil {
		return nil
	}
	var m marker
	if json.Unmarshal(b, &m) != nil || m.Version != version || m.Dir != venv || m.Pins != PinsDigest(version) {
		return nil
	}
	for _, program := range []string{"python", "litellm"} {
		// Stat follows the link to the interpreter, which may have been removed.
		if info, err := os.Stat(filepath.Join(venv, "bin", program)); err != nil || info.Mode()&0o111 == 0 {
			return nil
		}
	}
	return &Release{Version: version, Dir: venv, Relaxed: m.Relaxed, Unpinned: m.Unpinned}
}

// tell says where a release is that was installed before.
func (r *Release) tell(progress io.Writer) {
	_, _ = fmt.Fprintf(progress, "LiteLLM %s is there: %s\n", r.Version, r.Dir)
	if r.Unpinned != "" {
		_, _ = fmt.Fprintf(progress, "it has the packages of the day it was installed, not those reviewed (%s): remove the folder to try again\n", r.Unpinned)
	}
}

// nameEarlier names environments of the release by earlier lists of packages.
// They are left alone: a process may run from them.
func nameEarlier(dir, version string, progress io.Writer) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // a courtesy
	}
	for _, e := range entries {
		name := e.Name()
		if name != folderName(version) && (name == "litellm-"+version || strings.HasPrefix(name, "litellm-"+version+"-")) {
			_, _ = fmt.Fprintf(progress, "%s was made by an earlier list of packages: remove it when nothing runs from it\n", filepath.Join(dir, name))
		}
	}
}

// clear removes what an earlier Install left unfinished, and nothing else.
func clear(venv string) error {
	entries, err := os.ReadDir(venv)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lab: looking into the environment that is to be made again: %w; remove %s", err, venv)
	}
	if _, err := os.Stat(filepath.Join(venv, "pyvenv.cfg")); err != nil && len(entries) > 0 {
		return fmt.Errorf("lab: %s is there and is no virtual environment: remove it, or install elsewhere", venv)
	}
	if err := os.RemoveAll(venv); err != nil {
		return fmt.Errorf("lab: removing an unfinished installation: %w", err)
	}
	return nil
}

// checkFreeze makes sure that what was installed is what was asked for: a mirror
// or a folder of wheels may have its own idea.
func checkFreeze(path, version string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("lab: list of installed packages: %w", err)
	}
	for line := range bytes.Lines(b) {
		name, got, _ := strings.Cut(strings.TrimSpace(string(line)), "==")
		if strings.EqualFold(name, "litellm") && got == version {
			return nil
		}
	}
	return fmt.Errorf("lab: LiteLLM %s was asked for and is not among the packages installed (%s): check the package index", version, path)
}

// writeMarker writes the marker in one step: it is there whole or not at all.
func writeMarker(venv string, m marker) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("lab: noting that the release is installed: %w; make room or choose another folder, and install again", err)
	}
	path := filepath.Join(venv, markerFile)
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("lab: noting that the release is installed: %w; make room or choose another folder, and install again", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("lab: noting that the release is installed: %w; make room or choose another folder, and install again", err)
	}
	return nil
}
