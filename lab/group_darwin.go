package lab

import "syscall"

// ownGroup puts a child in a process group of its own, which Ctrl-C does not
// reach.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// groupLives reports whether a process of the group has not ended.
func groupLives(pgid int) bool { return syscall.Kill(-pgid, 0) == nil }
