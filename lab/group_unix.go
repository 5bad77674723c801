//go:build linux || darwin

package lab

import (
	"os"
	"syscall"
	"unsafe"
)

// errPlatform is why no lab runs here; nil where one does.
var errPlatform error

// waitPID is P_PID of waitid(2), which package syscall does not name.
const waitPID = 1

// awaitExit waits until the child pid has ended, and leaves it unreaped.
func awaitExit(pid int) {
	// Darwin wants room for a siginfo_t of up to 128 bytes.
	var info [16]uint64
	for {
		_, _, e := syscall.Syscall6(syscall.SYS_WAITID, waitPID, uintptr(pid), uintptr(unsafe.Pointer(&info)),
			syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if e != syscall.EINTR {
			return
		}
	}
}

// The signals go to a group whose leader is not reaped yet, so it exists and is
// ours; that all of it has ended already is no error.

func terminateGroup(pgid int) { _ = syscall.Kill(-pgid, syscall.SIGTERM) }

func killGroup(pgid int) { _ = syscall.Kill(-pgid, syscall.SIGKILL) }

// tryLock locks f against other processes until it is closed, or reports that
// another holds it.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == syscall.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, err
}
