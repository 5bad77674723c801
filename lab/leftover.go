package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// workDir holds the working folders of instances below the folder that releases
// are installed into.
const workDir = "work"

// WorkFolder makes a working folder for an instance below dir, where Leftovers
// looks. Whoever made it removes it when the instance has stopped.
func WorkFolder(dir string) (string, error) {
	work := filepath.Join(dir, workDir)
	if err := os.MkdirAll(work, 0o700); err != nil {
		return "", fmt.Errorf("lab: making a working folder below %s: %w; give a folder that can be written to", dir, err)
	}
	own, err := os.MkdirTemp(work, "run-")
	if err != nil {
		return "", fmt.Errorf("lab: making a working folder below %s: %w; give a folder that can be written to", dir, err)
	}
	return filepath.Abs(own)
}

// Leftover is a process of an instance whose program was killed before it could
// end it.
type Leftover struct {
	PID     int
	Command string // its command line, without keys
	Dir     string // the working folder of its instance
}

// Leftovers finds what instances with a working folder below dir left running
// when their program was killed: processes that work in a folder whose lock
// nobody holds any more. It removes the folders in which nothing runs. Where the
// system does not tell in which folder a process works (anywhere but on Linux)
// it finds nothing and removes nothing.
func Leftovers(dir string) ([]Leftover, error) {
	work, err := filepath.Abs(filepath.Join(dir, workDir))
	if err != nil {
		return nil, fmt.Errorf("lab: looking for working folders below %s: %w; give a folder that can be read", dir, err)
	}
	folders, err := os.ReadDir(work)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("lab: looking for working folders below %s: %w; give a folder that can be read", dir, err)
	}
	// A process may name its folder by another path than this.
	if work, err = filepath.EvalSymlinks(work); err != nil {
		return nil, fmt.Errorf("lab: looking for working folders below %s: %w; give a folder that can be read", dir, err)
	}
	var left []Leftover
	for _, f := range folders {
		found, err := leftIn(filepath.Join(work, f.Name()))
		if err != nil {
			return left, err
		}
		left = append(left, found...)
	}
	return left, nil
}

// leftIn looks into one working folder. One without a lock is about to be used.
func leftIn(folder string) ([]Leftover, error) {
	path := filepath.Join(folder, instanceLock)
	if _, err := os.Stat(path); err != nil {
		return nil, nil
	}
	unlock, err := lock(context.Background(), path, false)
	if err != nil {
		return nil, nil // held: its instance runs
	}
	defer func() { _ = unlock() }()
	left, known := workingIn(folder)
	if !known || len(left) > 0 {
		return left, nil
	}
	if err := os.RemoveAll(folder); err != nil {
		return nil, fmt.Errorf("lab: removing a working folder in which nothing runs: %w", err)
	}
	return nil, nil
}
