package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// interpreter is a Python that runs.
type interpreter struct {
	path    string
	version string // 3.11
}

// minMinor is the oldest Python 3 that LiteLLM's proxy supports.
const minMinor = 9

// probeWait bounds what is left of a probe after it was told to end.
const probeWait = time.Second

// findPython finds an interpreter by running it: version managers put stand-ins
// in PATH that run nothing.
func findPython(ctx context.Context) (interpreter, error) {
	var tried []string
	for _, name := range []string{"python3.11", "python3"} {
		const ask = `import sys; print("%d.%d" % sys.version_info[:2]); print(sys.executable)`
		out, err := probe(ctx, name, "-c", ask)
		if err != nil {
			tried = append(tried, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		version, path, _ := strings.Cut(strings.TrimSpace(out), "\n")
		major, minor, _ := strings.Cut(version, ".")
		if n, err := strconv.Atoi(minor); err != nil || major != "3" || n < minMinor || !filepath.IsAbs(path) {
			tried = append(tried, fmt.Sprintf("%s: is Python %q", name, version))
			continue
		}
		return interpreter{path: path, version: version}, nil
	}
	if err := ctx.Err(); err != nil {
		return interpreter{}, fmt.Errorf("lab: looking for Python: %w", err)
	}
	return interpreter{}, fmt.Errorf("lab: no Python from 3.%d up in PATH (%s): install Python 3.11", minMinor, strings.Join(tried, "; "))
}

// probe runs a program that answers at once.
func probe(ctx context.Context, name string, args ...string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = installEnv(os.Environ())
	cmd.WaitDelay = probeWait
	out, err := cmd.Output()
	return string(out), err
}

// installer makes virtual environments, with uv or, where uv is "", with
// python's own venv and pip.
type installer struct {
	python interpreter
	uv     string
	log    string // beginning of the names of its logs
}

func (in installer) name() string {
	if in.uv == "" {
		return "pip"
	}
	return "uv"
}

// findInstaller takes uv from PATH; else it puts one in a virtual environment
// of its own under dir; else it is pip.
func findInstaller(ctx context.Context, dir string, python interpreter, progress io.Writer) (installer, error) {
	in := installer{python: python, log: filepath.Join(dir, "install")}
	if _, err := probe(ctx, "uv", "--version"); err == nil {
		in.uv, err = exec.LookPath("uv")
		return in, err
	}
	own := filepath.Join(dir, "uv")
	uv := filepath.Join(own, "bin", "uv")
	if _, err := probe(ctx, uv, "--version"); err == nil {
		in.uv = uv
		return in, nil
	}
	_, _ = fmt.Fprintln(progress, "uv is not there: installing it for the lab alone")
	err := clear(own)
	if err == nil {
		err = in.step(ctx, "venv", python.path, "-m", "venv", own)
	}
	if err != nil {
		// pip would need the same.
		return in, &SetupError{fmt.Errorf("lab: neither uv nor Python's venv is there: install uv, or Debian's python3-venv: %w", err)}
	}
	err = in.step(ctx, "uv", filepath.Join(own, "bin", "python"), "-m", "pip", "install", "-q", "uv")
	if ctx.Err() != nil {
		return in, err
	}
	if err != nil {
		_, _ = fmt.Fprintln(progress, "uv cannot be had: pip is used, which takes some minutes")
		return in, nil
	}
	in.uv = uv
	return in, nil
}

// helpers names packages that a proxy without a database does not use, which some
// releases ask for in a version that an index may lack: migrations of the
// database, features under licence, a bundle of certificates.
func helpers() []string {
	return []string{"litellm-proxy-extras", "litellm-enterprise", "certifi"}
}

// install fills venv, and lists in freezeFile what is in it. It returns the
// helper packages whose versions were left to the index.
func (in installer) install(ctx context.Context, venv, version string, progress io.Writer) (relaxed []string, err error) {
	python := filepath.Join(venv, "bin", "python")
	if in.uv == "" {
		return nil, in.installByPip(ctx, venv, python, version)
	}
	if err := in.step(ctx, "venv", in.uv, "venv", "--python", in.python.path, venv); err != nil {
		return nil, err
	}
	// uv holds each line to the hashes that stand in it, and asks none of others.
	wanted := filepath.Join(venv, "requirements.txt")
	if err := os.WriteFile(wanted, []byte(requirement("[proxy]", version)+"\n"+redisClient+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("lab: requirements: %w", err)
	}
	uvInstall := []string{in.uv, "pip", "install", "-q", "--python", python, "-r", wanted}
	err = in.step(ctx, "packages", uvInstall...)
	if err != nil && ctx.Err() == nil && lacksHelper(in.logOf("packages")) {
		_, _ = fmt.Fprintf(progress, "the index lacks a helper package in the version asked for: taking any version of %s\n", strings.Join(helpers(), ", "))
		relaxed = helpers()
		overrides := filepath.Join(venv, "overrides.txt")
		if err := os.WriteFile(overrides, []byte(strings.Join(relaxed, "\n")+"\n"), 0o600); err != nil {
			return nil, fmt.Errorf("lab: overrides: %w", err)
		}
		err = in.step(ctx, "packages", append(uvInstall, "--override", overrides)...)
	}
	if err != nil {
		return nil, fmt.Errorf("%w\n(downloads follow UV_DEFAULT_INDEX and the proxy variables)", err)
	}
	return relaxed, in.stepTo(ctx, filepath.Join(venv, freezeFile), "freeze", in.uv, "pip", "freeze", "--python", python)
}

// redisClient is what LiteLLM leaves to whoever configures a cache.
const redisClient = "redis"

// installByPip fills venv by pip, which takes hashes for all packages or for
// none: so LiteLLM itself comes first, alone.
func (in installer) installByPip(ctx context.Context, venv, python, version string) error {
	if err := in.step(ctx, "venv", in.python.path, "-m", "venv", venv); err != nil {
		return err
	}
	install := []string{python, "-m", "pip", "install", "-q"}
	steps := [][]string{append(install[:len(install):len(install)], "litellm[proxy]=="+version, redisClient)}
	if len(hashesOf(version)) > 0 {
		wanted := filepath.Join(venv, "requirements.txt")
		if err := os.WriteFile(wanted, []byte(requirement("", version)+"\n"), 0o600); err != nil {
			return fmt.Errorf("lab: requirements: %w", err)
		}
		steps = append([][]string{append(install[:len(install):len(install)], "--no-deps", "--require-hashes", "-r", wanted)}, steps...)
	}
	for _, argv := range steps {
		if err := in.step(ctx, "packages", argv...); err != nil {
			return fmt.Errorf("%w\n(downloads follow PIP_INDEX_URL and the proxy variables)", err)
		}
	}
	return in.stepTo(ctx, filepath.Join(venv, freezeFile), "freeze", python, "-m", "pip", "freeze")
}

// lacksHelper reports whether uv's log says that no set of versions fits, and
// speaks of a helper when it says why.
func lacksHelper(log string) bool {
	b, err := os.ReadFile(log)
	text := string(b)
	return err == nil && strings.Contains(text, "No solution found") &&
		slices.ContainsFunc(helpers(), func(h string) bool { return strings.Contains(text, h) })
}

func (in installer) logOf(step string) string { return in.log + "-" + step + ".log" }

func (in installer) step(ctx context.Context, name string, argv ...string) error {
	return in.stepTo(ctx, "", name, argv...)
}

// stepTo runs one step; its standard output goes to out where that is not "".
func (in installer) stepTo(ctx context.Context, out, name string, argv ...string) error {
	c := command{name: filepath.Base(argv[0]), argv: argv, env: installEnv(os.Environ()), log: in.logOf(name), out: out}
	if err := c.run(ctx); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("%w; what was begun is cleared away by the next Install", err)
		}
		return err
	}
	return nil
}
