package lab

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ownGroup puts a child in a process group of its own, which Ctrl-C does not
// reach, and ends it should this process be killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// groupLives reports whether a process of the group has not ended. A container's
// first process seldom reaps orphans, so a group may exist for ever and hold
// nothing but zombies; /proc tells.
func groupLives(pgid int) bool {
	if syscall.Kill(-pgid, 0) != nil {
		return false
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(files) == 0 {
		return true
	}
	return slices.ContainsFunc(files, func(f string) bool {
		b, err := os.ReadFile(f)
		if err != nil {
			return false // it has ended meanwhile
		}
		state, group := statFields(string(b))
		return group == strconv.Itoa(pgid) && state != "Z" && state != "X"
	})
}

// statFields are a process's state and group in /proc/PID/stat: the first and
// the third word after its name, which stands in parentheses and may itself hold
// any character.
func statFields(stat string) (state, group string) {
	words := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(words) < 3 {
		return "", ""
	}
	return words[0], words[2]
}
