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

func openRecording(dir string) (*recording, error) {
	if dir == "" {
		b := &bytes.Buffer{}
		return &recording{Writer: b, memory: b}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the run's folder: %w", err)
	}
	file, err := os.Create(filepath.Join(dir, historyFile))
	if err != nil {
		return nil, fmt.Errorf("writing the history: %w", err)
	}
	return &recording{Writer: file, file: file}, nil
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
