package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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
