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

// choosePorts picks n ports of 127.0.0.1 that are free now; the first is the one
// wanted where that is not 0. A LiteLLM that finds port 4000 taken goes to
// another one in silence, so it has to be known before.
func choosePorts(wanted, n int) ([]int, error) {
	var ports []int
	for len(ports) < n {
		l, err := net.Listen("tcp4", address(wanted))
		if err != nil {
			return nil, &SetupError{fmt.Errorf("lab: port %d of %s cannot be had: %w: choose another, or 0 for a free one", wanted, loopback, err)}
		}
		// All are held at once, else one could be given out twice.
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		wanted = 0
	}
	return ports, nil
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
