package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ratecheck/ratecheck/history"
)

// recording is where a history goes: a file, or memory.
type recording struct {
	io.Writer
	file   *os.File
	memory *bytes.Buffer
}

// openRecording makes sure that a history can be written, before anything is
// started or sent for it. What an earlier run has left stays until begin.
func openRecording(dir string) (*recording, error) {
	if dir == "" {
		b := &bytes.Buffer{}
		return &recording{Writer: b, memory: b}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the run's folder: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, historyFile), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("writing the history: %w", err)
	}
	return &recording{Writer: file, file: file}, nil
}

// begin removes what an earlier run has left: its reports would be taken for
// those of this run, should it be killed.
func (r *recording) begin() error {
	if r.file == nil {
		return nil
	}
	info, err := r.file.Stat()
	if err == nil && info.Mode().IsRegular() {
		err = r.file.Truncate(0)
	}
	if err != nil {
		return fmt.Errorf("emptying the history of an earlier run: %w", err)
	}
	for _, name := range []string{reportFile, junitFile, markdownFile} {
		path := filepath.Join(filepath.Dir(r.file.Name()), name)
		// A link or a device was put there to be written to.
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("removing the report of an earlier run: %w", err)
		}
	}
	return nil
}

// abandon ends a recording for which nothing was sent.
func (r *recording) abandon() {
	if r.file == nil {
		return
	}
	info, err := r.file.Stat()
	_ = r.file.Close()
	if err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		_ = os.Remove(r.file.Name())
	}
}

// read ends the recording and reads it back: what is judged is what was
// written.
func (r *recording) read() (*history.History, error) {
	if r.memory != nil {
		return history.Read(r.memory)
	}
	if err := r.file.Close(); err != nil {
		return nil, fmt.Errorf("writing the history: %w", err)
	}
	return readHistoryFile(r.file.Name())
}

func readHistoryFile(path string) (*history.History, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	defer func() { _ = file.Close() }()
	h, err := history.Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}
