package watch

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// Namespace is how to name the network namespace netns (a file descriptor) when a
// socket is made: 0, the caller's own, if that is the same. To enter one needs
// CAP_SYS_ADMIN, even the one we are in, and a service should not have it.
func Namespace(netns int) int {
	var wanted, own unix.Stat_t
	if unix.Fstat(netns, &wanted) != nil || unix.Stat("/proc/self/task/"+strconv.Itoa(unix.Gettid())+"/ns/net", &own) != nil {
		return netns
	}
	if wanted.Dev == own.Dev && wanted.Ino == own.Ino {
		return 0
	}
	return netns
}
