package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// loopback is the only address that anything here listens on.
const loopback = "127.0.0.1"

// errPortTaken is in the error of a start that lost its port to another process.
var errPortTaken = errors.New("the port was taken by another process")

// choosePorts picks two ports of 127.0.0.1 that are free now; the first is the
// one wanted where that is not 0. A LiteLLM that finds port 4000 taken goes to
// another one in silence, so it has to be known before.
func choosePorts(wanted int) (first, second int, err error) {
	a, err := net.Listen("tcp4", address(wanted))
	if err != nil {
		return 0, 0, fmt.Errorf("lab: port %d of %s cannot be had: %w: choose another, or 0 for a free one", wanted, loopback, err)
	}
	defer func() { _ = a.Close() }()
	// Both are held at once, else the second could be the first again.
	b, err := net.Listen("tcp4", address(0))
	if err != nil {
		return 0, 0, fmt.Errorf("lab: no free port on %s: %w", loopback, err)
	}
	defer func() { _ = b.Close() }()
	return a.Addr().(*net.TCPAddr).Port, b.Addr().(*net.TCPAddr).Port, nil
}

func address(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

// portTaken marks err with errPortTaken where the log says so: uvicorn and Redis
// both give the system's words.
func portTaken(err error, log string) error {
	b, readErr := os.ReadFile(log)
	if readErr == nil && strings.Contains(strings.ToLower(string(b)), "address already in use") {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return err
}
