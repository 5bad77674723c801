package lab

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestChoosePorts(t *testing.T) {
	ports, err := choosePorts(0, 3)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Sort(ports); len(slices.Compact(ports)) != 3 || ports[0] == 0 {
		t.Errorf("ports %d, want three", ports)
	}
	taken, err := net.Listen("tcp4", address(0))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	var setup *SetupError
	if _, err := choosePorts(port, 2); !errors.As(err, &setup) {
		t.Errorf("port %d was given out though it is taken", port)
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := choosePorts(port, 2); err != nil || got[0] != port || got[1] == port {
		t.Errorf("ports %d, %v; want the %d asked for and another", got, err, port)
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
