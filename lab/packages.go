package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// taken says which packages an installation took.
type taken struct {
	// unpinned is why those reviewed with the release were not taken, but those
	// that the index has; "" where they were, or none were reviewed.
	unpinned string
	// relaxed are the helpers whose versions were left to the index.
	relaxed []string
}

// helpers names packages that a proxy without a database does not use, which some
// releases ask for in a version that an index may lack: migrations of the
// database, features under licence, a bundle of certificates.
func helpers() []string {
	return []string{"litellm-proxy-extras", "litellm-enterprise", "certifi"}
}

// redisClient is what LiteLLM leaves to whoever configures a cache.
const redisClient = "redis"

// install fills venv, and lists in freezeFile what is in it. It takes the
// packages that were reviewed with the release, and those that the index has
// where it lacks one of them, or this Python can run one of them not.
func (in installer) install(ctx context.Context, venv, version string, progress io.Writer) (t taken, err error) {
	if err := in.makeVenv(ctx, venv); err != nil {
		return t, err
	}
	pins := pinnedWith(version)
	if pins != "" {
		if t.unpinned, err = in.installPinned(ctx, venv, pins); err != nil {
			return t, err
		}
	}
	if t.unpinned != "" {
		_, _ = fmt.Fprintf(progress, "the packages reviewed with LiteLLM %s cannot be had (%s): taking those that the index has\n", version, t.unpinned)
	}
	if pins == "" || t.unpinned != "" {
		if t.relaxed, err = in.installFloating(ctx, venv, version, progress); err != nil {
			return t, err
		}
	}
	return t, in.stepTo(ctx, filepath.Join(venv, freezeFile), "freeze", in.pip(venv, "freeze")...)
}

func (in installer) makeVenv(ctx context.Context, venv string) error {
	if in.uv == "" {
		return in.step(ctx, "venv", in.python.path, "-m", "venv", venv)
	}
	return in.step(ctx, "venv", in.uv, "venv", "--python", in.python.path, venv)
}

// pip is a command of pip, or of uv's pip, on venv.
func (in installer) pip(venv, verb string) []string {
	python := filepath.Join(venv, "bin", "python")
	if in.uv == "" {
		return []string{python, "-m", "pip", verb}
	}
	return []string{in.uv, "pip", verb, "--python", python}
}

// installPinned installs those packages and no other: by their hashes, and from
// wheels, for what builds a package would float. lacking says what cannot be had
// of them, in which case nothing was installed.
func (in installer) installPinned(ctx context.Context, venv, pins string) (lacking string, err error) {
	path := filepath.Join(venv, "pinned.txt")
	if err := os.WriteFile(path, []byte(pins), 0o600); err != nil {
		return "", fmt.Errorf("lab: writing the list of packages: %w; make room or choose another folder", err)
	}
	err = in.step(ctx, "pinned", append(in.pip(venv, "install"), "-q", "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", path)...)
	if err == nil || ctx.Err() != nil {
		return "", err
	}
	if why := whyLacking(in.logOf("pinned")); why != "" {
		return why, nil
	}
	return "", in.withIndex(err)
}

// installFloating installs the release, by its hashes where they were reviewed,
// with what the index has of the packages that it depends on.
func (in installer) installFloating(ctx context.Context, venv, version string, progress io.Writer) (relaxed []string, err error) {
	wanted := filepath.Join(venv, "requirements.txt")
	install := append(in.pip(venv, "install"), "-q")
	if in.uv == "" {
		return nil, in.floatByPip(ctx, install, wanted, version)
	}
	// uv holds each line to the hashes that stand in it, and asks none of others.
	if err := os.WriteFile(wanted, []byte(requirement("[proxy]", version)+"\n"+redisClient+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("lab: writing the list of packages: %w; make room or choose another folder", err)
	}
	install = append(install, "-r", wanted)
	err = in.step(ctx, "packages", install...)
	if err != nil && ctx.Err() == nil && lacksHelper(in.logOf("packages")) {
		_, _ = fmt.Fprintf(progress, "the index lacks a helper package in the version asked for: taking any version of %s\n", strings.Join(helpers(), ", "))
		relaxed = helpers()
		overrides := filepath.Join(venv, "overrides.txt")
		if err := os.WriteFile(overrides, []byte(strings.Join(relaxed, "\n")+"\n"), 0o600); err != nil {
			return nil, fmt.Errorf("lab: writing the list of packages of any version: %w; make room or choose another folder", err)
		}
		err = in.step(ctx, "packages", append(install, "--override", overrides)...)
	}
	return relaxed, in.withIndex(err)
}

// floatByPip has LiteLLM itself come first, alone: pip takes hashes for all
// packages or for none.
func (in installer) floatByPip(ctx context.Context, install []string, wanted, version string) error {
	if len(hashesOf(version)) > 0 {
		if err := os.WriteFile(wanted, []byte(requirement("", version)+"\n"), 0o600); err != nil {
			return fmt.Errorf("lab: writing the list of packages: %w; make room or choose another folder", err)
		}
		if err := in.step(ctx, "packages", append(slices.Clone(install), "--no-deps", "--require-hashes", "-r", wanted)...); err != nil {
			return in.withIndex(err)
		}
	}
	return in.withIndex(in.step(ctx, "packages", append(install, "litellm[proxy]=="+version, redisClient)...))
}

// withIndex adds to an error how an index is chosen.
func (in installer) withIndex(err error) error {
	variable := "UV_DEFAULT_INDEX"
	if in.uv == "" {
		variable = "PIP_INDEX_URL"
	}
	if err != nil {
		return fmt.Errorf("%w\n(downloads follow %s and the proxy variables)", err, variable)
	}
	return nil
}

// lacksHelper reports whether uv's log says that no set of versions fits, and
// speaks of a helper when it says why.
func lacksHelper(log string) bool {
	b, err := os.ReadFile(log)
	text := string(b)
	return err == nil && strings.Contains(text, "No solution found") &&
		slices.ContainsFunc(helpers(), func(h string) bool { return strings.Contains(text, h) })
}
