package lab

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestChoosePorts(t *testing.T) {
	a, b, err := choosePorts(0)
	if err != nil {
		t.Fatal(err)
	}
	if a == 0 || b == 0 || a == b {
		t.Errorf("ports %d and %d, want two", a, b)
	}
	taken, err := net.Listen("tcp4", address(0))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	if _, _, err := choosePorts(port); err == nil {
		t.Errorf("port %d was given out though it is taken", port)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _, err := choosePorts(port); err != nil || got != port {
		t.Errorf("port %d, %v; want the %d asked for", got, err, port)
	}
}

func TestPortTaken(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	failure := errors.New("ended")
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"[Errno 98] error while attempting to bind on address ('127.0.0.1', 1): address already in use", true},
		{"Could not create server TCP listening socket 127.0.0.1:1: bind: Address already in use", true},
		{"ModuleNotFoundError", false},
	} {
		if err := os.WriteFile(log, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := portTaken(failure, log)
		if errors.Is(err, errPortTaken) != tt.want || !errors.Is(err, failure) {
			t.Errorf("%q: %v; port taken: want %t", tt.text, err, tt.want)
		}
	}
}
