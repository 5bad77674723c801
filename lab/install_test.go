package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// unreviewed is a release without a list of packages.
const unreviewed = "1.81.0"

const python311 = `echo 3.11; echo "$0"`

// fakeUV does what the lab asks of uv; every call is one line of $CALLS. What
// stands in $FIRST is done instead of the first installation of packages.
const fakeUV = `
PATH=/usr/bin:/bin
echo "$*" >>"$CALLS"
case "$1 $2" in
"--version ") echo uv 1 ;;
"venv --python") mkdir -p "$4/bin" && echo >"$4/pyvenv.cfg" && echo >"$4/bin/python" && chmod +x "$4/bin/python" ;;
"pip install")
	if [ -n "$FIRST" ] && ! [ -e "$CALLS.first" ]; then : >"$CALLS.first"; eval "$FIRST"; fi
	venv=${4%/bin/python}; echo >"$venv/bin/litellm" && chmod +x "$venv/bin/litellm" ;;
"pip freeze") echo "Using Python" >&2; echo aiohttp==3.1; echo "litellm==${FREEZE:-1.82.3}" ;;
esac`

// fakeTools puts a Python and a uv into a PATH of their own and returns the
// file of uv's calls.
func fakeTools(t *testing.T, uv string) (calls string) {
	t.Helper()
	bin := t.TempDir()
	script(t, filepath.Join(bin, "python3.11"), python311)
	if uv != "" {
		script(t, filepath.Join(bin, "uv"), uv)
	}
	calls = filepath.Join(t.TempDir(), "calls")
	t.Setenv("PATH", bin)
	t.Setenv("CALLS", calls)
	return calls
}

func callsTo(t *testing.T, path, verb string) (n int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, verb) {
			n++
		}
	}
	return n
}

func TestInstallRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lab")
	for _, version := range []string{"1.82.7", "1.82.8", "1.107.0"} {
		if _, err := Install(t.Context(), dir, version, nil); !errors.Is(err, ErrCompromised) {
			t.Errorf("%s: %v, want ErrCompromised", version, err)
		}
	}
	if _, err := Install(t.Context(), "", realRelease, nil); err == nil {
		t.Error("no folder: no error")
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made for a release that is refused: %v", err)
	}
}

func TestFindPython(t *testing.T) {
	for _, tt := range []struct {
		name, v311, v3 string
		want           string // version, or what the error tells of
	}{
		{"both", python311, `echo 3.13; echo "$0"`, "3.11"},
		{"only python3", "", `echo 3.9; echo "$0"`, "3.9"},
		{"a stand-in that runs nothing", "exit 127", `echo 3.12; echo "$0"`, "3.12"},
		{"too old", "", `echo 3.8; echo "$0"`, `is Python "3.8"`},
		{"of another age", "", `echo 2.11; echo "$0"`, `is Python "2.11"`},
		{"chatter", "", "echo hello", `is Python "hello"`},
		{"none", "", "", "install Python 3.11"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bin := t.TempDir()
			t.Setenv("PATH", bin)
			for name, body := range map[string]string{"python3.11": tt.v311, "python3": tt.v3} {
				if body != "" {
					script(t, filepath.Join(bin, name), body)
				}
			}
			got, err := findPython(t.Context())
			if err != nil {
				got.version = err.Error()
			}
			if !strings.Contains(got.version, tt.want) {
				t.Errorf("%s, want %s", got.version, tt.want)
			}
		})
	}
	t.Setenv("PATH", t.TempDir())
	var setup *SetupError
	if _, err := Install(t.Context(), t.TempDir(), realRelease, nil); !errors.As(err, &setup) || !strings.Contains(err.Error(), "install Python 3.11") {
		t.Errorf("Install without Python: %v", err)
	}
}

func TestInstall(t *testing.T) {
	calls := fakeTools(t, fakeUV)
	dir := t.TempDir()
	var told strings.Builder
	r, err := Install(t.Context(), dir, realRelease, &told)
	if err != nil {
		t.Fatal(err)
	}
	if r.Version != realRelease || r.Dir != filepath.Join(dir, folderName(realRelease)) || r.Relaxed != nil || r.Unpinned != "" {
		t.Errorf("got %+v", r)
	}
	freeze, err := os.ReadFile(filepath.Join(r.Dir, freezeFile))
	if err != nil || string(freeze) != "aiohttp==3.1\nlitellm==1.82.3\n" {
		t.Errorf("list of packages: %q, %v", freeze, err)
	}
	pinned, err := os.ReadFile(filepath.Join(r.Dir, "pinned.txt"))
	if err != nil || string(pinned) != pinnedWith(realRelease) {
		t.Errorf("asked for %.200q, %v; want what was reviewed", pinned, err)
	}
	if n := callsTo(t, calls, "pip install --python "+r.Dir+"/bin/python -q --no-deps --require-hashes --only-binary :all: -r "+r.Dir+"/pinned.txt\n"); n != 1 {
		t.Errorf("%d installations of the list and no other package, want 1", n)
	}
	if !strings.Contains(told.String(), "with uv and Python 3.11") {
		t.Errorf("progress: %q", told.String())
	}
	if _, err := Install(t.Context(), dir, realRelease, nil); err != nil || callsTo(t, calls, "pip install") != 1 {
		t.Errorf("%v; an installed release was installed again", err)
	}

	// What makes it unfinished or unrunnable makes it anew.
	for n, remove := range []string{markerFile, "bin/python", "bin/litellm"} {
		if err := os.Remove(filepath.Join(r.Dir, remove)); err != nil {
			t.Fatal(err)
		}
		if _, err := Install(t.Context(), dir, realRelease, nil); err != nil {
			t.Fatal(err)
		}
		if got := callsTo(t, calls, "pip install"); got != n+2 {
			t.Errorf("without %s: %d installations, want %d", remove, got, n+2)
		}
	}
	moved := t.TempDir()
	if err := os.Rename(r.Dir, filepath.Join(moved, folderName(realRelease))); err != nil {
		t.Fatal(err)
	}
	if installed(filepath.Join(moved, folderName(realRelease)), realRelease) != nil {
		t.Error("a moved virtual environment counts as installed")
	}
}

