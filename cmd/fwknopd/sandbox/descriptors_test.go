package sandbox

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// An inherited descriptor is kept from other programs, by both ways.
func TestCloseOnExec(t *testing.T) {
	for name, set := range map[string]func(){"close_range": CloseOnExec, "one by one": closeOnExecEach} {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		set()
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: flags %#x, %v", name, flags, err)
		}
		unix.Close(fd)
	}
}
