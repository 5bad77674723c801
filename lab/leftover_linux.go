package lab

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// workingIn finds the processes that work in a folder, by /proc. known says
// whether the system tells.
func workingIn(folder string) (left []Leftover, known bool) {
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil || len(links) == 0 {
		return nil, false
	}
	for _, link := range links {
		if where, err := os.Readlink(link); err != nil || where != folder {
			continue // another's, or it has ended meanwhile
		}
		process := filepath.Dir(link)
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join(process, "cmdline"))
		if err != nil {
			continue
		}
		words := string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
		left = append(left, Leftover{
			PID: pid, Dir: folder,
			Command: bearerLike.ReplaceAllString(strings.TrimSpace(words), "sk-***"),
		})
	}
	return left, true
}
