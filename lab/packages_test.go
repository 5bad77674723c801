package lab

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestInstallFloats has a release that was not reviewed: the index says what it
// is installed with.
func TestInstallFloats(t *testing.T) {
	calls := fakeTools(t, fakeUV)
	t.Setenv("FREEZE", unreviewed)
	dir := t.TempDir()
	r, err := Install(t.Context(), dir, unreviewed, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Dir != filepath.Join(dir, "litellm-"+unreviewed) || r.Unpinned != "" {
		t.Errorf("got %+v", r)
	}
	wanted, err := os.ReadFile(filepath.Join(r.Dir, "requirements.txt"))
	if err != nil || string(wanted) != "litellm[proxy]==1.81.0\nredis\n" {
		t.Errorf("asked for %q, %v; want the release, and redis", wanted, err)
	}
	if n := callsTo(t, calls, "pip install"); n != 1 {
		t.Errorf("%d installations, want 1", n)
	}
}

// TestInstallUnpinned has an index that cannot give what was reviewed.
func TestInstallUnpinned(t *testing.T) {
	const lacks = "there is no version of fastapi==9"
	for _, tt := range []struct {
		name, first string
		unpinned    string // "" is an error
	}{
		{"a version is missing", "echo '  x No solution found when resolving dependencies:\n  ╰─▶ Because there is no version of\n      fastapi==9, we can conclude that' >&2; exit 1", lacks},
		{"a package has other hashes", "echo 'No solution found. Hash mismatch for `fastapi==9`' >&2; exit 1", ""},
		{"no network", "echo 'could not fetch fastapi' >&2; exit 1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := fakeTools(t, fakeUV)
			t.Setenv("FIRST", tt.first)
			dir := t.TempDir()
			var told strings.Builder
			r, err := Install(t.Context(), dir, realRelease, &told)
			if tt.unpinned == "" {
				if n := callsTo(t, calls, "pip install"); err == nil || n != 1 || !strings.Contains(err.Error(), "UV_DEFAULT_INDEX") {
					t.Errorf("%v after %d installations, want the error of the first", err, n)
				}
				return
			}
			if err != nil || r.Unpinned != tt.unpinned || callsTo(t, calls, "pip install") != 2 {
				t.Fatalf("%+v, %v; want %q, and what the index has", r, err, tt.unpinned)
			}
			if !strings.Contains(told.String(), "the packages reviewed with LiteLLM 1.82.3 cannot be had (there is no version of fastapi==9): taking those that the index has\n") {
				t.Errorf("progress: %q", told.String())
			}
			wanted, err := os.ReadFile(filepath.Join(r.Dir, "requirements.txt"))
			if err != nil || string(wanted) != requirement("[proxy]", realRelease)+"\nredis\n" {
				t.Errorf("then asked for %q, %v; want the release by its hashes, and redis", wanted, err)
			}
			told.Reset()
			again, err := Install(t.Context(), dir, realRelease, &told)
			if err != nil || again.Unpinned != tt.unpinned || callsTo(t, calls, "pip install") != 2 {
				t.Errorf("again: %+v, %v; want what is there, and the reason", again, err)
			}
			if !strings.Contains(told.String(), "not those reviewed (there is no version of fastapi==9)") {
				t.Errorf("progress: %q", told.String())
			}
		})
	}
}

