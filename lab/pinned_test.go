package lab

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pinBytes bounds a list: with the hashes of every wheel of a hundred packages
// it is well below.
const pinBytes = 400_000

// pinsByName reads a list: the lines of each package, more than one where
// Pythons or systems need different versions.
func pinsByName(t *testing.T, version string) (versions map[string][]string, hashes map[string][]string) {
	t.Helper()
	versions, hashes = map[string][]string{}, map[string][]string{}
	pin := regexp.MustCompile(`^([a-z0-9][a-z0-9-]*)==([0-9][0-9a-z.!+]*)( ; [a-zA-Z0-9_.<>=!'() -]+)?$`)
	hash := regexp.MustCompile(`^--hash=(sha256:[0-9a-f]{64})$`)
	name := ""
	for line := range strings.Lines(pinnedWith(version)) {
		line = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), `\`))
		if strings.HasPrefix(line, "#") {
			continue
		}
		if m := pin.FindStringSubmatch(line); m != nil {
			name = m[1]
			versions[name] = append(versions[name], m[2])
		} else if m := hash.FindStringSubmatch(line); m != nil {
			hashes[name] = append(hashes[name], m[1])
		} else {
			t.Errorf("%s: %q is neither an exact version nor a hash", version, line)
		}
	}
	return versions, hashes
}

// TestPinned: each reviewed release has its list, made from the data beside it.
func TestPinned(t *testing.T) {
	for _, version := range Reviewed() {
		pins := pinnedWith(version)
		if pins == "" || len(pins) > pinBytes {
			t.Errorf("%s: a list of %d bytes; make it as another's head tells, of at most %d", version, len(pins), pinBytes)
			continue
		}
		asked, err := os.ReadFile(filepath.Join("assets", "pinned", version+".in"))
		if want := "litellm[proxy]==" + version + "\n" + redisClient + "\n"; err != nil || string(asked) != want {
			t.Errorf("%s: the list is made from %q, %v; want %q", version, asked, err, want)
		}
		for _, want := range []string{"uv pip compile", "--universal", "--only-binary", version + ".in", version + ".txt"} {
			if head, _, _ := strings.Cut(pins, "\n"+"aio"); !strings.Contains(head, want) {
				t.Errorf("%s: the list's head does not tell of %s, with which it was made", version, want)
			}
		}
		// Nothing of the machine that made it.
		for _, foreign := range []string{"://", "index", "find-links", " /", "=/", "@"} {
			if strings.Contains(pins, foreign) {
				t.Errorf("%s: the list contains %q", version, foreign)
			}
		}
		versions, hashes := pinsByName(t, version)
		for name := range versions {
			if len(hashes[name]) == 0 {
				t.Errorf("%s: %s has no hash", version, name)
			}
		}
		if !slices.Equal(versions["litellm"], []string{version}) || versions[redisClient] == nil || versions["fastapi"] == nil {
			t.Errorf("%s: LiteLLM in %v, redis in %v, FastAPI in %v; want the release, and one of the others", version, versions["litellm"], versions[redisClient], versions["fastapi"])
		}
		for _, h := range hashes["litellm"] {
			if !slices.Contains(hashesOf(version), h) {
				t.Errorf("%s: the list has LiteLLM by %s, which was not reviewed", version, h)
			}
		}
	}
	if pinnedWith(unreviewed) != "" || PinsDigest(unreviewed) != "" || folderName(unreviewed) != "litellm-1.81.0" {
		t.Error("a release that was not reviewed has a list")
	}
	if PinsDigest("1.82.3") == PinsDigest("1.109.1") || len(PinsDigest("1.82.3")) != 64 {
		t.Error("two lists have one digest")
	}
}

// TestPinnedAreReviewed: no list of a release that is none.
func TestPinnedAreReviewed(t *testing.T) {
	files, err := pinnedFiles.ReadDir("assets/pinned")
	if err != nil || len(files) != len(Reviewed()) {
		t.Errorf("%d lists for %d releases (%v)", len(files), len(Reviewed()), err)
	}
	for _, f := range files {
		if version := strings.TrimSuffix(f.Name(), ".txt"); !slices.Contains(Reviewed(), version) {
			t.Errorf("%s was not reviewed", version)
		}
	}
}

func TestWhyLacking(t *testing.T) {
	for _, tt := range []struct{ name, log, want string }{
		{"nothing", "", ""},
		{"uv: no such version", "error: No solution found when resolving dependencies\n  cause: Because there is no version of six==99.0 and you require six==99.0, we can conclude that your requirements are unsatisfiable.\n",
			"there is no version of six==99.0 and you require six==99.0"},
		{"uv: in another frame", "  × No solution found when resolving dependencies:\n  ╰─▶ Because there is no version of\n      six==99.0 and you require six==99.0, we can conclude that your\n      requirements are unsatisfiable.\n",
			"there is no version of six==99.0 and you require six==99.0"},
		{"uv: no wheel", "error: No solution found when resolving dependencies\n  cause: Because numpy==1.19.5 has no usable wheels and you require numpy==1.19.5, we can conclude that your requirements are unsatisfiable.\n\nhint: Wheels are required for `numpy`\n",
			"numpy==1.19.5 has no usable wheels and you require numpy==1.19.5"},
		{"uv: another Python", "error: No solution found when resolving dependencies\n  cause: Because the current Python version (3.9.2) does not satisfy Python>=3.10 and aiohttp==3.14.5 depends on Python>=3.10, we can conclude that aiohttp==3.14.5 cannot be used.\n         And because you require aiohttp==3.14.5, we can conclude that your requirements are unsatisfiable.\n",
			"the current Python version (3.9.2) does not satisfy Python>=3.10 and aiohttp==3.14.5 depends on Python>=3.10"},
		{"uv: an unknown text", "No solution found: " + strings.Repeat("é", 300), strings.Repeat("é", 120) + "..."},
		{"uv: other hashes", "error: Failed to download `six==1.17.0`\n  cause: Hash mismatch for `six==1.17.0`\n", ""},
		{"uv: no network", "error: Request failed after 3 retries in 4.8s\n  cause: tcp connect error\n", ""},
		{"pip: no such version", "ERROR: Could not find a version that satisfies the requirement six==99.0 (from versions: 1.16.0, 1.17.0)\nERROR: No matching distribution found for six==99.0\n",
			"No matching distribution found for six==99.0"},
		{"pip: where it stands", "ERROR: No matching distribution found for six==99.0 (from -r pinned.txt (line 3))\n",
			"No matching distribution found for six==99.0"},
		{"pip: other hashes, and a version that is missing", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n    six==1.17.0\nERROR: No matching distribution found for fastapi==9\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(log, []byte(tt.log), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := whyLacking(log); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	if got := whyLacking(filepath.Join(t.TempDir(), "none")); got != "" {
		t.Errorf("%q of a log that is not there", got)
	}
}