func TestInstallRelaxes(t *testing.T) {
	const lack = "echo 'No solution found: there is no version of litellm-proxy-extras==9' >&2; exit 1"
	for _, tt := range []struct {
		name, first string
		installs    int
	}{
		{"a helper is missing", lack, 2},
		{"another package is missing", "echo 'No solution found: there is no version of fastapi==9' >&2; exit 1", 1},
		{"no network", "echo 'could not fetch litellm-proxy-extras' >&2; exit 1", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := fakeTools(t, fakeUV)
			t.Setenv("FIRST", tt.first)
			t.Setenv("FREEZE", unreviewed)
			r, err := Install(t.Context(), t.TempDir(), unreviewed, nil)
			if got := callsTo(t, calls, "pip install"); got != tt.installs {
				t.Errorf("%d installations, want %d", got, tt.installs)
			}
			if tt.installs == 2 {
				if err != nil || !slices.Equal(r.Relaxed, helpers()) {
					t.Errorf("%+v, %v; want the helpers relaxed", r, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), "UV_DEFAULT_INDEX") || !strings.Contains(err.Error(), "exit status 1") {
				t.Errorf("%v, want what failed and what to look at", err)
			}
		})
	}
}

func TestInstallWrongPackage(t *testing.T) {
	fakeTools(t, fakeUV)
	t.Setenv("FREEZE", "1.82.7")
	dir := t.TempDir()
	if _, err := Install(t.Context(), dir, realRelease, nil); err == nil || !strings.Contains(err.Error(), "1.82.3 was asked for") {
		t.Errorf("%v, want that another release was installed", err)
	}
	if installed(filepath.Join(dir, folderName(realRelease)), realRelease) != nil {
		t.Error("it counts as installed")
	}
}

func TestInstallCancelled(t *testing.T) {
	fakeTools(t, fakeUV)
	t.Setenv("FIRST", "sleep 60 & wait")
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Install(ctx, dir, realRelease, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's error", err)
	}
	if left := processesNaming(dir); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	t.Setenv("FIRST", "")
	if _, err := Install(t.Context(), dir, realRelease, nil); err != nil {
		t.Errorf("after one that was broken off: %v", err)
	}
}

func TestInstallLeavesForeignFolder(t *testing.T) {
	fakeTools(t, fakeUV)
	dir := t.TempDir()
	own := filepath.Join(dir, folderName(realRelease), "thesis.txt")
	script(t, own, "years of work")
	if _, err := Install(t.Context(), dir, realRelease, nil); err == nil || !strings.Contains(err.Error(), "no virtual environment") {
		t.Errorf("%v, want that the folder is somebody else's", err)
	}
	if _, err := os.Stat(own); err != nil {
		t.Error(err)
	}
}

func TestInstallWaitsForAnother(t *testing.T) {
	fakeTools(t, fakeUV)
	dir := t.TempDir()
	unlock, err := lock(t.Context(), filepath.Join(dir, "install.lock"), true)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Install(ctx, dir, realRelease, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another installs: %v, want to have waited", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := Install(t.Context(), dir, realRelease, nil); err != nil {
		t.Errorf("after the other: %v", err)
	}
}

// TestFindInstaller has a machine without uv: python makes a virtual
// environment, in which pip gets uv, or not.
func TestFindInstaller(t *testing.T) {
	const makesVenv = `
PATH=/usr/bin:/bin
case "$1 $2" in
"-m venv") mkdir -p "$3/bin" && echo >"$3/pyvenv.cfg" && cp "$0" "$3/bin/python" ;;
"-m pip") %s ;;
esac`
	for _, tt := range []struct {
		name, pip, venv string
		want            string // name of the installer; "" is an error
	}{
		{"pip gets uv", `echo '#!/bin/sh' >"${0%python}uv"; chmod +x "${0%python}uv"`, makesVenv, "uv"},
		{"pip gets nothing", "exit 1", makesVenv, "pip"},
		{"no venv", "", "echo ensurepip is not available >&2; exit 1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fakeTools(t, "")
			dir := t.TempDir()
			python := interpreter{path: filepath.Join(t.TempDir(), "python"), version: "3.11"}
			script(t, python.path, strings.Replace(tt.venv, "%s", tt.pip, 1))
			in, err := findInstaller(t.Context(), dir, python, t.Output())
			if tt.want == "" {
				if err == nil || !strings.Contains(err.Error(), "python3-venv") || !strings.Contains(err.Error(), "ensurepip") {
					t.Errorf("%v, want how to get a venv", err)
				}
				return
			}
			if err != nil || in.name() != tt.want {
				t.Errorf("%s, %v; want %s", in.name(), err, tt.want)
			}
			if tt.want == "uv" {
				again, err := findInstaller(t.Context(), dir, interpreter{path: "/nothing"}, t.Output())
				if err != nil || again.uv != in.uv {
					t.Errorf("again: %+v, %v; want the uv that is there", again, err)
				}
			}
		})
	}
}
