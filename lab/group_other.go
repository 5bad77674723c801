//go:build !linux && !darwin

package lab

import (
	"errors"
	"os"
	"syscall"
)

// errPlatform is why no lab runs here: without process groups nothing could
// promise that all that was started also ends. What is below is never reached.
var errPlatform = errors.New("lab: a real LiteLLM is started on Linux and macOS only: run it there, or in WSL or a container")

func ownGroup() *syscall.SysProcAttr { return nil }

func awaitExit(int) {}

func terminateGroup(int) {}

func killGroup(int) {}

func groupLives(int) bool { return false }

func tryLock(*os.File) (bool, error) { return false, errPlatform }
