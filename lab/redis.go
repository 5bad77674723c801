package lab

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/ratecheck/ratecheck/clock"
)

// startRedis starts an empty Redis that keeps nothing on disk.
func startRedis(ctx context.Context, dir string, port int) (*process, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, &SetupError{fmt.Errorf("lab: redis-server is not in PATH (%w): install Debian's redis-server, or start without Redis", err)}
	}
	p, err := command{
		name: "redis-server",
		argv: []string{program, "--port", strconv.Itoa(port), "--bind", loopback,
			"--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", dir},
		env: envList(cleanEnv(os.Environ())),
		dir: dir,
		log: filepath.Join(dir, "redis.log"),
	}.start()
	if err != nil {
		return nil, err
	}
	return p, p.awaitReady(ctx, readyWithin, func(ctx context.Context) bool { return answersPing(ctx, port) })
}

// answersPing reports whether a Redis answers on that port.
func answersPing(ctx context.Context, port int) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp4", address(port))
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(clock.System{}.Now().Add(answerWithin)); err != nil {
		return false
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && line == "+PONG\r\n"
}