// TestInstallFollowsTheList: an environment by an earlier list is not used, and
// not touched.
func TestInstallFollowsTheList(t *testing.T) {
	calls := fakeTools(t, fakeUV)
	dir := t.TempDir()
	earlier := filepath.Join(dir, "litellm-"+realRelease)
	script(t, filepath.Join(earlier, "bin", "python"), "")
	script(t, filepath.Join(earlier, "bin", "litellm"), "")
	if err := writeMarker(earlier, marker{Version: realRelease, Dir: earlier}); err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	r, err := Install(t.Context(), dir, realRelease, &told)
	if err != nil || r.Dir == earlier || callsTo(t, calls, "pip install") != 1 {
		t.Fatalf("%+v, %v; want an environment of its own", r, err)
	}
	if _, err := os.Stat(filepath.Join(earlier, "bin", "litellm")); err != nil {
		t.Errorf("the earlier one was touched: %v", err)
	}
	if !strings.Contains(told.String(), earlier+" was made by an earlier list of packages") {
		t.Errorf("progress: %q", told.String())
	}
	// The name of the folder holds a part of the digest, the marker all of it.
	if err := writeMarker(r.Dir, marker{Version: realRelease, Dir: r.Dir, Pins: strings.Repeat("0", 64)}); err != nil {
		t.Fatal(err)
	}
	if _, err := Install(t.Context(), dir, realRelease, nil); err != nil || callsTo(t, calls, "pip install") != 2 {
		t.Errorf("%v; an environment by another list was used", err)
	}
}

// TestInstallByPip: pip wants hashes for all packages or for none, so without
// the list LiteLLM itself comes first, alone.
func TestInstallByPip(t *testing.T) {
	const pip = `
PATH=/usr/bin:/bin
case "$*" in
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip freeze") echo litellm==1.82.3 ;;
*"/pinned.txt") echo "$*" >>"$CALLS"; eval "$FIRST" ;;
*) echo "$*" >>"$CALLS" ;;
esac`
	const lacks = "echo 'ERROR: No matching distribution found for fastapi==9 (from -r VENV/pinned.txt (line 3))' >&2; exit 1"
	const pinned = "-m pip install -q --no-deps --require-hashes --only-binary :all: -r VENV/pinned.txt\n"
	const floating = "-m pip install -q --no-deps --require-hashes -r VENV/requirements.txt\n-m pip install -q litellm[proxy]==1.82.3 redis\n"
	for _, tt := range []struct {
		name, version, first string
		want, unpinned       string
	}{
		{"as reviewed", realRelease, "", pinned, ""},
		{"a version is missing", realRelease, lacks, pinned + floating, "No matching distribution found for fastapi==9"},
		{"not reviewed", unreviewed, "", "-m pip install -q litellm[proxy]==1.81.0 redis\n", ""},
		{"other hashes", realRelease, "echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES' >&2; exit 1", pinned, "error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := fakeTools(t, "")
			t.Setenv("FIRST", tt.first)
			python := interpreter{path: filepath.Join(t.TempDir(), "python"), version: "3.11"}
			script(t, python.path, pip)
			venv := filepath.Join(t.TempDir(), "venv")
			in := installer{python: python, log: filepath.Join(t.TempDir(), "install")}
			took, err := in.install(t.Context(), venv, tt.version, t.Output())
			if err != nil {
				took.unpinned = "error"
			}
			if took.unpinned != tt.unpinned {
				t.Errorf("%q (%v), want %q", took.unpinned, err, tt.unpinned)
			}
			got, err := os.ReadFile(calls)
			if err != nil || strings.ReplaceAll(string(got), venv, "VENV") != tt.want {
				t.Errorf("pip was asked\n%s(%v), want\n%s", got, err, tt.want)
			}
		})
	}
}

// TestRelaxesUnpinned: a helper in the list, and in what the release asks for,
// is missing.
func TestRelaxesUnpinned(t *testing.T) {
	calls := fakeTools(t, strings.Replace(fakeUV, `"pip install")`, `"pip install")
	case "$*" in *--override*) ;; *) echo 'No solution found: Because there is no version of certifi==9' >&2; exit 1 ;; esac`, 1))
	r, err := Install(t.Context(), t.TempDir(), realRelease, nil)
	if err != nil || !slices.Equal(r.Relaxed, helpers()) || r.Unpinned != "there is no version of certifi==9" || callsTo(t, calls, "pip install") != 3 {
		t.Errorf("%+v, %v; want the list, the release and the relaxed release tried in turn", r, err)
	}
}
